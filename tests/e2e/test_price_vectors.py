from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.dated import dated_gateway, turn_to
from tests.e2e.price_vectors import DAY, VECTORS, Vector
from tests.e2e.priced_calls import (
    CONTENT,
    assert_priced_in_four_ways,
    event_stream,
    whole_body,
)
from tests.running import Gateway, Simulated

SONNET = "claude-sonnet-4-6"  # $3, writes $3.75 and $6, reads $0.30, output $15 per million
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with dated_gateway(tmp_path_factory.mktemp("dated"), upstream.url, DAY) as running:
        yield running


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.claim)
def test_a_reply_costs_what_the_published_prices_say(
    served: Gateway, upstream: Simulated, vector: Vector
) -> None:
    upstream.turn_to(DAY)
    upstream.replies(*[{"content": CONTENT, "usage": vector.usage}] * 4)
    assert_priced_in_four_ways(served, vector)
    if "service_tier" not in vector.says:  # the simulator has no batches
        assert upstream.billed_nano_usd() == 4 * Decimal(vector.total_usd) * 10**9


def test_the_table_is_large_and_has_every_current_model() -> None:
    assert len(VECTORS) >= 80
    assert len({vector.claim for vector in VECTORS}) == len(VECTORS)
    assert len({vector.model for vector in VECTORS}) == 19


def split(write_5m: int | None, write_1h: int | None) -> dict[str, Any]:
    return {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h}


WROTE = {"cache_creation_input_tokens": 100}
NULLS = dict.fromkeys(
    (
        "cache_creation_input_tokens",
        "cache_creation",
        "cache_read_input_tokens",
        "server_tool_use",
        "output_tokens_details",
        "speed",
        "inference_geo",
        "service_tier",
    )
)
COMPACTION = [
    {"type": "message", "input_tokens": 10, "output_tokens": 5},
    {"type": "compaction", "input_tokens": 1_000, "output_tokens": 200},
]
ODD = [
    # beside 10 tokens in and 5 out; in, 5m, 1h, read, out;    USD: 0.00003 + 5m + 1h + 0.000075
    ("nothing about the cache", {}, (10, 0, 0, 0, 5), "0.000105"),
    ("null everywhere", NULLS, (10, 0, 0, 0, 5), "0.000105"),
    ("null searches", {"server_tool_use": split(None, None)}, (10, 0, 0, 0, 5), "0.000105"),
    ("no split", WROTE, (10, 100, 0, 0, 5), "0.00048"),
    ("a null split", {**WROTE, "cache_creation": None}, (10, 100, 0, 0, 5), "0.00048"),
    ("an empty split", {**WROTE, "cache_creation": {}}, (10, 100, 0, 0, 5), "0.00048"),
    (
        "a split of nulls",
        {**WROTE, "cache_creation": split(None, None)},
        (10, 100, 0, 0, 5),
        "0.00048",
    ),
    (
        "a split that names the hour alone",
        {**WROTE, "cache_creation": {"ephemeral_1h_input_tokens": 70}},
        (10, 30, 70, 0, 5),
        "0.0006375",
    ),
    (
        "a split of half of it",
        {**WROTE, "cache_creation": split(20, 30)},
        (10, 70, 30, 0, 5),
        "0.0005475",
    ),
    (
        "a split larger than the total",
        {**WROTE, "cache_creation": split(90, 70)},
        (10, 90, 70, 0, 5),
        "0.0008625",
    ),
    ("a split without a total", {"cache_creation": split(40, 60)}, (10, 40, 60, 0, 5), "0.000615"),
    ("a compaction on top", {"iterations": COMPACTION}, (1_010, 0, 0, 0, 205), "0.006105"),
]


@pytest.mark.parametrize(
    ("fields", "tokens", "usd"), [row[1:] for row in ODD], ids=[row[0] for row in ODD]
)
def test_whatever_the_usage_leaves_out_nothing_is_free_or_charged_twice(
    served: Gateway,
    upstream: Simulated,
    fields: dict[str, Any],
    tokens: tuple[int, int, int, int, int],
    usd: str,
) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, **fields}
    stream = event_stream(SONNET, {**usage, "output_tokens": 1}, [{"output_tokens": 5}])
    expected = sonnet_reply(tokens, usd)
    answer_each_way(upstream, whole_body(SONNET, usage), stream, expected)
    assert_priced_in_four_ways(served, expected)
    assert upstream.billed_nano_usd() == 4 * Decimal(usd) * 10**9


