from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.pricing import (
    CATEGORIES,
    Cost,
    Prices,
    PriceStep,
    Rates,
    multiplier,
    price,
    price_together,
    prices_on,
    snapshot,
    uncached,
)
from app.core.usage import Usage

ORIGINS = dict.fromkeys(CATEGORIES, "price_book")
SOURCES = dict.fromkeys(CATEGORIES, "the vendor's page")


def prices(*steps: PriceStep, since: str = "2026-01-01") -> Prices:
    return Prices(date.fromisoformat(since), steps, SOURCES, ORIGINS, 2_000, 1_100, 500, 10_000_000)


SONNET = prices(PriceStep(-1, Rates(3_000_000, 15_000_000, 3_750_000, 6_000_000, 300_000)))
HAIKU = prices(
    PriceStep(-1, Rates(100_000, 500_000, 125_000, 200_000, 10_000)),
    PriceStep(100_000, Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000)),
)

SONNET_CALLS = [
    (Usage(), Cost()),
    (Usage(input_tokens=1), Cost(input=3_000)),
    (Usage(output_tokens=1), Cost(output=15_000)),
    (Usage(cache_write_5m_tokens=1), Cost(cache_write_5m=3_750)),
    (Usage(cache_write_1h_tokens=1), Cost(cache_write_1h=6_000)),
    (Usage(cache_read_tokens=1), Cost(cache_read=300)),
    (Usage(web_search_requests=3), Cost(server_tools=30_000_000)),
    (
        Usage(input_tokens=3, cache_write_5m_tokens=12_304, output_tokens=550),
        Cost(input=9_000, cache_write_5m=46_140_000, output=8_250_000),
    ),
    (
        Usage(input_tokens=3, cache_read_tokens=12_304, output_tokens=550),
        Cost(input=9_000, cache_read=3_691_200, output=8_250_000),
    ),
    (Usage(output_tokens=550, reasoning_tokens=500), Cost(output=8_250_000)),
]


@pytest.mark.parametrize(("usage", "cost"), SONNET_CALLS)
def test_each_bucket_is_priced_at_its_own_rate(usage: Usage, cost: Cost) -> None:
    assert price(usage, SONNET) == cost


def test_a_first_cached_call_comes_to_54_399_000_nano_usd() -> None:
    usage = Usage(input_tokens=3, cache_write_5m_tokens=12_304, output_tokens=550)
    assert price(usage, SONNET).total == 54_399_000


PROMPTS = [
    # input, write 5m, write 1h, read       nano-USD with 1,000 output tokens
    ((100_000, 0, 0, 0), 10_500_000),
    ((100_001, 0, 0, 0), 52_500_500),
    ((0, 0, 0, 100_000), 1_500_000),
    ((0, 0, 0, 100_001), 7_500_050),
    ((25_000, 25_000, 25_000, 25_000), 11_375_000),
    ((25_001, 25_000, 25_000, 25_000), 56_875_500),
]


@pytest.mark.parametrize(("prompt", "nano"), PROMPTS)
def test_the_price_step_depends_on_the_whole_prompt_and_prices_the_whole_request(
    prompt: tuple[int, int, int, int], nano: int
) -> None:
    assert price(Usage(*prompt, output_tokens=1_000), HAIKU).total == nano


FACTORS = [
    # fast, us, batch          on 10 input tokens at $3 per million: 30,000 nano-USD
    ((False, False, False), 30_000),
    ((True, False, False), 60_000),
    ((False, True, False), 33_000),
    ((False, False, True), 15_000),
    ((True, True, False), 66_000),
    ((True, True, True), 33_000),
]


@pytest.mark.parametrize(("reported", "nano"), FACTORS)
def test_multipliers_multiply(reported: tuple[bool, bool, bool], nano: int) -> None:
    fast, us, batch = reported
    usage = Usage(input_tokens=10, fast=fast, us=us, batch=batch)
    assert price(usage, SONNET).total == nano


def test_multipliers_leave_web_searches_alone() -> None:
    usage = Usage(web_search_requests=1, fast=True, us=True, batch=True)
    assert price(usage, SONNET) == Cost(server_tools=10_000_000)


