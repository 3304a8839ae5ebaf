"""Past calls under other rules, each amount worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.core.models import Catalog
from app.core.price_list import Listed, PriceList
from app.core.pricing import PriceStep, Rates
from app.core.replay import WHOLE, Line, Stored
from app.core.usage import Usage
from app.core.whatif import OtherRules, Outcome, Report, outcome
from tests.core.catalogs import CATALOG, HAIKU_RATES, SONNET_RATES, prices

DAY = date(2026, 11, 21)
LONG = prices(SONNET_RATES, PriceStep(1_000, Rates(6_000_000, 22_500_000, 0, 0, 600_000)))
LISTED = {
    "haiku-model": CATALOG.models["haiku-model"].schedule,
    "sonnet-model": CATALOG.models["sonnet-model"].schedule,
    "stepped-model": (LONG,),
    "later-model": (replace(LONG, effective_from=date(2027, 1, 1)),),
}
OFFERED: Catalog = replace(
    CATALOG, price_list=PriceList({name: Listed(name, name, s) for name, s in LISTED.items()})
)
# 1,000 uncached, 2,000 written, 10,000 read, 100 out; in nano-USD on
# Haiku  1,000 x 1 000 + 2,000 x 1 250 + 10,000 x   100 + 100 x  5 000 = 5 000 000
# Sonnet 1,000 x 3 000 + 2,000 x 3 750 + 10,000 x   300 + 100 x 15 000 = 15 000 000
USED = Usage(1_000, 2_000, 0, 10_000, 100)
ON_HAIKU, ON_SONNET = 5_000_000, 15_000_000
# reads written anew: 10,000 x 3 750 in the place of 10,000 x 300; 10,000 x 1 250 of 10,000 x 100
COLD_SONNET, COLD_HAIKU = 49_500_000, 16_500_000
RATES = {"haiku-model": HAIKU_RATES, "sonnet-model": SONNET_RATES}


def call(model: str = "haiku-model", **more: Any) -> Stored:
    line = Line("message", model, USED, RATES[model])
    values: dict[str, Any] = {
        "id": "req_1",
        "day": DAY,
        "model": model,
        "sent_model": model,
        "cost_nano_usd": ON_HAIKU if model == "haiku-model" else ON_SONNET,
        "cost_source": "computed",
        "lines": (line,),
        "tier": "haiku" if model == "haiku-model" else "sonnet",
        "reason": "score",
        "score": 0.4,
        "placed": True,
    }
    return Stored(**(values | more))


def rules(**more: Any) -> OtherRules:
    return OtherRules(OFFERED, **more)


def under(found: Stored, **more: Any) -> tuple[str, int, int, int]:
    told = outcome(found, rules(**more))
    return told.model, told.least_nano_usd, told.nano_usd, told.most_nano_usd


def test_without_other_rules_nothing_changes_and_nothing_is_assumed() -> None:
    for found in (call(), call(cost_source="billed", billed=True), call(lines=(), kept_nano_usd=9)):
        told = outcome(found, rules())
        assert told.notes == ()
        assert told.model == "haiku-model"
    assert under(call()) == ("haiku-model", ON_HAIKU, ON_HAIKU, ON_HAIKU)


def test_a_tier_with_another_model_keeps_its_warm_cache() -> None:
    moved = under(call(), tiers={"haiku": "sonnet-model"})
    assert moved == ("sonnet-model", ON_SONNET, ON_SONNET, ON_SONNET)
    assert under(call(), tiers={"sonnet": "haiku-model"})[0] == "haiku-model"
    assert under(call(reason="forced_tier"), tiers={"haiku": "sonnet-model"})[2] == ON_SONNET


def test_a_lower_threshold_sends_a_call_to_the_strongest_tier_whose_cache_is_cold() -> None:
    moved = under(call(), threshold=0.4)
    assert moved == ("sonnet-model", ON_SONNET, COLD_SONNET, COLD_SONNET)
    assert under(call(), threshold=0.41)[2] == ON_HAIKU
    assert under(call("sonnet-model"), threshold=0.5) == (
        *("haiku-model", ON_HAIKU, COLD_HAIKU, COLD_HAIKU),
    )


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (call(tier=None, reason="forced_model"), "named_model"),
        (call(reason="needs_tools"), "otherwise_decided"),
        (call(reason="only_allowed"), "otherwise_decided"),
        (call(score=None), "otherwise_decided"),
        (call(by_hand=True, cost_source="corrected"), "by_hand"),
        (call(lines=(), kept_nano_usd=ON_HAIKU), "unpriced"),
        (call(sent_model="stepped-model", reason="score"), "fell_back"),
    ],
)
def test_what_the_score_did_not_decide_stays(found: Stored, note: str) -> None:
    told = outcome(found, rules(threshold=0.0))
    assert (told.nano_usd, told.notes) == (ON_HAIKU, (note,))


def test_a_forced_tier_is_not_moved_by_the_threshold() -> None:
    assert outcome(call(reason="forced_tier"), rules(threshold=0.0)) == Outcome(
        "haiku-model", ON_HAIKU, ON_HAIKU, ON_HAIKU
    )


def test_the_other_models_steps_and_the_multiplier_of_the_day_apply() -> None:
    # 13,000 tokens of prompt: 1,000 x 6 000 + 0 + 10,000 x 600 + 100 x 22 500 = 14 250 000, x 1.1
    us = replace(call().lines[0], multiplier=WHOLE * 11 // 10)
    moved = under(call(lines=(us,)), tiers={"haiku": "stepped-model"})
    assert moved == ("stepped-model", 15_675_000, 15_675_000, 15_675_000)


def test_what_the_other_model_cannot_have_answered_stays() -> None:
    assert outcome(call(), rules(tiers={"haiku": "later-model"})).notes == ("no_price",)
    long = replace(call().lines[0], usage=Usage(200_001))
    found = outcome(
        call("sonnet-model", lines=(replace(long, model="sonnet-model", rates=SONNET_RATES),)),
        rules(tiers={"sonnet": "haiku-model"}),
    )
    assert (found.model, found.notes) == ("sonnet-model", ("too_long",))


def test_other_prices_change_what_the_model_answered_and_no_vendors_bill() -> None:
    # 100 x 5 000 of output become 100 x 1 000
    cheap = {"haiku-model": {"output": 1_000_000}}
    assert under(call(), cost_per_token=cheap)[2] == ON_HAIKU - 400_000
    assert under(call("sonnet-model"), cost_per_token=cheap)[2] == ON_SONNET
    moved = under(call("sonnet-model"), tiers={"sonnet": "haiku-model"}, cost_per_token=cheap)
    assert moved[2] == ON_HAIKU - 400_000
    billed = call(billed=True, billed_more_nano_usd=7, cost_nano_usd=ON_HAIKU + 7)
    told = outcome(billed, rules(cost_per_token=cheap))
    assert (told.nano_usd, told.notes) == (ON_HAIKU + 7, ("billed",))
    told = outcome(billed, rules(tiers={"haiku": "sonnet-model"}))
    assert (told.nano_usd, told.notes) == (ON_SONNET, ("other_tokens", "unbilled"))


def test_without_the_gateways_marks_every_token_of_the_prompt_is_fresh() -> None:
    # 13,000 x 1 000 + 100 x 5 000
    assert under(call(), cache="off")[2] == 13_500_000
    told = outcome(call(callers_marks=1), rules(cache="off"))
    assert (told.nano_usd, told.notes) == (ON_HAIKU, ("callers_marks",))
    told = outcome(call(placed=False), rules(cache="auto"))
    assert (told.nano_usd, told.notes) == (ON_HAIKU, ("unmarked",))
    assert outcome(call(), rules(cache="auto")).notes == ()


def test_parts_by_other_models_and_charges_besides_the_answer_stay() -> None:
    advisor = Line("advisor_message", "sonnet-model", Usage(1_000), SONNET_RATES)
    found = call(
        lines=(call().lines[0], advisor),
        kept_nano_usd=50,
        cost_nano_usd=ON_HAIKU + 3_000_000 + 50,
    )
    moved = under(found, tiers={"haiku": "sonnet-model"})
    assert moved[2] == ON_SONNET + 3_000_000 + 50


def test_the_report_adds_up_by_model_and_by_day() -> None:
    report, given = Report(), rules(threshold=0.3)
    other_day = date(2026, 11, 22)
    for found in (call(), call(score=0.2, day=other_day), call("sonnet-model")):
        report.add(found, outcome(found, given))
    assert (report.total.calls, report.changed) == (3, 1)
    assert report.total.nano_usd == 2 * ON_HAIKU + ON_SONNET
    assert report.total.whatif_nano_usd == COLD_SONNET + ON_HAIKU + ON_SONNET
    assert (report.least_nano_usd, report.most_nano_usd) == (
        2 * ON_SONNET + ON_HAIKU,
        COLD_SONNET + ON_HAIKU + ON_SONNET,
    )
    haiku, sonnet = report.by_model["haiku-model"], report.by_model["sonnet-model"]
    assert (haiku.calls, haiku.whatif_calls, sonnet.calls, sonnet.whatif_calls) == (2, 1, 1, 2)
    assert sum(pair.whatif_nano_usd for pair in report.by_model.values()) == (
        report.total.whatif_nano_usd
    )
    assert report.by_day[other_day].whatif_nano_usd == ON_HAIKU
    assert report.assumptions == [
        "another model would have answered; it is taken to use the same tokens (1 call)",
        (
            "another model would have had to write the cached tokens anew: they are charged as "
            "five-minute writes, and at the least as reads (1 call)"
        ),
    ]
