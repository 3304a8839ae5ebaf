"""A settled call at the prices that are known now, by hand; nothing changes twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.billing import Answer, Sent, bill
from app.core.models import Catalog
from app.core.price_list import Listed, PriceList, RefusalRule
from app.core.pricing import PriceStep, Rates
from app.core.replay import Stored, cost_of, lines_of
from app.core.repricing import Left, Repriced, repriced
from app.core.usage import Part, Usage
from tests.core.catalogs import CATALOG, HAIKU, HAIKU_RATES, SONNET, SONNET_RATES, prices
from tests.core.test_replay import parts, summed, usages

DAY = date(2026, 11, 21)
HALF = Rates(1_500_000, 7_500_000, 1_875_000, 3_000_000, 150_000)
RULES = (RefusalRule(date(2026, 1, 1), frozenset({None}), frozenset({"bio"})),)


def catalog(sonnet: Rates, *more: PriceStep, **others: Rates) -> Catalog:
    schedule = (prices(sonnet, *more, us=1_100, fast=2_000),)
    known = {
        "haiku-model": (prices(HAIKU_RATES),),
        "sonnet-model": schedule,
        **{name: (prices(rates),) for name, rates in others.items()},
    }
    listed = {name: Listed(name, name, each) for name, each in known.items()}
    models = {**CATALOG.models, "sonnet-model": replace(SONNET, schedule=schedule)}
    return replace(CATALOG, models=models, price_list=PriceList(listed, RULES))


OF_THE_DAY = catalog(SONNET_RATES, PriceStep(100_000, Rates(6_000_000, 22_500_000, 1, 2, 3)))
CHEAPER = catalog(HALF)


def settled(
    usage: Usage, answer: Answer, sent_model: str = "sonnet-model", **more: Any
) -> tuple[Stored, dict[str, Any]]:
    """A call as it was billed by the prices of its day, and its row's rates."""
    model = OF_THE_DAY.models[sent_model]
    strongest = OF_THE_DAY.models["sonnet-model"].schedule[0]
    sent = Sent(sent_model, model.schedule[0], strongest, OF_THE_DAY.price_list, DAY)
    found = bill(usage, answer, sent)
    rates: dict[str, Any] = json.loads(found.rates)
    columns = replace(usage, parts=(), fast=False, us=False, batch=False)
    values: dict[str, Any] = {
        "id": "req_1",
        "day": DAY,
        "model": found.model,
        "sent_model": sent_model,
        "cost_nano_usd": found.cost.total,
        "cost_source": "estimated" if found.unknown else "computed",
        "lines": lines_of(rates, columns),
    }
    return Stored(**(values | more)), rates


@given(usages, st.sampled_from(["haiku-model", "sonnet-model"]))
def test_at_the_prices_of_the_day_a_plain_answer_stays(usage: Usage, model: str) -> None:
    call, rates = settled(usage, Answer(model), model)
    assert repriced(call, rates, OF_THE_DAY) is Left.SAME


@given(st.lists(parts, min_size=1, max_size=4), st.sampled_from([None, "refusal"]))
def test_at_the_prices_of_the_day_an_answer_in_parts_stays(
    found: list[Part], stop: str | None
) -> None:
    found = [*found, Part("message", Usage(output_tokens=1))]
    call, rates = settled(summed(found), Answer("sonnet-model", stop, None, (None,)))
    assert repriced(call, rates, OF_THE_DAY) is Left.SAME


@given(st.lists(parts, min_size=1, max_size=4))
def test_what_was_priced_anew_gives_its_cost_back_and_stays(found: list[Part]) -> None:
    found = [*found, Part("message", Usage(1_000, output_tokens=1))]
    call, rates = settled(summed(found), Answer("sonnet-model"))
    becomes = repriced(call, rates, CHEAPER)
    if becomes is Left.SAME:
        return
    assert isinstance(becomes, Repriced)
    usage = replace(summed(found), parts=())
    lines = lines_of(becomes.rates, usage)
    assert cost_of(lines) == becomes.cost
    again = replace(call, lines=lines, cost_nano_usd=becomes.total_nano_usd)
    assert repriced(again, becomes.rates, CHEAPER) is Left.SAME


