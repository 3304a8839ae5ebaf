"""Unknown outcomes, worked out by hand: $1 per million input tokens, $5 per million output."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.bounds import Bound
from app.core.unknown import Stake, lost_call, stake_of, unknown_outcome, written_tokens

STAKE = Stake(input_nano_usd=1_000_000, output_pico_usd=5_000_000, max_tokens=1_000)
WHOLE = Stake(1_000_000, 5_000_000, 1_000, whole=True)

WRITTEN = [
    # max_tokens, seconds, last told, bytes since   tokens
    (1_000, 0.0, 0, 0, 64),
    (1_000, 1.0, 0, 0, 364),
    (1_000, 1.001, 0, 0, 365),  # 300.3 begun tokens are 301
    (1_000, 60.0, 0, 0, 1_000),
    (20, 0.0, 0, 0, 20),
    (1_000, 1.0, 0, 299, 364),
    (1_000, 1.0, 0, 500, 564),
    (1_000, 1.0, 100, 0, 464),
    (1_000, -5.0, 0, 0, 64),  # a clock that went back
]


@pytest.mark.parametrize(("max_tokens", "elapsed_s", "known", "seen_bytes", "tokens"), WRITTEN)
def test_what_may_have_been_written(
    max_tokens: int, elapsed_s: float, known: int, seen_bytes: int, tokens: int
) -> None:
    assert written_tokens(max_tokens, elapsed_s, known=known, seen_bytes=seen_bytes) == tokens


UNKNOWN = [
    # stake, seconds   nano-USD
    (STAKE, 0.0, 1_000_000 + 64 * 5_000),
    (STAKE, 2.0, 1_000_000 + 664 * 5_000),
    (STAKE, 600.0, 1_000_000 + 1_000 * 5_000),
    (WHOLE, 0.0, 6_000_000),
    (Stake(7, 1_001, 1), 9.0, 7 + 2),  # 1.001 nano-USD of output is rounded up
]


@pytest.mark.parametrize(("stake", "elapsed_s", "nano"), UNKNOWN)
def test_an_unknown_outcome_costs_its_prompt_and_what_time_allowed(
    stake: Stake, elapsed_s: float, nano: int
) -> None:
    assert unknown_outcome(stake, elapsed_s) == nano


def test_text_that_came_without_a_count_is_charged_by_its_bytes() -> None:
    assert unknown_outcome(STAKE, 0.0, seen_bytes=100) == 1_000_000 + 164 * 5_000


def test_a_prompt_that_was_counted_costs_its_count() -> None:
    bound = Bound(10_000, 50, 50_000_000, input_pico_usd=5_000_500, output_pico_usd=2_000)
    assert stake_of(bound, counted_tokens=100) == Stake(500_050, 2_000, 50)
    tools = replace(bound, server_tools=True)
    assert stake_of(tools, counted_tokens=100) == Stake(50_000_000, 2_000, 50, whole=True)


LOST = [
    # stake, reserved, seconds   nano-USD
    (STAKE, 6_000_000, 0.0, 1_320_000),
    (STAKE, 6_000_000, 30.0, 6_000_000),
    (STAKE, 8_000_000, 0.0, 3_320_000),  # 2,000,000 were held for attempts before
    (STAKE, 1_200_000, 0.0, 1_200_000),  # shortened to its budget
    (WHOLE, 6_000_000, 0.0, 6_000_000),
]


@pytest.mark.parametrize(("stake", "reserved", "elapsed_s", "nano"), LOST)
def test_a_lost_call_is_charged_by_the_time_it_may_have_run(
    stake: Stake, reserved: int, elapsed_s: float, nano: int
) -> None:
    assert lost_call(stake, reserved, elapsed_s) == nano


@given(st.integers(0, 10**9), st.floats(0, 10**4), st.integers(0, 10**6))
def test_no_outcome_costs_more_than_its_bound(rate: int, elapsed_s: float, tokens: int) -> None:
    stake = Stake(5, rate, tokens)
    assert 5 <= unknown_outcome(stake, elapsed_s) <= stake.bound_nano_usd


def test_a_bound_says_what_is_at_stake() -> None:
    bound = Bound(100, 50, 700, input_pico_usd=7_000, output_pico_usd=2_000, server_tools=True)
    assert stake_of(bound) == Stake(700, 2_000, 50, whole=True)
    assert stake_of(bound).bound_nano_usd == bound.nano_usd == 800
