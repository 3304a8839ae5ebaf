from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.bounds import Bound, bound
from app.core.caching import Ttl
from app.core.measure import measure
from app.core.models import Model
from app.core.pricing import Prices, PriceStep, Rates, price
from app.core.request import Request
from app.core.usage import Usage
from tests.core.catalogs import MODERN, SONNET, SONNET_RATES, prices

PLAIN = prices(SONNET_RATES)


def asked(
    text: str = "", *, max_tokens: int = 0, tools: tuple[dict[str, Any], ...] = (), **options: Any
) -> Request:
    return Request(
        "m",
        ({"role": "user", "content": text},),
        tools=tools,
        max_tokens=max_tokens,
        options=options,
    )


def bounded(
    request: Request,
    *,
    ttl: Ttl | None = None,
    model: Model = SONNET,
    at: Prices = PLAIN,
    counted: int | None = None,
) -> Bound:
    return bound(request, measure(request), model, at, ttl=ttl, counted_tokens=counted)


INPUTS = [
    # text bytes + 16 for the turn + 16 for the prompt, at $3 per million, in nano-USD
    (asked("x" * 968), None, 1_000, 3_000_000),
    # a 5m mark: any token may become a write at $3.75; two more for rounding apart
    (asked("x" * 968), "5m", 1_000, 3_750_002),
    (asked("x" * 968), "1h", 1_000, 6_000_002),
    (asked("é" * 484), None, 1_000, 3_000_000),
]


@pytest.mark.parametrize(("request_", "ttl", "tokens", "nano_usd"), INPUTS)
def test_a_prompt_is_held_at_one_token_per_byte_and_the_dearest_rate(
    request_: Request, ttl: Ttl | None, tokens: int, nano_usd: int
) -> None:
    found = bounded(request_, ttl=ttl)
    assert found.input_tokens == tokens
    assert found.nano_usd == nano_usd


def test_the_answer_is_held_at_max_tokens() -> None:
    # 32 x 3,000 + 1,000 x 15,000 nano-USD
    assert bounded(asked(max_tokens=1_000)).nano_usd == 15_096_000


def test_no_answer_is_held_above_the_models_maximum() -> None:
    found = bounded(asked(max_tokens=10**18))  # refused by the vendor, and never overflows
    assert found.output_tokens == 128_000


def test_tools_count_twice_their_json_and_a_thousand_on_top() -> None:
    tool = {"name": "f", "input_schema": {}}  # {"name":"f","input_schema":{}} is 30 bytes
    assert bounded(asked(tools=(tool,))).input_tokens == 32 + 2 * 30 + 1_000


def test_pictures_count_at_the_models_most() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}
    request = Request("m", ({"role": "user", "content": [picture]},))
    assert bounded(request).input_tokens == 32 + 8 + 1_600
    assert bounded(request, model=MODERN).input_tokens == 32 + 8 + 4_784


@pytest.mark.parametrize(
    "source",
    [
        {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        {"type": "url", "url": "https://x.example/a.pdf"},
        {"type": "file", "file_id": "file_1"},
    ],
)
def test_documents_are_held_at_the_context_window(source: dict[str, str]) -> None:
    block = {"type": "document", "source": source}
    request = Request("m", ({"role": "user", "content": [block]},))
    assert bounded(request).input_tokens == 1_000_000


def test_no_prompt_is_held_above_the_context_window() -> None:
    assert bounded(asked("x" * 1_000_001)).input_tokens == 1_000_000


def test_a_counted_prompt_is_held_with_two_percent_and_64_tokens() -> None:
    found = bounded(asked("x" * 10_000), counted=1_000)
    assert found.input_tokens == 1_084
    assert not found.input_is_loose


TIERED = prices(
    Rates(100_000, 500_000, 125_000, 200_000, 10_000),
    PriceStep(100_000, Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000)),
)
STEPS = [
    # prompt bound, output, nano-USD
    (100_000, 1_000, 10_000_000 + 500_000),
    (100_001, 1_000, 50_000_500 + 2_500_000),
]


@pytest.mark.parametrize(("tokens", "output", "nano_usd"), STEPS)
def test_the_dearest_tier_that_the_prompt_may_reach_is_held(
    tokens: int, output: int, nano_usd: int
) -> None:
    request = asked("x" * (tokens - 32), max_tokens=output)
    assert bounded(request, at=TIERED).nano_usd == nano_usd


def test_asked_for_speed_and_place_are_held_at_their_multipliers() -> None:
    at = prices(SONNET_RATES, us=1_100, fast=2_000)
    request = asked("x" * 968, max_tokens=100, speed="fast", inference_geo="us")
    # (1,000 x 3,000 + 100 x 15,000) x 2 x 1.1
    assert bounded(request, at=at).nano_usd == 9_900_000


