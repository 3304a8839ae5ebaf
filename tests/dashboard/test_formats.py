from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from app.dashboard.figures import formats
from app.dashboard.figures.projection import Projection, month_end

NANO = 1_000_000_000

MONEY = [
    # nano-USD          exact            call            total        tile
    (0, "$0.00", "$0.000000", "$0.00", "$0.00"),
    (54_399_000, "$0.054399", "$0.054399", "$0.0544", "$0.0544"),
    (291_600, "$0.0002916", "$0.000292", "$0.0003", "$0.0003"),
    (1, "$0.000000001", "<$0.000001", "<$0.0001", "<$0.0001"),
    (-1, "−$0.000000001", ">−$0.000001", ">−$0.0001", ">−$0.0001"),
    (1_234_570_000_000, "$1,234.57", "$1,234.570000", "$1,234.57", "$1,234.57"),
    (12_040_000_000, "$12.04", "$12.040000", "$12.04", "$12.04"),
    (-11_800_000, "−$0.0118", "−$0.011800", "−$0.0118", "−$0.0118"),
    (999_999 * NANO // 10, "$99,999.90", "$99,999.900000", "$99,999.90", "$99,999.90"),
    (100_000 * NANO, "$100,000.00", "$100,000.000000", "$100,000.00", "$100 K"),
    (1_234_567 * NANO, "$1,234,567.00", "$1,234,567.000000", "$1,234,567.00", "$1.23 M"),
]


@pytest.mark.parametrize(("amount", "exact", "call", "total", "tile"), MONEY)
def test_money_never_rounds_to_nothing(
    amount: int, exact: str, call: str, total: str, tile: str
) -> None:
    told = formats.exact(amount), formats.call(amount), formats.total(amount), formats.tile(amount)
    assert told == (exact, call, total, tile)


@pytest.mark.parametrize(
    ("amount", "largest", "told"),
    [
        (50_000_000, 3 * NANO, "$0.05"),
        (4_999_999, 3 * NANO, "<$0.01"),
        (0, 3 * NANO, "$0.00"),
        (0, 5_000_000, "$0.0000"),
        (0, 0, "$0.00"),
        (5_000_000, 999_999_999, "$0.0050"),
    ],
)
def test_a_columns_largest_sum_decides_its_decimals(amount: int, largest: int, told: str) -> None:
    assert formats.total(amount, largest) == told


@pytest.mark.parametrize("usd", ["0.054399", "-0.0118", "0.00", "1234.57"])
def test_an_amount_is_read_as_it_is_written(usd: str) -> None:
    told = formats.exact(formats.nano(usd)).replace("−", "-")
    assert told.replace("$", "").replace(",", "") == usd


@pytest.mark.parametrize("text", ["", "1e3", "0,5", "--1", "nan", "0.0000000001"])
def test_what_is_no_amount_never_becomes_one(text: str) -> None:
    with pytest.raises(ValueError, match="USD"):
        formats.nano(text)


@pytest.mark.parametrize(
    ("number", "told", "short"),
    [
        (0, "0", "0"),
        (12_621, "12,621", "12.6 K"),
        (9_999, "9,999", "9,999"),
        (1_260_000, "1,260,000", "1.26 M"),
        (1_500_000_000, "1,500,000,000", "1.50 B"),
        (123_456_789, "123,456,789", "123 M"),
    ],
)
def test_counts_are_exact_and_short_ones_have_three_digits(
    number: int, told: str, short: str
) -> None:
    assert (formats.count(number), formats.short_count(number)) == (told, short)


def test_a_billion_and_a_half_is_no_thousand_and_a_half() -> None:
    assert formats.tile(1_500_000_000 * NANO) == "$1.50 B"


def test_shares_and_changes_have_one_decimal_and_say_new_or_nothing() -> None:
    assert formats.share(1, 8) == "12.5 %"
    assert formats.share(0, 8) == "0.0 %"
    assert formats.share(1, 0) == "–"
    assert formats.change(1_124, 1_000) == "+12.4 %"
    assert formats.change(500, 1_000) == "−50.0 %"
    assert formats.change(1_000, 1_000) == "0.0 %"
    assert formats.change(5, 0) == "new"
    assert formats.change(0, 0) == "–"


def test_rates_are_per_million_tokens_and_exact_per_token() -> None:
    assert formats.rate(3_000_000) == "$3.00"
    assert formats.rate(100_000) == "$0.10"
    assert formats.rate(2_700_001) == "$2.700001"
    assert formats.rate(0) == "$0.00"
    assert formats.rate_exact(3_000_000) == "$0.000003 per token"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (11_520, "3 h 12 min"),
        (7_200, "2 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_spans_have_their_two_greatest_units(seconds: int, told: str) -> None:
    assert formats.span(seconds) == told


def test_times_are_told_from_now() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert formats.relative(now - timedelta(minutes=4), now) == "4 min ago"
    assert formats.relative(now + timedelta(hours=3, minutes=12), now) == "in 3 h 12 min"
    assert formats.relative(now, now) == "just now"
    assert formats.moment(now) == "30 Nov 2026 12:00:00"


def test_a_month_is_projected_from_whole_days_alone_from_the_third_on() -> None:
    today = date(2026, 11, 11)
    two = {date(2026, 11, 9): 10, date(2026, 11, 10): 20}
    assert month_end(two, today) is None
    three = {date(2026, 11, 8): 30, **two, today: 5}
    # 65 spent; a mean of 20 for 19 days that are left, and 15 for what is left of today
    assert month_end(three, today) == Projection(65 + 380 + 15, 460, 460, 3)


def test_a_projections_band_is_that_of_a_week_and_of_four() -> None:
    today = date(2026, 11, 29)
    days = {today - timedelta(days=back): 28 if back > 7 else 7 for back in range(1, 29)}
    # this month: 7 x 7 + 21 x 28; a week's mean is 7, four weeks' (49 + 588) / 28 = 22
    spent = 49 + 588
    assert month_end(days, today) == Projection(spent + 14, spent + 14, spent + 44, 7)


def test_days_without_calls_count_as_nothing() -> None:
    today = date(2026, 11, 11)
    assert month_end({date(2026, 11, 7): 40}, today) == Projection(40 + 190 + 10, 240, 240, 4)
    assert month_end({}, today) is None
