from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import httpx2
import pytest

from tests.cli.processes import run
from tests.e2e.priced_calls import WITH_USAGE, exact_json, usage_chunk
from tests.running import Gateway, Simulated, gateway

METRICS_TOKEN = "metrics-0123456789"
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
HAIKU, SONNET = "claude-haiku-4-5-20251001", "claude-sonnet-4-6"
DROP = {"kind": "drop_after_generation"}
PLAIN = (1_000, 0, 0, 0, 100)
SHORT = (20, 0, 0, 0, 100)  # what "Hello" may really count
COUNTED = (6, 0, 0, 0, 60)  # what the upstream counts it as, and the whole of a short answer
NANO = Decimal("1e-9")


@dataclass(frozen=True)
class Asked:
    """One call, and what it must come to: cost, and what the cache and routing have saved."""

    name: str
    who: str
    path: str
    model: str
    tokens: tuple[int, int, int, int, int] = PLAIN
    usd: tuple[str, str, str] | None = None
    says: dict[str, Any] = field(default_factory=dict)
    faults: tuple[dict[str, Any], ...] = ()
    stream: bool = False
    status: int = 200
    max_tokens: int = 100


# "Hello" counts 6 tokens; 60 out can have been written at once, whenever a connection is dropped:
# an unknown outcome at Sonnet costs 0.000018 + 0.0009 = 0.000918 USD.
ASKED = [
    Asked("auto", "ann", CHAT, "auto", usd=("0.0015", "0.00", "0.003")),
    Asked("the strongest tier", "ann", CHAT, "sonnet", usd=("0.0045", "0.00", "0.00")),
    Asked(
        "auto, some of it cached",
        *("ann", CHAT, "auto", (1_000, 2_000, 0, 5_000, 200)),
        usd=("0.005", "0.004", "0.01"),
    ),
    Asked(
        "a write, streamed",
        *("ann", CHAT, SONNET, (3, 12_304, 0, 0, 550)),
        usd=("0.054399", "-0.009228", "0.00"),
        stream=True,
    ),
    Asked(
        "a read",
        *("bob", MESSAGES, SONNET, (3, 0, 0, 12_304, 550)),
        usd=("0.0119502", "0.0332208", "0.00"),
    ),
    Asked(
        "fast in the US, streamed",
        *("bob", MESSAGES, "claude-opus-5-5", (1_000, 2_000, 3_000, 4_000, 500)),
        usd=("0.10736", "0.00264", "0.00"),
        says={"speed": "fast", "inference_geo": "us"},
        stream=True,
    ),
    Asked(
        "half a nano-USD",
        *("bob", RESPONSES, "claude-haiku-5-5", (0, 1, 0, 0, 0)),
        usd=("0.000000138", "-0.000000028", "0.00"),
        says={"inference_geo": "us"},
    ),
    Asked(
        "reads in the dearer tier",
        *("ann", RESPONSES, "claude-haiku-5-5", (0, 0, 0, 100_001, 1_000)),
        usd=("0.00750005", "0.04500045", "0.00"),
        stream=True,
    ),
    Asked(
        "searches",
        *("bob", MESSAGES, SONNET),
        usd=("0.0245", "0.00", "0.00"),
        says={"server_tool_use": {"web_search_requests": 2}},
    ),
    Asked(
        "refused twice, then answered",
        *("ann", CHAT, SONNET),
        usd=("0.0045", "0.00", "0.00"),
        faults=({"kind": "status", "status": 429, "retry_after": "0"}, {"kind": "overloaded"}),
    ),
    Asked(
        "dropped, then answered: the first stays charged",
        *("bob", CHAT, SONNET, COUNTED),
        usd=("0.001836", "0.00", "0.00"),
        faults=(DROP,),
        max_tokens=60,
    ),
    Asked(
        "dropped three times: three unknown outcomes",
        *("bob", CHAT, SONNET, COUNTED),
        usd=("0.002754", "0.00", "0.00"),
        faults=(DROP, DROP, DROP),
        max_tokens=60,
        status=502,
    ),
    Asked(
        "refused by the upstream",
        *("ann", CHAT, SONNET),
        usd=("0.00", "0.00", "0.00"),
        faults=({"kind": "status", "status": 400},),
        status=400,
    ),
    Asked(
        "a stream that broke",
        *("ann", CHAT, SONNET, SHORT),
        faults=({"kind": "sse_error", "after_deltas": 2},),
        stream=True,
    ),
    Asked("over the budget", "cid", CHAT, SONNET, status=402),
]
BY_NAME = {asked.name: asked for asked in ASKED}
ANSWERED = [asked.name for asked in ASKED if asked.status == 200 and asked.usd]
HELD = [asked.name for asked in ASKED if asked.status != 402]