SEARCH = {"type": "web_search_20260318", "name": "web_search"}


def test_server_tools_hold_the_window_for_every_use() -> None:
    found = bounded(asked(tools=({**SEARCH, "max_uses": 2},)))
    assert found.input_tokens == 3_000_000
    # 3,000,000 x 3,000 nano-USD and two searches at $0.01
    assert found.nano_usd == 9_000_000_000 + 20_000_000
    assert found.unbounded == ()


UNBOUNDED = [
    (asked(tools=(SEARCH,)), ("tools.web_search",)),
    (asked(tools=({**SEARCH, "max_uses": "3"},)), ("tools.web_search",)),
    (asked(tools=({**SEARCH, "max_uses": 1_001},)), ("tools.web_search",)),
    (asked(tools=({**SEARCH, "max_uses": 1_000},)), ()),
    (asked(container="c"), ("container",)),
    (asked(container={}), ("container",)),
    (asked(compaction={}), ("compaction",)),
    (asked(container=None, mcp_servers=[]), ()),
    (asked(thread={"type": "continue", "previous_message_id": "msg_1"}), ("thread",)),
    (asked(fallbacks="default"), ("fallbacks",)),
    (asked(compaction={"type": "auto"}), ("compaction",)),
    (asked(mcp_servers=[{"url": "https://x.example"}]), ("mcp_servers",)),
    (
        asked(context_management={"edits": [{"type": "compact_20260112"}]}),
        ("context_management.compact_20260112",),
    ),
    (asked(context_management={"edits": [{"type": "clear_thinking_20251015"}]}), ()),
    (asked(tools=({"type": "bash_20250124", "name": "bash"},)), ()),
    (asked(tools=({"type": "custom", "name": "f", "input_schema": {}},)), ()),
]


@pytest.mark.parametrize(("request_", "names"), UNBOUNDED)
def test_what_has_no_bound_is_named(request_: Request, names: tuple[str, ...]) -> None:
    assert bounded(request_).unbounded == names


def test_the_longest_answer_that_fits_a_sum() -> None:
    found = bounded(asked("x" * 968, max_tokens=1_000))  # 3,000,000 fixed + 15,000 each
    assert found.output_that_fits(3_000_000) == 0
    assert found.output_that_fits(3_014_999) == 0
    assert found.output_that_fits(3_015_000) == 1
    assert found.output_that_fits(10**12) == 1_000
    assert found.output_that_fits(0) == 0
    assert found.with_output(1) == 3_015_000


@given(
    text=st.text(max_size=400),
    split=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    share=st.floats(0, 1),
    output=st.integers(0, 5_000),
    ttl=st.sampled_from([None, "5m", "1h"]),
    modifiers=st.tuples(st.booleans(), st.booleans()),
)
def test_no_usage_within_the_bounds_costs_more_than_the_bound(  # noqa: PLR0917
    text: str,
    split: list[float],
    share: float,
    output: int,
    ttl: Ttl | None,
    modifiers: tuple[bool, bool],
) -> None:
    fast, us = modifiers
    at = replace(TIERED, us=1_100, fast=2_000)
    asked_for: dict[str, Any] = {}
    if fast:
        asked_for["speed"] = "fast"
    if us:
        asked_for["inference_geo"] = "us"
    found = bounded(asked(text, max_tokens=output, **asked_for), ttl=ttl, at=at)
    prompt = int(found.input_tokens * share)
    whole = sum(split) or 1.0
    parts = [int(prompt * part / whole) for part in split]
    if ttl is None:
        parts = [prompt, 0, 0, 0]
    if ttl == "5m":
        parts = [parts[0] + parts[2], parts[1], 0, parts[3]]
    usage = Usage(
        input_tokens=parts[0],
        cache_write_5m_tokens=parts[1],
        cache_write_1h_tokens=parts[2],
        cache_read_tokens=parts[3],
        output_tokens=output,
        fast=fast,
        us=us,
    )
    assert price(usage, at).total <= found.nano_usd


def test_where_the_vendor_s_own_bill_decides_a_tenth_is_held_on_top() -> None:
    billed = replace(SONNET, held_thousandths=1_100)
    found = bounded(asked("x" * 968, max_tokens=100), model=billed)
    assert found.fixed_nano_usd == 3_300_000
    assert found.nano_usd == 3_300_000 + 100 * 16_500
    searching = {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}
    with_search = bounded(asked(tools=(searching,)), model=billed)
    without = bounded(asked(tools=(searching,)))
    assert with_search.fixed_nano_usd == without.fixed_nano_usd * 11 // 10
