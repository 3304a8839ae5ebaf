"""Answers of several model calls, refusals and unknown words, each in four ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from tests.e2e.dated import dated_gateway, turn_to
from tests.e2e.priced_calls import CONTENT, WAYS, WITH_USAGE
from tests.running import Gateway, Simulated

DAY = "2026-11-30"
SONNET = "claude-sonnet-4-6"  # $3 and $15 per million
SONNET_5_5 = "claude-sonnet-5-5"  # $2, $10
OPUS = "claude-opus-5-5"  # $4, $20
HAIKU = "claude-haiku-5-5"  # $0.10, $0.50; above 100,000 tokens $0.50, $2.50
PLAIN = {"input_tokens": 100, "output_tokens": 10}


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with dated_gateway(tmp_path_factory.mktemp("parts"), upstream.url, DAY) as running:
        yield running


@dataclass(frozen=True)
class Case:
    claim: str
    sent: str
    reply: dict[str, Any]
    usd: str
    tokens: tuple[int, int]  # in and out, of all parts
    answered: str | None = None  # where it isn't the model that was sent
    source: str = "computed"
    billed: bool = field(default=True)  # the simulator has a price for it


def part(kind: str, model: str | None, fresh: int, output: int) -> dict[str, Any]:
    named = {} if model is None else {"model": model}
    return {"type": kind, **named, **counts(fresh, output)}


def counts(fresh: int, output: int) -> dict[str, Any]:
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
    }


def in_parts(*parts: dict[str, Any], serving: int = -1) -> dict[str, Any]:
    totals = {
        name: count for name, count in parts[serving].items() if name not in ("type", "model")
    }
    return {**totals, "iterations": list(parts)}


def handed_over(category: str | None) -> list[dict[str, Any]]:
    trigger = {"type": "refusal", "category": category}
    block = {"type": "fallback", "from": {"model": OPUS}, "to": {"model": SONNET_5_5}}
    return [{**block, "trigger": trigger}, *CONTENT]


def fallback(category: str | None, declined_output: int = 0) -> dict[str, Any]:
    usage = in_parts(
        part("message", OPUS, 1_000, declined_output),
        part("fallback_message", SONNET_5_5, 800, 50),
    )
    return {"content": handed_over(category), "model": SONNET_5_5, "usage": usage}


def refusal(category: str | None, output: int = 0) -> dict[str, Any]:
    details = {"type": "refusal", "category": category, "explanation": None}
    return {
        "content": CONTENT if output else [],
        "stop_reason": "refusal",
        "stop_details": details,
        "usage": {"input_tokens": 100, "output_tokens": output},
    }


CASES = [
    # 800 x $2 + 50 x $10 a million
    Case("declined for nothing", OPUS, fallback("cyber"), "0.0021", (1_800, 50), SONNET_5_5),
    Case("declined, no category", OPUS, fallback(None), "0.0021", (1_800, 50), SONNET_5_5),
    # and 1,000 x $4
    Case("declined and billed", OPUS, fallback("bio"), "0.0061", (1_800, 50), SONNET_5_5),
    # and 9 x $20
    Case("declined in mid-answer", OPUS, fallback("cyber", 9), "0.00628", (1_800, 59), SONNET_5_5),
    Case(
        # 100 x $3 + 10 x $15, and 2,000 x $4 + 300 x $20
        "an advisor",
        SONNET,
        {
            "content": CONTENT,
            "usage": in_parts(
                part("message", SONNET, 100, 10),
                part("advisor_message", OPUS, 2_000, 300),
                serving=0,
            ),
        },
        "0.01445",
        (2_100, 310),
    ),
    Case(
        # 1,000 x $3 + 200 x $15 on top
        "a compaction",
        SONNET,
        {
            "content": CONTENT,
            "usage": in_parts(
                part("message", None, 100, 10), part("compaction", None, 1_000, 200), serving=0
            ),
        },
        "0.00645",
        (1_100, 210),
    ),
    Case(
        # two turns of 60,000 are no prompt above 100,000
        "a price step by part",
        HAIKU,
        {
            "content": CONTENT,
            "usage": {
                **counts(120_000, 20),
                "iterations": [
                    part("message", HAIKU, 60_000, 10),
                    part("message", HAIKU, 60_000, 10),
                ],
            },
        },
        "0.01201",
        (120_000, 20),
    ),
    Case(
        # 100 x $4 + 10 x $20
        "another model's answer",
        SONNET,
        {"content": CONTENT, "model": OPUS, "usage": PLAIN},
        "0.0006",
        (100, 10),
        OPUS,
        billed=False,
    ),
    Case(
        "the same by its dated name",
        SONNET,
        {"content": CONTENT, "model": f"{SONNET}-20260217", "usage": PLAIN},
        "0.00045",
        (100, 10),
    ),
    Case("a refusal of no category", SONNET, refusal(None), "0.00", (100, 0)),
    Case("a cyber refusal", SONNET, refusal("cyber"), "0.00", (100, 0)),
    Case("a refusal for general harms", SONNET, refusal("general_harms"), "0.00", (100, 0)),
    Case("a bio refusal", SONNET, refusal("bio"), "0.0003", (100, 0)),
    Case("a frontier refusal", SONNET, refusal("frontier_llm"), "0.0003", (100, 0)),
    Case("a refusal to tell", SONNET, refusal("reasoning_extraction"), "0.0003", (100, 0)),
    Case(
        "a refusal of a new kind",
        SONNET,
        refusal("astrology"),
        "0.0003",
        (100, 0),
        source="estimated",
        billed=False,
    ),
    Case("a refusal in mid-answer", SONNET, refusal("cyber", 10), "0.00045", (100, 10)),
    Case(
        # the dearest: $15, $75
        "an unknown model",
        SONNET,
        {"content": CONTENT, "model": "claude-zeta-9", "usage": PLAIN},
        "0.00225",
        (100, 10),
        "claude-zeta-9",
        "estimated",
        billed=False,
    ),
    Case(
        # twice the dearest
        "an unknown speed",
        SONNET,
        {"content": CONTENT, "usage": {**PLAIN, "speed": "turbo"}},
        "0.0045",
        (100, 10),
        source="estimated",
        billed=False,
    ),
    Case(
        "an unknown iteration",
        SONNET,
        {
            "content": CONTENT,
            "usage": in_parts(
                part("message", None, 100, 10), part("dream", None, 100, 10), serving=0
            ),
        },
        "0.0027",
        (200, 20),
        source="estimated",
        billed=False,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.claim)
def test_an_answer_in_parts_costs_what_its_parts_cost(
    served: Gateway, upstream: Simulated, case: Case
) -> None:
    upstream.reset()
    upstream.replies(*[case.reply] * 4)
    secret = served.key()
    answers = in_four_ways(served, secret, case.sent)
    answered = case.answered or case.sent
    for whole in (answers[0], answers[2]):
        assert whole.headers["x-tollkeeper-cost-usd"] == case.usd
        assert whole.headers["x-tollkeeper-model"] == answered
    for answer, dialect in zip(answers, WAYS, strict=True):
        row = served.row(answer.headers["x-request-id"])
        assert (row["dialect"], row["state"], row["status"]) == (dialect, "settled", 200)
        assert (row["cost_usd"], row["cost_source"]) == (case.usd, case.source)
        assert (row["model"], row["input_tokens"], row["output_tokens"]) == (answered, *case.tokens)
        assert sum(map(Decimal, row["cost_details"].values())) == Decimal(case.usd)
        assert summed_again(row) == Decimal(case.usd)
    assert Decimal(served.own_key(secret)["spent_usd"]) == 4 * Decimal(case.usd)
    if case.billed:
        assert upstream.billed_nano_usd() == 4 * Decimal(case.usd) * 10**9


def in_four_ways(served: Gateway, secret: str, model: str) -> list[httpx2.Response]:
    hello = [{"role": "user", "content": "Hello"}]
    asked = {"model": model, "max_tokens": 400, "messages": hello}
    return [
        served.chat(secret, asked),
        served.chat(secret, {**asked, **WITH_USAGE}),
        served.post("/v1/messages", secret, asked),
        served.post("/v1/messages", secret, {**asked, "stream": True}),
    ]


def summed_again(row: dict[str, Any]) -> Decimal:
    """From what the row keeps: its own tokens, or those of its parts."""
    rates = row["rates"]
    own = {c: row[f"{c}_tokens"] for c in rates["usd_per_token"]}
    usd = Decimal(0)
    for each in rates.get("parts", [{**rates, "tokens": own}]):
        for category, tokens in each["tokens"].items():
            usd += tokens * Decimal(each["usd_per_token"][category]) * Decimal(each["multiplier"])
    return usd


def test_a_fallback_s_cost_stands_in_the_budget_that_it_was_held_in(
    served: Gateway, upstream: Simulated
) -> None:
    """The model that was sent has a budget; the model that answered is not on the key's list."""
    secret = served.key(models=[OPUS], model_budgets={OPUS: "1.00"})
    upstream.replies(fallback("cyber"))
    answer = in_four_ways(served, secret, OPUS)[0]
    assert answer.headers["x-tollkeeper-model"] == SONNET_5_5
    spent = served.own_key(secret)["model_spend"][OPUS]["spent_usd"]
    rows = [row for row in served.rows() if row["id"] != answer.headers["x-request-id"]]
    others = [r for r in rows if r["key_id"] == served.own_key(secret)["id"]]
    assert Decimal(spent) == Decimal("0.0021") + sum(Decimal(r["cost_usd"]) for r in others)
    assert served.admin("GET", "reconcile")["consistent"] is True


