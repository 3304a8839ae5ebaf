"""When a budget is used up, at the mean of the last whole days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app.core.budgets import Window
from app.core.pace import Pace, pace_of, used_up_at, whole_days

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday
CENT = 10_000_000


@pytest.mark.parametrize(
    ("since", "days"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), 7),
        (datetime(2026, 11, 15, 23, tzinfo=UTC), 3),
        (datetime(2026, 11, 16, 1, tzinfo=UTC), None),
        (NOW, None),
        (datetime(2026, 11, 16, 1, tzinfo=timezone(timedelta(hours=2))), 3),
    ],
)
def test_a_pace_rests_on_three_whole_days_at_least_and_seven_at_most(
    since: datetime, days: int | None
) -> None:
    assert whole_days(since, NOW) == days


def test_a_pace_is_the_sum_of_the_days_before_today() -> None:
    by_day = {date(2026, 11, day): day * CENT for day in range(8, 19)}
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    assert pace_of(by_day, long_ago, NOW) == Pace((11 + 12 + 13 + 14 + 15 + 16 + 17) * CENT, 7)
    assert pace_of(by_day, NOW - timedelta(days=3), NOW) == Pace((15 + 16 + 17) * CENT, 3)
    assert pace_of({}, long_ago, NOW) == Pace(0, 7)
    assert pace_of(by_day, NOW, NOW) is None


@pytest.mark.parametrize(
    ("left", "pace", "window", "ends"),
    [
        (0, None, "month", NOW),
        (-5, Pace(CENT, 7), "none", NOW),
        (2 * CENT, Pace(7 * CENT, 7), "month", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        (2 * CENT, Pace(3 * CENT, 3), "month", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        (20 * CENT, Pace(7 * CENT, 7), "month", None),  # it starts again on the 1st
        (2 * CENT, Pace(7 * CENT, 7), "day", None),
        (20 * CENT, Pace(7 * CENT, 7), "none", datetime(2026, 12, 8, 12, tzinfo=UTC)),
        (10**18, Pace(1, 7), "none", None),
        (CENT, Pace(0, 7), "none", None),
        (CENT, None, "none", None),
    ],
)
def test_a_budget_ends_when_the_pace_has_used_it_unless_it_starts_again_before(
    left: int, pace: Pace | None, window: Window, ends: datetime | None
) -> None:
    assert used_up_at(left, pace, window, NOW) == ends