def test_another_price_with_its_multiplier_and_what_is_charged_besides() -> None:
    # 1,000 in and 100 out at half of the price, in the US: (1,500 + 750) x 1.1 us, and 40 besides
    usage = Usage(1_000, cache_read_tokens=0, output_tokens=100, us=True)
    call, rates = settled(usage, Answer("sonnet-model"), kept_nano_usd=40)
    becomes = repriced(call, rates, CHEAPER)
    assert isinstance(becomes, Repriced)
    assert (becomes.cost.input, becomes.cost.output) == (1_650_000, 825_000)
    assert becomes.total_nano_usd == 2_475_040
    assert becomes.cost_source == "corrected"
    assert becomes.rates["usd_per_token"]["input"] == "0.0000015"
    assert becomes.rates["multiplier"] == "1.1"


def test_what_the_cache_and_the_tier_saved_follows() -> None:
    # Haiku: 1,000 read at 0.1 us = 100 us; uncached 1,000 us; on the strongest 150 us
    call, rates = settled(Usage(cache_read_tokens=1_000), Answer("haiku-model"), "haiku-model")
    dearer = replace(HAIKU_RATES, cache_read=200_000)
    found = replace(
        CHEAPER,
        price_list=PriceList(
            {
                **CHEAPER.price_list.names,
                "haiku-model": Listed("haiku-model", "haiku-model", (prices(dearer),)),
            }
        ),
    )
    becomes = repriced(call, rates, found)
    assert isinstance(becomes, Repriced)
    assert becomes.total_nano_usd == 200_000
    assert becomes.cache_savings_nano_usd == 800_000
    assert becomes.strongest_nano_usd == 150_000
    assert HAIKU.id == call.sent_model


def test_what_a_miss_cost_follows() -> None:
    # 600 of the prompt's tokens had been in the cache: 500 were written again, 100 not even that
    usage = Usage(400, cache_write_5m_tokens=500, output_tokens=1)
    call, rates = settled(usage, Answer("sonnet-model"), missed_tokens=600)
    becomes = repriced(call, rates, CHEAPER)
    assert isinstance(becomes, Repriced)
    # half of (3,750 - 300) and of (3,000 - 300) nano-USD a token
    assert becomes.missed_nano_usd == 500 * 1_725 + 100 * 1_350
    plain, rates = settled(usage, Answer("sonnet-model"))
    assert isinstance(becomes := repriced(plain, rates, CHEAPER), Repriced)
    assert becomes.missed_nano_usd is None


def test_a_miss_that_costs_something_else_is_told_though_the_cost_stays() -> None:
    usage = Usage(400, cache_write_5m_tokens=500)  # nothing was read: its price is no part of it
    call, rates = settled(usage, Answer("sonnet-model"), missed_tokens=500)
    dearer_to_read = catalog(replace(SONNET_RATES, cache_read=350_000))
    becomes = repriced(call, rates, dearer_to_read)
    assert isinstance(becomes, Repriced)
    assert (becomes.total_nano_usd, becomes.cost_source) == (call.cost_nano_usd, "computed")
    assert becomes.missed_nano_usd == 500 * 3_400
    again = replace(call, lines=lines_of(becomes.rates, usage))
    assert repriced(again, becomes.rates, dearer_to_read) is Left.SAME
    assert repriced(replace(call, missed_tokens=None), rates, dearer_to_read) is Left.SAME


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({"by_hand": True}, Left.BY_HAND),
        ({"billed": True}, Left.BILLED),
        ({"lines": ()}, Left.UNPRICED),
        ({"day": date(2025, 1, 1)}, Left.SAME),  # no price is known of that day
    ],
)
def test_what_no_price_says_anything_about_stays(more: dict[str, Any], left: Left) -> None:
    call, rates = settled(Usage(1_000), Answer("sonnet-model"))
    assert repriced(replace(call, **more), rates, CHEAPER) is left


def test_a_model_that_had_no_price_is_exact_once_it_has_one() -> None:
    call, rates = settled(Usage(1_000, output_tokens=100), Answer("brand-new"))
    assert (call.cost_source, rates["unknown"]) == ("estimated", ["model"])
    now = catalog(SONNET_RATES, **{"brand-new": Rates(2_000_000, 4_000_000, 0, 0, 0)})
    becomes = repriced(call, rates, now)
    assert isinstance(becomes, Repriced)
    # 1,000 x 2 us + 100 x 4 us
    assert (becomes.total_nano_usd, becomes.cost_source) == (2_400_000, "corrected")
    assert "unknown" not in becomes.rates
    besides = replace(call, kept_nano_usd=7)
    still = repriced(besides, rates, now)
    assert isinstance(still, Repriced)
    assert still.cost_source == "estimated"


def test_a_refusal_that_was_free_stays_free() -> None:
    call, rates = settled(Usage(1_000), Answer("sonnet-model", "refusal", None))
    assert call.cost_nano_usd == 0
    assert repriced(call, rates, CHEAPER) is Left.SAME