def test_the_last_hour_of_a_model(served: Gateway, upstream: Simulated) -> None:
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": []}
    asked["messages"] = [{"role": "user", "content": "Hello"}]
    secret = served.key()
    upstream.turn_to("2026-11-30T16:59:00Z")
    turn_to(served.folder, "2026-11-30T16:59:59")
    upstream.replies({"content": CONTENT, "usage": PLAIN})
    assert served.chat(secret, asked).status_code == 200
    turn_to(served.folder, "2026-11-30T17:00:00")
    counted = {k: v for k, v in asked.items() if k != "max_tokens"}
    arrived = len(upstream.log())
    for path, body in (
        ("/v1/chat/completions", asked),
        ("/v1/messages", asked),
        ("/v1/messages/count_tokens", counted),
    ):
        refused = served.post(path, secret, body)
        assert refused.status_code == 404
        message = refused.json()["error"]["message"]
        assert "'claude-sonnet-4-5-20250929' was retired by its vendor on 2026-11-30" in message
        assert "it advises 'claude-sonnet-5-5'" in message
    assert len(upstream.log()) == arrived
    own = {"x-api-key": secret}
    url = f"{served.url}/v1/models"
    listed = served.http.get(url, headers=own).json()["data"]
    assert not [model["id"] for model in listed if "sonnet-4-5" in model["id"]]
    assert served.http.get(f"{url}/claude-sonnet-4-5", headers=own).status_code == 404
    turn_to(served.folder, DAY)
    assert served.http.get(f"{url}/claude-sonnet-4-5", headers=own).status_code == 200