START = {
    "input_tokens": 1_000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "cache_read_input_tokens": 4_000,
    "output_tokens": 2,
}
NOTHING = {
    "input_tokens": 1_000,
    "cache_creation_input_tokens": None,
    "cache_creation": None,
    "cache_read_input_tokens": None,
    "output_tokens": 2,
}
COUNTED = (1_000, 100, 200, 4_000)
# COUNTED: 0.003 + 0.000375 + 0.0012 + 0.0012 = 0.005775 USD; 50 tokens out: 0.00075.
STREAMS: list[tuple[str, list[Any], tuple[int, ...], str]] = [
    # what `message_start` says, and then each `message_delta`
    ("output alone at the end", [START, {"output_tokens": 50}], (*COUNTED, 50), "0.006525"),
    ("all said again", [START, {**START, "output_tokens": 50}], (*COUNTED, 50), "0.006525"),
    (
        "cumulative ends",
        [START, {"output_tokens": 20}, {"output_tokens": 45}, {"output_tokens": 50}],
        (*COUNTED, 50),
        "0.006525",
    ),
    (
        "a null after a figure",
        [START, {"output_tokens": 50}, {"output_tokens": None}],
        (*COUNTED, 50),
        "0.006525",
    ),
    (
        "nulls for the cache at the end",
        [START, {**NOTHING, "output_tokens": 50}],
        (*COUNTED, 50),
        "0.006525",
    ),
    (
        "the cache told at the end alone",
        [NOTHING, {**START, "output_tokens": 50}],
        (*COUNTED, 50),
        "0.006525",
    ),
    (
        "more input at the end",
        [START, {"input_tokens": 3_000, "output_tokens": 50}],
        (3_000, 100, 200, 4_000, 50),
        "0.012525",
    ),
    (
        "more reads in the second of two ends",
        [START, {"output_tokens": 20}, {"cache_read_input_tokens": 9_000, "output_tokens": 50}],
        (1_000, 100, 200, 9_000, 50),
        "0.008025",
    ),
    (
        "more written than the split of the start tells",
        [START, {"cache_creation_input_tokens": 500, "output_tokens": 50}],
        (1_000, 300, 200, 4_000, 50),
        "0.007275",
    ),
    (
        "half a split at the end",
        [START, {"cache_creation": {"ephemeral_5m_input_tokens": None}, "output_tokens": 50}],
        (*COUNTED, 50),
        "0.006525",
    ),
]


@pytest.mark.parametrize(
    ("said", "tokens", "usd"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS]
)
def test_the_last_figure_of_a_stream_that_is_not_null_is_charged(
    served: Gateway,
    upstream: Simulated,
    said: list[Any],
    tokens: tuple[int, int, int, int, int],
    usd: str,
) -> None:
    expected = sonnet_reply(tokens, usd)
    start, *ends = said
    answer_each_way(
        upstream, whole_body(SONNET, expected.usage), event_stream(SONNET, start, ends), expected
    )
    assert_priced_in_four_ways(served, expected)
    assert upstream.billed_nano_usd() == 4 * Decimal(usd) * 10**9


def test_searches_and_thinking_that_only_the_end_tells_are_charged(
    served: Gateway, upstream: Simulated
) -> None:
    expected = Vector(
        claim="",
        model=SONNET,
        tokens=(1_000, 0, 0, 0, 50),
        usd=tuple(map(Decimal, ("0.003", "0", "0", "0", "0.00075", "0.02"))),
        total_usd="0.02375",
        searches=2,
        thinking_tokens=40,
    )
    ends: list[dict[str, Any] | None] = [
        {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 15}},
        {"output_tokens": 50, "server_tool_use": {"web_search_requests": 2}},
        {"output_tokens_details": {"thinking_tokens": 40}},
    ]
    streamed = event_stream(SONNET, {"input_tokens": 1_000, "output_tokens": 1}, ends)
    answer_each_way(upstream, whole_body(SONNET, expected.usage), streamed, expected)
    assert_priced_in_four_ways(served, expected)


def answer_each_way(
    upstream: Simulated, whole: dict[str, Any], stream: str, expected: Vector
) -> None:
    """Sent to the byte; the upstream bills what is expected, whatever the bytes say."""
    bodies: list[dict[str, Any]] = [{"body": whole}, {"sse": stream}] * 2
    upstream.replies(*({**body, "usage": expected.usage} for body in bodies))


def sonnet_reply(tokens: tuple[int, int, int, int, int], usd: str) -> Vector:
    """What the reply costs at Sonnet's prices, whose nano-USD per token are whole."""
    each = zip(tokens, (3_000, 3_750, 6_000, 300, 15_000), strict=True)
    amounts = [Decimal(count * nano_usd) / 10**9 for count, nano_usd in each]
    return Vector("", SONNET, tokens, (*amounts, Decimal(0)), usd)


@pytest.fixture
def october(served: Gateway) -> Iterator[Gateway]:
    """2026-10-06: the day before Haiku 5.5, and before cheaper reads of Sonnet 5.5."""
    turn_to(served.folder, "2026-10-06")
    yield served
    turn_to(served.folder, DAY)


READS: list[tuple[str, str, str, str]] = [
    # day          price of a read    10 in, 100,000 read, 10 out at $2 and $10
    ("2026-10-06", "0.0000002", "2026-09-28", "0.02012"),
    ("2026-10-07", "0.0000001", "2026-10-07", "0.01012"),
]


def test_a_price_changes_at_midnight_without_a_restart(
    october: Gateway, upstream: Simulated
) -> None:
    model = "claude-sonnet-5-5"
    usage = {"input_tokens": 10, "cache_read_input_tokens": 100_000, "output_tokens": 10}
    for day, read, since, usd in READS:
        turn_to(october.folder, day)
        upstream.replies({"content": CONTENT, "usage": usage})
        asked = {"model": model, "max_tokens": 100, "messages": HELLO}
        answer = october.chat(october.key(), asked)
        assert answer.headers["x-tollkeeper-cost-usd"] == usd
        rates = october.row(answer.headers["x-request-id"])["rates"]
        assert (rates["usd_per_token"]["cache_read"], rates["effective_from"]) == (read, since)
        (shown,) = [
            row["usd_per_token"]
            for row in october.admin("GET", "prices")["data"]
            if (row["model"], row["category"]) == (model, "cache_read")
        ]
        assert shown == read
    assert upstream.messages()[-1]["billed_nano_usd"] == 10_120_000


def test_a_model_is_not_called_before_the_day_of_its_first_price(
    october: Gateway, upstream: Simulated
) -> None:
    asked = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": HELLO}
    refused = october.chat(october.key(), asked)
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    assert upstream.log() == []
    turn_to(october.folder, "2026-10-07")
    assert october.chat(october.key(), asked).status_code == 200