@dataclass(frozen=True)
class Bag:
    """All calls, made once: answers by name, the keys' secrets, what the upstream has seen."""

    answers: dict[str, httpx2.Response]
    secrets: dict[str, str]
    arrived: list[dict[str, Any]]


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    environ = {"TOLLKEEPER_METRICS_TOKEN": METRICS_TOKEN}
    with gateway(folder, upstream.url, environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def bag(served: Gateway, upstream: Simulated) -> Bag:
    upstream.reset()
    budgets = {"ann": {"max_budget_usd": "50.00"}, "bob": {}, "cid": {"max_budget_usd": "0.001"}}
    secrets = {name: served.key(**{"name": name, **limits}) for name, limits in budgets.items()}
    answers = {asked.name: made(served, upstream, secrets[asked.who], asked) for asked in ASKED}
    return Bag(answers, secrets, upstream.messages())


def made(served: Gateway, upstream: Simulated, secret: str, asked: Asked) -> httpx2.Response:
    uncached, write_5m, write_1h, read, output = asked.tokens
    usage = {
        "input_tokens": uncached,
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": write_5m,
            "ephemeral_1h_input_tokens": write_1h,
        },
        "cache_read_input_tokens": read,
        "output_tokens": output,
        **asked.says,
    }
    content = [{"type": "text", "text": "some words that take a few deltas to be sent"}]
    upstream.replies(*[{"content": content, "usage": usage}] * (1 + len(asked.faults)))
    upstream.faults(*asked.faults)
    # A kept-alive connection that is closed at once was closed before it was used.
    upstream.pace(latency_s=0.3 if DROP in asked.faults else 0.0)
    messages = [{"role": "user", "content": "Hello"}]
    body: dict[str, Any] = {
        "model": asked.model,
        "max_tokens": asked.max_tokens,
        "messages": messages,
    }
    if asked.path == RESPONSES:
        body = {"model": asked.model, "max_output_tokens": 100, "input": "Hello"}
    if asked.stream:
        body |= WITH_USAGE if asked.path == CHAT else {"stream": True}
    answer = served.post(asked.path, secret, body)
    assert answer.status_code == asked.status, answer.text
    upstream.http.delete(f"{upstream.url}/_sim/replies")
    return answer


def row_of(served: Gateway, bag: Bag, name: str) -> dict[str, Any]:
    return served.row(bag.answers[name].headers["x-request-id"])


@pytest.mark.parametrize("name", ANSWERED)
def test_header_body_and_row_say_the_same_as_worked_out_by_hand(
    served: Gateway, bag: Bag, name: str
) -> None:
    asked, answer, row = BY_NAME[name], bag.answers[name], row_of(served, bag, name)
    assert (row["cost_usd"], row["cache_savings_usd"], row["routing_savings_usd"]) == asked.usd
    if not asked.stream:
        assert answer.headers["x-tollkeeper-cost-usd"] == row["cost_usd"]
        assert answer.headers["x-tollkeeper-cache-savings-usd"] == row["cache_savings_usd"]
    if asked.path != MESSAGES:
        usage = told_usage(answer, asked)
        assert usage["cost"] == Decimal(row["cost_usd"])
        assert usage["cost_details"] == row["cost_details"]


