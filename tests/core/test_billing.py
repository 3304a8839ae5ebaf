"""What an answer is charged: its parts at their own models' prices."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest

from app.core.billing import Answer, Sent, bill, category_of, declined_in
from app.core.price_list import Listed, PriceList, RefusalRule
from app.core.pricing import Cost, Prices, PriceStep, Rates, price
from app.core.usage import Part, Usage
from tests.core.test_pricing import ORIGINS, SOURCES

TODAY = date(2026, 11, 30)
BEFORE = date(2026, 9, 23)


def prices(*steps: PriceStep, fast: int = 1_000, since: date = date(2026, 1, 1)) -> Prices:
    return Prices(since, steps, SOURCES, ORIGINS, fast, 1_100, 500, 10_000_000)


def listed(model_id: str, *steps: PriceStep, fast: int = 1_000, **more: Any) -> Listed:
    values = {"figures_of": model_id, "schedule": (prices(*steps, fast=fast),)}
    return Listed(model_id, **(values | more))


# USD per million tokens: in, out, 5m, 1h, read
SONNET = listed(
    "sonnet", PriceStep(-1, Rates(3_000_000, 15_000_000, 3_750_000, 6_000_000, 300_000))
)
OPUS = listed(
    "opus",
    PriceStep(-1, Rates(4_000_000, 20_000_000, 5_000_000, 8_000_000, 200_000)),
    fast=2_000,
)
HAIKU = listed(
    "haiku",
    PriceStep(-1, Rates(100_000, 500_000, 125_000, 200_000, 10_000)),
    PriceStep(100_000, Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000)),
)
OLD = listed("old", PriceStep(-1, Rates(15_000_000, 75_000_000, 18_750_000, 30_000_000, 1_500_000)))
TWIN = replace(SONNET, id="openrouter/sonnet")
OWN = listed(
    "own", PriceStep(-1, Rates(1_000_000, 2_000_000, 3_000_000, 4_000_000, 0)), by_config=True
)
LATER = listed("later", PriceStep(-1, Rates(1, 1, 1, 1, 1)))
LATER = replace(LATER, schedule=(replace(LATER.schedule[0], effective_from=date(2027, 1, 1)),))
PRICES = PriceList(
    {model.id: model for model in (SONNET, OPUS, HAIKU, OLD, TWIN, OWN, LATER)}
    | {"sonnet-latest": SONNET, "anthropic/claude-sonnet-4.6": TWIN},
    (
        RefusalRule(date(2026, 6, 2), frozenset({None, "bio", "cyber"}), frozenset()),
        RefusalRule(date(2026, 9, 24), frozenset({None, "cyber"}), frozenset({"bio"})),
    ),
)


def sent(model: Listed = SONNET, *, strongest: Listed | None = None, day: date = TODAY) -> Sent:
    own = model.schedule[0]
    strong = own if strongest is None else strongest.schedule[0]
    return Sent(model.id, own, strong, PRICES, day)


def part(kind: str, model: str | None, *tokens: int, **more: Any) -> Part:
    """Tokens: in, 5m, 1h, read, out."""
    fresh, write_5m, write_1h, read, output = tokens
    return Part(kind, Usage(fresh, write_5m, write_1h, read, output, **more), model)


def told(*parts: Part, searches: int = 0) -> Usage:
    """A reply with these parts, its totals their sums."""
    uses = [one.usage for one in parts]
    names = ("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    sums = {
        n: sum(getattr(u, n) for u in uses) for n in (*names, "cache_read_tokens", "output_tokens")
    }
    return Usage(**sums, web_search_requests=searches, parts=parts)


PLAIN = Usage(100, 20, 0, 3_000, 50)
NAMES = [None, "", "sonnet", "sonnet-20260217", "sonnet-latest", "sonnet-latest-20260217"]


@pytest.mark.parametrize(
    "name", [*NAMES, "openrouter/sonnet", "anthropic/claude-4.6-sonnet-20260217"]
)
def test_the_model_that_was_sent_has_answered_by_any_of_its_names(name: str | None) -> None:
    found = bill(PLAIN, Answer(name, "end_turn"), sent(strongest=OPUS))
    assert found.model == "sonnet"
    assert found.cost == price(PLAIN, SONNET.schedule[0])
    assert found.cost.total == 300_000 + 75_000 + 900_000 + 750_000
    assert found.uncached_nano_usd == 3_120 * 3_000 + 750_000
    assert found.strongest_nano_usd == 400_000 + 100_000 + 600_000 + 1_000_000
    assert found.unknown == ()
    assert json.loads(found.rates)["model"] == "sonnet"


def test_an_answer_by_another_model_costs_what_that_model_costs() -> None:
    found = bill(Usage(100, 0, 0, 0, 10), Answer("opus-20260921", "end_turn"), sent())
    assert (found.model, found.cost) == ("opus", Cost(input=400_000, output=200_000))
    assert json.loads(found.rates)["usd_per_token"]["input"] == "0.000004"
    assert found.unknown == ()


@pytest.mark.parametrize("name", ["opus", "anything at all", "own-20260101"])
def test_a_model_priced_by_the_config_alone_keeps_its_prices_whatever_it_calls_itself(
    name: str,
) -> None:
    found = bill(Usage(100, 0, 0, 0, 10), Answer(name, "end_turn"), sent(OWN))
    assert (found.model, found.cost) == ("own", Cost(input=100_000, output=20_000))
    assert found.unknown == ()


def test_an_advisor_is_charged_at_its_own_prices_even_beside_a_model_of_the_config() -> None:
    usage = told(
        part("message", None, 10, 0, 0, 0, 1), part("advisor_message", "opus", 10, 0, 0, 0, 1)
    )
    assert bill(usage, Answer("own"), sent(OWN)).cost == Cost(input=50_000, output=22_000)


PARTS = [
    # what the iterations say                                       the model, nano-USD
    (
        [
            part("message", "sonnet", 100, 0, 0, 0, 10),
            part("compaction", None, 1_000, 0, 0, 0, 200),
        ],
        "sonnet",
        (300_000 + 150_000) + (3_000_000 + 3_000_000),
    ),
    (
        [
            part("message", None, 100, 0, 0, 0, 10),
            part("advisor_message", "opus", 900, 0, 0, 0, 80),
        ],
        "sonnet",
        (300_000 + 150_000) + (3_600_000 + 1_600_000),
    ),
    (
        # declined in mid-answer: both are billed
        [
            part("message", "sonnet", 100, 0, 0, 0, 10),
            part("fallback_message", "opus", 80, 0, 0, 0, 5),
        ],
        "opus",
        (300_000 + 150_000) + (320_000 + 100_000),
    ),
    (
        # declined before any output: only the answer is
        [
            part("message", "sonnet", 100, 0, 0, 0, 0),
            part("fallback_message", "opus", 80, 0, 0, 0, 5),
        ],
        "opus",
        320_000 + 100_000,
    ),
    (
        # the other model's tools, before its last turn
        [
            part("message", None, 100, 0, 0, 0, 0),
            part("message", "opus", 10, 0, 0, 0, 7),
            part("fallback_message", "opus", 80, 0, 0, 0, 5),
        ],
        "opus",
        360_000 + 240_000,
    ),
    (
        # its own tools, then declined: it had written something
        [
            part("message", "sonnet", 100, 0, 0, 0, 7),
            part("message", "sonnet", 100, 0, 0, 0, 0),
            part("fallback_message", "opus", 80, 0, 0, 0, 5),
        ],
        "opus",
        600_000 + 105_000 + 320_000 + 100_000,
    ),
    (
        # two decline
        [
            part("message", "sonnet", 100, 0, 0, 0, 0),
            part("message", "haiku", 100, 0, 0, 0, 0),
            part("fallback_message", "opus", 80, 0, 0, 0, 5),
        ],
        "opus",
        320_000 + 100_000,
    ),
    (
        # sticky: the fallback model alone
        [part("fallback_message", "opus", 80, 0, 0, 0, 5)],
        "opus",
        320_000 + 100_000,
    ),
]


@pytest.mark.parametrize(("parts", "model", "nano"), PARTS)
def test_each_part_is_charged_at_its_own_models_prices(
    parts: list[Part], model: str, nano: int
) -> None:
    found = bill(told(*parts), Answer(model, "end_turn"), sent())
    assert (found.model, found.cost.total) == (model, nano)
    assert found.unknown == ()


def test_the_price_step_of_a_long_prompt_holds_for_each_part_by_itself() -> None:
    both = [
        part("message", None, 60_000, 0, 0, 0, 100),
        part("message", None, 60_000, 0, 0, 0, 100),
    ]
    # 2 x 60,000 x $0.10 and 2 x 100 x $0.50 a million; together they'd be above 100,000
    assert bill(told(*both), Answer("haiku"), sent(HAIKU)).cost.total == 12_000_000 + 100_000
    long = [part("message", None, 100_001, 0, 0, 0, 100), part("message", None, 10, 0, 0, 0, 100)]
    assert bill(told(*long), Answer("haiku"), sent(HAIKU)).cost.total == (
        50_000_500 + 250_000 + 1_000 + 50_000
    )


def test_speed_and_place_of_the_request_hold_for_its_parts() -> None:
    terms: dict[str, Any] = {"fast": True, "us": True}
    usage = told(part("message", None, 100, 0, 0, 0, 10, **terms))
    usage = replace(usage, **terms)
    assert bill(usage, Answer("opus"), sent(OPUS)).cost.total == (400_000 + 200_000) * 22 // 10


def test_searches_are_charged_once() -> None:
    usage = told(
        part("message", None, 10, 0, 0, 0, 1, web_search_requests=3),
        part("message", None, 20, 0, 0, 0, 2),
        searches=3,
    )
    assert bill(usage, Answer("sonnet"), sent()).cost.server_tools == 30_000_000


def test_savings_are_those_of_all_parts() -> None:
    usage = told(
        part("message", None, 10, 0, 0, 1_000, 1),
        part("advisor_message", "opus", 10, 1_000, 0, 0, 1),
    )
    found = bill(usage, Answer("sonnet"), sent(strongest=OLD))
    # uncached: 1,010 x $3 + 1 x $15; 1,010 x $4 + 1 x $20
    assert found.uncached_nano_usd == 3_030_000 + 15_000 + 4_040_000 + 20_000
    # the strongest tier in place of the tier's model, the advisor as it was
    assert found.strongest_nano_usd == (150_000 + 1_500_000 + 75_000) + (
        40_000 + 5_000_000 + 20_000
    )


REFUSALS = [
    # category, day, output    nano-USD, estimated
    (None, TODAY, 0, 0, ()),
    ("cyber", TODAY, 0, 0, ()),
    ("bio", TODAY, 0, 300_000, ()),
    ("bio", BEFORE, 0, 0, ()),
    ("astrology", TODAY, 0, 300_000, ("refusal",)),
    ("cyber", date(2026, 6, 1), 0, 300_000, ("refusal",)),
    (None, TODAY, 1, 315_000, ()),
    ("cyber", TODAY, 10, 450_000, ()),
    ("astrology", TODAY, 10, 450_000, ()),
]


@pytest.mark.parametrize(("category", "day", "output", "nano", "unknown"), REFUSALS)
def test_a_refusal_before_any_output_is_free_but_in_the_billed_categories(
    category: str | None, day: date, output: int, nano: int, unknown: tuple[str, ...]
) -> None:
    refused = Answer("sonnet", "refusal", category)
    found = bill(Usage(100, 0, 0, 0, output), refused, sent(day=day))
    assert (found.cost.total, found.unknown) == (nano, unknown)
    assert (found.uncached_nano_usd, found.strongest_nano_usd) == (nano, nano)
    assert (json.loads(found.rates)["multiplier"] == "0") is (nano == 0)


def test_an_empty_answer_that_is_no_refusal_costs_its_prompt() -> None:
    assert bill(Usage(100), Answer("sonnet", "max_tokens"), sent()).cost.total == 300_000


DECLINED = [
    # the categories at which one model handed over to the next    nano-USD, estimated
    ((), 0, ()),
    ((None,), 0, ()),
    (("cyber",), 0, ()),
    (("bio",), 300_000, ()),
    (("astrology",), 300_000, ("refusal",)),
]


@pytest.mark.parametrize(("declined", "nano", "unknown"), DECLINED)
def test_an_attempt_declined_before_any_output_is_charged_by_its_category(
    declined: tuple[str | None, ...], nano: int, unknown: tuple[str, ...]
) -> None:
    usage = told(
        part("message", "sonnet", 100, 0, 0, 0, 0), part("fallback_message", "opus", 80, 0, 0, 0, 5)
    )
    found = bill(usage, Answer("opus", "end_turn", None, declined), sent())
    assert (found.cost.total, found.unknown) == (nano + 420_000, unknown)


@pytest.mark.parametrize("last", ["fallback_message", "message"])
def test_where_every_model_declines_each_is_charged_by_its_own_category(last: str) -> None:
    usage = told(part("message", "sonnet", 100, 0, 0, 0, 0), part(last, "opus", 80, 0, 0, 0, 0))
    assert bill(usage, Answer("opus", "refusal", "cyber", ("cyber",)), sent()).cost.total == 0
    assert bill(usage, Answer("opus", "refusal", "bio", ("cyber",)), sent()).cost.total == 320_000
    assert bill(usage, Answer("opus", "refusal", "cyber", ("bio",)), sent()).cost.total == 300_000


def test_a_compaction_and_an_advisor_before_a_refusal_are_charged() -> None:
    usage = told(
        part("compaction", None, 1_000, 0, 0, 0, 200),
        part("advisor_message", "opus", 10, 0, 0, 0, 1),
        part("message", None, 100, 0, 0, 0, 0),
    )
    found = bill(usage, Answer("sonnet", "refusal", "cyber"), sent())
    assert found.cost.total == 6_000_000 + 60_000


# The dearest of the list: $15, $75, $18.75, $30, $1.50; doubled for speed.
UNKNOWN = [
    # the reply, its model                                    nano-USD, what was unknown
    (Usage(100, 0, 0, 0, 10), "zeta-9", 2_250_000, ("model",)),
    (Usage(0, 10, 10, 10), "zeta-9", 187_500 + 300_000 + 15_000, ("model",)),
    (Usage(100, 0, 0, 0, 10), "later", 2_250_000, ("model",)),
    (Usage(100, 0, 0, 0, 10, fast=True), "sonnet", 4_500_000, ("speed",)),
    (Usage(100, 0, 0, 0, 10, fast=True, unknown=("speed",)), "opus", 4_500_000, ("speed",)),
    (Usage(100, 0, 0, 0, 10, us=True, unknown=("geo",)), "sonnet", 495_000, ("geo",)),
    (
        told(part("message", None, 100, 0, 0, 0, 10), part("dream", None, 100, 0, 0, 0, 10)),
        "sonnet",
        450_000 + 2_250_000,
        ("iteration",),
    ),
    (
        told(part("message", None, 100, 0, 0, 0, 10), part("dream", "haiku", 100, 0, 0, 0, 10)),
        "sonnet",
        450_000 + 2_250_000,
        ("iteration",),
    ),
    (
        told(
            part("message", None, 100, 0, 0, 0, 10), part("advisor_message", "x", 100, 0, 0, 0, 10)
        ),
        "sonnet",
        450_000 + 2_250_000,
        ("model",),
    ),
    (
        told(
            part("message", "x", 100, 0, 0, 0, 9), part("fallback_message", "y", 100, 0, 0, 0, 10)
        ),
        "y",
        1_500_000 + 675_000 + 2_250_000,
        ("model",),
    ),
]


@pytest.mark.parametrize(("usage", "model", "nano", "unknown"), UNKNOWN)
def test_what_no_price_list_knows_is_charged_at_the_dearest_figures_and_told(
    usage: Usage, model: str, nano: int, unknown: tuple[str, ...]
) -> None:
    found = bill(usage, Answer(model, "end_turn"), sent())
    assert (found.cost.total, found.unknown) == (nano, unknown)


def test_the_row_shows_an_unknown_model_by_its_name_if_it_looks_like_one() -> None:
    assert bill(PLAIN, Answer("zeta-9"), sent()).model == "zeta-9"
    assert bill(PLAIN, Answer("zeta\r\nx-evil: 1"), sent()).model == "unknown"
    assert bill(PLAIN, Answer("z" * 300), sent()).model == "unknown"


def test_the_rates_of_an_answer_in_parts_are_all_it_takes_to_do_the_sum_again() -> None:
    usage = told(
        part("message", "sonnet", 100, 1, 2, 3, 0),
        part("compaction", None, 7, 0, 0, 0, 3),
        part("advisor_message", "nobody", 11, 0, 5, 0, 9),
        part("fallback_message", "opus", 80, 0, 0, 900, 5, web_search_requests=2),
        searches=2,
    )
    found = bill(usage, Answer("opus", "end_turn", None, ("cyber",)), sent())
    rates = json.loads(found.rates)
    assert [p["kind"] for p in rates["parts"]] == [
        *("message", "compaction", "advisor_message", "fallback_message")
    ]
    assert rates["model"] == "opus"
    assert rates["parts"][0]["free"] == "refused before any output (cyber)"
    assert rates["parts"][2]["unknown"] == ["model"]
    usd = Decimal(0)
    for each in rates["parts"]:
        usd += Decimal(each["usd_per_web_search"]) * each["web_search_requests"]
        for category, tokens in each["tokens"].items():
            exact = tokens * Decimal(each["usd_per_token"][category]) * Decimal(each["multiplier"])
            usd += exact.quantize(Decimal("1e-9"), ROUND_HALF_EVEN)
    assert usd * 10**9 == found.cost.total
    # 21,000 + 45,000; 165,000 + 150,000 + 675,000; 320,000 + 180,000 + 100,000; two searches
    assert found.cost.total == 66_000 + 990_000 + 600_000 + 20_000_000


def test_a_single_plain_part_is_told_as_any_other_answer() -> None:
    named = told(part("message", "sonnet-20260217", 100, 0, 0, 0, 10))
    assert bill(named, Answer("sonnet"), sent()) == bill(
        Usage(100, 0, 0, 0, 10), Answer("sonnet"), sent()
    )


def test_a_category_is_rounded_once_over_all_parts() -> None:
    odd = listed("odd", PriceStep(-1, Rates(500, 0, 0, 0, 0)))
    usage = told(*[part("message", None, 1, 0, 0, 0, 0)] * 3)
    sent_odd = Sent("odd", odd.schedule[0], odd.schedule[0], PRICES, TODAY)
    assert bill(usage, Answer("odd"), sent_odd).cost.total == 2  # three halves


CATEGORIES = [
    (None, None),
    ({}, None),
    ({"category": None}, None),
    ({"category": "bio"}, "bio"),
    ({"category": 5}, "unreadable"),
]


@pytest.mark.parametrize(("details", "category"), CATEGORIES)
def test_a_category_that_cannot_be_read_is_one_that_no_list_has(
    details: dict[str, Any] | None, category: str | None
) -> None:
    assert category_of(details) == category


def test_an_answer_tells_at_which_categories_models_handed_over() -> None:
    content: list[dict[str, Any]] = [
        {
            "type": "fallback",
            "from": {"model": "a"},
            "trigger": {"type": "refusal", "category": "bio"},
        },
        {"type": "text", "text": "hello"},
        {"type": "fallback", "from": {"model": "b"}, "trigger": None},
        {"type": "fallback", "from": {"model": "c"}},
    ]
    assert declined_in(content) == ("bio", None, None)


def test_more_output_goes_to_the_part_that_writes_the_answer() -> None:
    usage = told(
        part("message", None, 10, 0, 0, 0, 5), part("advisor_message", "opus", 10, 0, 0, 0, 9)
    )
    more = usage.with_output(20)
    assert (more.output_tokens, [p.usage.output_tokens for p in more.parts]) == (20, [11, 9])
    assert usage.with_output(3) == usage
    assert Usage(output_tokens=5).with_output(3) == Usage(output_tokens=3)