@pytest.mark.parametrize(("tokens", "nano"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_half_a_nano_usd_goes_to_the_even_side(tokens: int, nano: int) -> None:
    half = prices(PriceStep(-1, Rates(500, 0, 0, 0, 0)))
    assert price(Usage(input_tokens=tokens), half).total == nano


def test_each_category_is_rounded_once_and_the_total_is_their_sum() -> None:
    third = prices(PriceStep(-1, Rates(1_500, 1_500, 1_500, 1_500, 1_500)))
    assert price(Usage(1, 1, 1, 1, 1), third) == Cost(2, 2, 2, 2, 2)
    assert price(Usage(1, 1, 1, 1, 1), third).total == 10


def test_the_prices_of_a_day_are_the_last_that_began_by_then() -> None:
    old, new = prices(*SONNET.steps, since="2026-01-01"), prices(*HAIKU.steps, since="2026-10-07")
    assert prices_on((old, new), date(2026, 10, 6)) is old
    assert prices_on((old, new), date(2026, 10, 7)) is new
    with pytest.raises(LookupError, match="no price is in force on 2025-12-31"):
        prices_on((old, new), date(2025, 12, 31))


def test_without_the_cache_the_whole_prompt_is_plain_input() -> None:
    usage = Usage(1, 20, 300, 4_000, 5, reasoning_tokens=2, web_search_requests=1, us=True)
    assert uncached(usage) == Usage(
        4_321, 0, 0, 0, 5, reasoning_tokens=2, web_search_requests=1, us=True
    )


def test_a_multiplier_is_an_exact_fraction() -> None:
    assert multiplier(Usage(fast=True, us=True), SONNET) == (2_200_000_000, 1_000_000_000)


def test_a_snapshot_holds_all_it_takes_to_recompute() -> None:
    usage = Usage(input_tokens=100_001, us=True)
    assert json.loads(snapshot("claude-haiku-5-5", usage, HAIKU)) == {
        "model": "claude-haiku-5-5",
        "effective_from": "2026-01-01",
        "above_prompt_tokens": 100_000,
        "usd_per_token": {
            "input": "0.0000005",
            "output": "0.0000025",
            "cache_write_5m": "0.000000625",
            "cache_write_1h": "0.000001",
            "cache_read": "0.00000005",
        },
        "multiplier": "1.1",
        "usd_per_web_search": "0.01",
        "origins": ORIGINS,
    }
    assert json.loads(snapshot("m", Usage(), HAIKU))["above_prompt_tokens"] == 0


counts = st.integers(0, 5_000_000)
flags = st.booleans()
usages = st.builds(
    Usage,
    input_tokens=counts,
    cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts,
    cache_read_tokens=counts,
    output_tokens=counts,
    web_search_requests=st.integers(0, 100),
    fast=flags,
    us=flags,
    batch=flags,
)
rates = st.builds(Rates, *[st.integers(0, 10_000_000_000)] * 5)
factors = st.integers(1, 100_000)
schedules = st.builds(
    lambda base, long, above, fast, us, batch, search: replace(
        prices(PriceStep(-1, base), PriceStep(above, long)),
        fast=fast,
        us=us,
        batch=batch,
        web_search_nano_usd=search,
    ),
    rates,
    rates,
    st.integers(1, 2_000_000),
    factors,
    factors,
    factors,
    st.integers(0, 10**9),
)
BUCKETS = [
    "input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
    "output_tokens",
    "web_search_requests",
]


@given(usage=usages, schedule=schedules)
def test_a_snapshot_recomputes_to_the_same_cost(usage: Usage, schedule: Prices) -> None:
    kept: Mapping[str, Any] = json.loads(snapshot("m", usage, schedule))
    tokens = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_write_5m": usage.cache_write_5m_tokens,
        "cache_write_1h": usage.cache_write_1h_tokens,
        "cache_read": usage.cache_read_tokens,
    }
    with localcontext() as context:
        context.prec = 100
        usd = usage.web_search_requests * Decimal(kept["usd_per_web_search"])
        for category, count in tokens.items():
            exact = count * Decimal(kept["usd_per_token"][category]) * Decimal(kept["multiplier"])
            usd += exact.quantize(Decimal("1e-9"), ROUND_HALF_EVEN)
        assert price(usage, schedule).total == usd * 10**9


@given(
    usage=usages, schedule=schedules, more=st.integers(1, 10**6), bucket=st.sampled_from(BUCKETS)
)
def test_more_of_anything_never_costs_less_within_a_price_step(
    usage: Usage, schedule: Prices, more: int, bucket: str
) -> None:
    flat = replace(schedule, steps=schedule.steps[:1])
    larger = replace(usage, **{bucket: getattr(usage, bucket) + more})
    assert price(larger, flat).total >= price(usage, flat).total


@given(usage=usages, schedule=schedules)
def test_no_category_is_ever_negative(usage: Usage, schedule: Prices) -> None:
    cost = price(usage, schedule)
    parts = (
        cost.input,
        cost.cache_write_5m,
        cost.cache_write_1h,
        cost.cache_read,
        cost.output,
        cost.server_tools,
    )
    assert min(parts) >= 0
    assert cost.total == sum(parts)


@given(usage=usages, schedule=schedules)
def test_one_call_alone_costs_the_same_as_together_with_none(
    usage: Usage, schedule: Prices
) -> None:
    assert price_together([(usage, schedule)]) == price(usage, schedule)
    assert price_together([(usage, schedule), (Usage(), schedule)]) == price(usage, schedule)
    assert price_together([]) == Cost()