def told_usage(answer: httpx2.Response, asked: Asked) -> dict[str, Any]:
    if asked.path == CHAT and asked.stream:
        return usage_chunk(answer)
    if asked.stream:
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        completed: dict[str, Any] = exact_json(lines[-1])["response"]["usage"]
        return completed
    usage: dict[str, Any] = exact_json(answer.text)["usage"]
    return usage


@pytest.mark.parametrize("name", HELD)
def test_a_row_holds_all_it_takes_to_work_its_cost_out_again(
    served: Gateway, bag: Bag, name: str
) -> None:
    row = row_of(served, bag, name)
    assert Decimal(row["cost_usd"]) == worked_out(row)
    assert sum(map(Decimal, row["cost_details"].values())) == worked_out(row)
    usd = BY_NAME[name].usd
    if usd is not None:
        assert (row["cost_usd"], row["cache_savings_usd"], row["routing_savings_usd"]) == usd


def worked_out(row: dict[str, Any]) -> Decimal:
    """From the row's tokens and its own rates; bounds that stayed charged come on top."""
    rates = row["rates"]
    usd = Decimal(row["cost_details"].get("other", "0"))
    if rates is None:
        return usd
    for category, per_token in rates["usd_per_token"].items():
        exact = row[f"{category}_tokens"] * Decimal(per_token) * Decimal(rates["multiplier"])
        usd += exact.quantize(NANO, ROUND_HALF_EVEN)
    return usd + Decimal(rates["usd_per_web_search"]) * int(row["web_search_requests"])


def test_what_an_unknown_outcome_left_charged_stands_apart(served: Gateway, bag: Bag) -> None:
    once = row_of(served, bag, "dropped, then answered: the first stays charged")
    assert [(a["status"], a["charged"]) for a in once["attempt_details"]] == [
        (None, True),
        (200, False),
    ]
    assert once["cost_details"]["other"] == "0.000918"
    assert once["cost_source"] == "estimated"
    thrice = row_of(served, bag, "dropped three times: three unknown outcomes")
    assert (thrice["attempts"], thrice["state"], thrice["rates"]) == (3, "settled", None)
    assert thrice["cost_details"]["other"] == "0.002754"
    assert [(a["basis"], a["cost_usd"]) for a in thrice["attempt_details"]] == [
        ("elapsed", "0.000918")
    ] * 3


def test_a_failed_call_that_is_charged_says_so_in_its_headers(served: Gateway, bag: Bag) -> None:
    name = "dropped three times: three unknown outcomes"
    headers = bag.answers[name].headers
    told = {n.removeprefix("x-tollkeeper-"): headers[n] for n in headers if "tollkeeper" in n}
    assert told.pop("conversation") == row_of(served, bag, name)["conversation"]
    assert told == {
        "model": SONNET,
        "route": "-; reason=forced_model",
        "attempts": "3",
        "cost-usd": "0.002754",
        "cache-savings-usd": "0.00",
    }
    refused = bag.answers["refused by the upstream"].headers
    assert not [name for name in refused if "tollkeeper" in name]


def test_a_stream_that_broke_costs_at_least_what_was_sent(served: Gateway, bag: Bag) -> None:
    row = row_of(served, bag, "a stream that broke")
    assert (row["state"], row["cost_source"]) == ("settled", "estimated")
    assert Decimal("0.00006") < Decimal(row["cost_usd"]) <= Decimal("0.00156")


def test_a_refused_call_has_no_row_and_costs_nothing(served: Gateway, bag: Bag) -> None:
    assert len(served.rows()) == len(HELD)
    assert served.own_key(bag.secrets["cid"])["spent_usd"] == "0.00"
    refused = row_of(served, bag, "refused by the upstream")
    assert (refused["state"], refused["cost_usd"]) == ("released", "0.00")


