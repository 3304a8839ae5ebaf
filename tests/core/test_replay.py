"""What a row keeps gives its cost back, whatever kind of answer it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.billing import Answer, Sent, bill
from app.core.price_list import Listed, PriceList, RefusalRule
from app.core.pricing import Prices, PriceStep, Rates
from app.core.replay import Stored, cost_of, lines_of, replayed
from app.core.usage import Part, Usage
from tests.core.catalogs import HAIKU_RATES, SONNET_RATES, prices

DAY = date(2026, 11, 21)
LONG = PriceStep(100_000, Rates(6_000_001, 22_500_003, 7_500_007, 12_000_001, 600_009))
HAIKU = prices(HAIKU_RATES)
SONNET = prices(SONNET_RATES, LONG, us=1_100, fast=2_500)
LIST = PriceList(
    {"haiku": Listed("haiku", "haiku", (HAIKU,)), "sonnet": Listed("sonnet", "sonnet", (SONNET,))},
    (RefusalRule(date(2026, 1, 1), frozenset({None}), frozenset({"bio"})),),
)
counts = st.integers(0, 400_000)
usages = st.builds(
    Usage,
    input_tokens=counts,
    cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts,
    cache_read_tokens=counts,
    output_tokens=counts,
    web_search_requests=st.integers(0, 3),
    fast=st.booleans(),
    us=st.booleans(),
    batch=st.booleans(),
)
parts = st.builds(
    Part,
    st.sampled_from(["message", "compaction", "advisor_message", "fallback_message", "novel"]),
    usages,
    st.sampled_from([None, "haiku", "sonnet", "opus"]),
)


def summed(found: list[Part]) -> Usage:
    names = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
    sums = {f"{n}_tokens": sum(getattr(p.usage, f"{n}_tokens") for p in found) for n in names}
    searches = sum(part.usage.web_search_requests for part in found)
    return Usage(**sums, web_search_requests=searches, parts=tuple(found))


def assert_replayed(usage: Usage, answer: Answer, sent: Sent) -> None:
    found = bill(usage, answer, sent)
    columns = replace(usage, parts=(), fast=False, us=False, batch=False)
    lines = lines_of(json.loads(found.rates), columns)
    assert cost_of(lines) == found.cost


@given(usages, st.sampled_from([(HAIKU, "haiku"), (SONNET, "sonnet")]))
def test_a_plain_answer(usage: Usage, sent: tuple[Prices, str]) -> None:
    told, name = sent
    assert_replayed(usage, Answer(name), Sent(name, told, SONNET, LIST, DAY))


@given(
    st.lists(parts, min_size=1, max_size=4),
    st.sampled_from([None, "refusal"]),
    st.sampled_from([None, "bio", "odd"]),
)
def test_an_answer_in_parts_refusals_and_unknown_words(
    found: list[Part], stop: str | None, category: str | None
) -> None:
    found = [*found, Part("message", Usage(output_tokens=1))]
    answer = Answer("sonnet", stop, category, (category,))
    assert_replayed(summed(found), answer, Sent("sonnet", SONNET, SONNET, LIST, DAY))


@pytest.mark.parametrize(
    ("call", "nano"),
    [
        ({"lines": (), "kept_nano_usd": 77}, 77),
        ({"kept_nano_usd": 5}, 3 * 3_000 + 2 * 15_000 + 5),
        ({"billed": True, "billed_more_nano_usd": -9}, 3 * 3_000 + 2 * 15_000 - 9),
    ],
)
def test_what_is_charged_besides_the_answer_stays(call: dict[str, Any], nano: int) -> None:
    rates = bill(
        Usage(3, output_tokens=2), Answer("sonnet"), Sent("sonnet", SONNET, SONNET, LIST, DAY)
    ).rates
    lines = lines_of(json.loads(rates), Usage(3, output_tokens=2))
    values: dict[str, Any] = {"lines": lines, **call}
    assert replayed(Stored("req_1", DAY, "sonnet", "sonnet", nano, "computed", **values)) == nano


@pytest.mark.parametrize("rates", [None, {}, {"model": "sonnet"}])
def test_a_row_without_prices_has_no_lines(rates: dict[str, Any] | None) -> None:
    assert lines_of(rates, Usage(3)) == ()
