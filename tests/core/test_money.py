from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import nano_usd, pico_text, round_half_even, round_up, usd_text

AMOUNTS = [
    ("0", 0),
    ("0.00", 0),
    ("0.25", 250_000_000),
    ("10.00", 10_000_000_000),
    ("0.000000001", 1),
    ("1.000000001", 1_000_000_001),
    ("007.5", 7_500_000_000),
    ("0.054399", 54_399_000),
    ("1.0000000000000000000000000000", 1_000_000_000),
    ("1000000000", 1_000_000_000_000_000_000),
    ("1000000000.000000000", 1_000_000_000_000_000_000),
]


@pytest.mark.parametrize(("text", "nano"), AMOUNTS)
def test_an_amount_is_read_exactly(text: str, nano: int) -> None:
    assert nano_usd(text) == nano


NOT_AMOUNTS = [
    "",
    " ",
    "abc",
    "-1",
    "-0",
    "+1",
    " 1",
    "1 ",
    "1\n",
    ".5",
    "5.",
    "1e3",
    "1E-9",
    "1,000",
    "1_000",
    "0x10",
    "NaN",
    "Infinity",
    "$1",
    "1.2.3",
    "\u0661",
    "\uff11",
    "12345678901",
    "0.0000000000000000000000000000001",
]


@pytest.mark.parametrize("text", NOT_AMOUNTS)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain decimal amount"):
        nano_usd(text)


@pytest.mark.parametrize(
    "text",
    [
        "0.0000000001",
        "0.0000000019",
        "1.0000000005",
        "1.000000000000000000000000000001",
        "999999999.000000000000000000000000000001",
    ],
)
def test_an_amount_finer_than_a_nano_usd_is_refused_and_never_rounded(text: str) -> None:
    with pytest.raises(ValueError, match="finer than"):
        nano_usd(text)


@pytest.mark.parametrize("text", ["1000000000.000000001", "1000000001", "9999999999"])
def test_an_amount_above_a_billion_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than 1000000000 USD"):
        nano_usd(text)


TEXTS = [
    (0, "0.00"),
    (1, "0.000000001"),
    (54_399_000, "0.054399"),
    (100_000_000, "0.10"),
    (1_230_000_000, "1.23"),
    (1_000_000_000_000_000_000, "1000000000.00"),
    (-1, "-0.000000001"),
    (-1_500_000_000, "-1.50"),
]


@pytest.mark.parametrize(("nano", "text"), TEXTS)
def test_an_amount_is_shown_with_at_least_two_decimals(nano: int, text: str) -> None:
    assert usd_text(nano) == text


RATES = [
    (0, "0"),
    (1, "0.000000000001"),
    (3_000_000, "0.000003"),
    (125_000, "0.000000125"),
    (10_000_000_000, "0.01"),
    (1_000_000_000_000, "1"),
    (2_200_000_000_000, "2.2"),
]


@pytest.mark.parametrize(("pico", "text"), RATES)
def test_a_rate_is_shown_without_an_exponent(pico: int, text: str) -> None:
    assert pico_text(pico) == text


@given(nano=st.integers(0, 10**18))
def test_an_amount_survives_being_written_and_read(nano: int) -> None:
    assert nano_usd(usd_text(nano)) == nano


@given(whole=st.integers(0, 10**9 - 1), decimals=st.text("0123456789", min_size=1, max_size=30))
def test_a_text_is_worth_exactly_what_it_says_or_is_refused(whole: int, decimals: str) -> None:
    exact = (whole + Fraction(int(decimals), 10 ** len(decimals))) * 10**9
    if exact.denominator == 1:
        assert nano_usd(f"{whole}.{decimals}") == exact
    else:
        with pytest.raises(ValueError, match="finer than"):
            nano_usd(f"{whole}.{decimals}")


@given(text=st.text(max_size=20))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    try:
        nano = nano_usd(text)
    except ValueError:
        return
    assert 0 <= nano <= 10**18
    assert set(text) <= set("0123456789.")


HALVES = [
    # numerator, denominator, half even, up
    (0, 2, 0, 0),
    (1, 2, 0, 1),
    (3, 2, 2, 2),
    (5, 2, 2, 3),
    (7, 2, 4, 4),
    (499, 1000, 0, 1),
    (500, 1000, 0, 1),
    (501, 1000, 1, 1),
    (1500, 1000, 2, 2),
    (2500, 1000, 2, 3),
    (2501, 1000, 3, 3),
    (2000, 1000, 2, 2),
]


@pytest.mark.parametrize(("numerator", "denominator", "even", "up"), HALVES)
def test_a_tie_goes_to_the_even_number_and_a_bound_goes_up(
    numerator: int, denominator: int, even: int, up: int
) -> None:
    assert round_half_even(numerator, denominator) == even
    assert round_up(numerator, denominator) == up


@given(numerator=st.integers(0, 10**30), denominator=st.integers(1, 10**18))
def test_rounding_agrees_with_exact_fractions(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert round_half_even(numerator, denominator) == round(exact)
    assert 0 <= round_up(numerator, denominator) - exact < 1