OF_A_ROW: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "key": lambda row: row["key_id"],
    "model": lambda row: row["model"],
    "day": lambda row: row["created_at"][:10],
    "team": lambda _: None,
    "user": lambda _: None,
    "tag": lambda _: None,
}
GROUPS = ["key", "model", "day", "key,model", "key,model,day", "team", "user", "tag"]
FIGURES = ("cost_usd", "cache_savings_usd", "routing_savings_usd", "output_tokens")


@pytest.mark.usefixtures("bag")
@pytest.mark.parametrize("groups", GROUPS)
def test_every_report_of_spend_adds_up_to_the_rows(served: Gateway, groups: str) -> None:
    rows, names = served.rows(), groups.split(",")
    report = served.admin("GET", f"spend?group_by={groups}")
    assert Decimal(report["total_cost_usd"]) == total(rows, "cost_usd")
    grouped: dict[tuple[str | None, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[tuple(OF_A_ROW[name](row) for name in names)].append(row)
    shown = {tuple(row[name] for name in names): row for row in report["data"]}
    assert len(shown) == len(report["data"])
    assert shown.keys() == grouped.keys()
    for group, own in grouped.items():
        assert shown[group]["requests"] == len(own)
        for figure in FIGURES:
            assert Decimal(shown[group][figure]) == total(own, figure)


def total(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


def by_key_and_model(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        group = (row["key_id"], row["model"])
        sums[group] = sums.get(group, Decimal(0)) + Decimal(row["cost_usd"])
    return sums


@pytest.mark.usefixtures("bag")
def test_the_command_prints_the_admin_api_s_report(served: Gateway) -> None:
    """Whoever names no order gets the dearest first on the command line."""
    printed = run(served.folder, "spend", "--by", "key,model,day", "--json").json()
    assert printed == served.admin("GET", "spend?group_by=key,model,day&sort=-cost_usd")
    assert len(printed["data"]) >= 6
    asked = run(served.folder, "spend", "--by", "key,model,day", "--sort", "key", "--json").json()
    assert asked == served.admin("GET", "spend?group_by=key,model,day&sort=key")
    assert asked["data"] != printed["data"]


def test_each_key_has_spent_what_its_rows_cost(served: Gateway, bag: Bag) -> None:
    rows = served.rows()
    for name, secret in bag.secrets.items():
        key = served.own_key(secret)
        own = total([row for row in rows if row["key_id"] == key["id"]], "cost_usd")
        assert Decimal(key["spent_usd"]) == Decimal(key["lifetime_spent_usd"]) == own
        assert key["reserved_usd"] == "0.00"
        if name == "ann":
            assert Decimal(key["remaining_usd"]) == 50 - own


@pytest.mark.usefixtures("bag")
def test_the_metrics_count_the_same_money_to_the_nano_usd(served: Gateway) -> None:
    headers = {"authorization": f"Bearer {METRICS_TOKEN}"}
    text = served.http.get(f"{served.url}/metrics", headers=headers).text
    line = re.compile(
        r'^tollkeeper_cost_nano_usd_total\{key_id="(.+)",model="(.+)"\} (\S+)$', re.MULTILINE
    )
    counted = {(key, model): Decimal(nano) * NANO for key, model, nano in line.findall(text)}
    assert counted == {group: usd for group, usd in by_key_and_model(served.rows()).items() if usd}


def test_the_upstream_s_own_bill_is_ours_for_every_exact_answer(served: Gateway, bag: Bag) -> None:
    billed = {seen["message_id"]: seen["billed_nano_usd"] for seen in bag.arrived}
    rows = served.rows()
    exact = [row for row in rows if row["cost_source"] == "computed"]
    assert len(exact) == 10
    for row in exact:
        assert Decimal(row["cost_usd"]) * 10**9 == billed[row["upstream_message_id"]]
    assert total(rows, "cost_usd") * 10**9 > sum(seen["billed_nano_usd"] for seen in bag.arrived)
