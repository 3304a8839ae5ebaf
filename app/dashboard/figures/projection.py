"""Where a month's spend is heading: pure, from whole days alone."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

LEAST_DAYS: Final = 3
SHORT_DAYS: Final = 7
LONG_DAYS: Final = 28


@dataclass(frozen=True, slots=True)
class Projection:
    """Nano-USD at the month's end; `low` to `high` is the band, `days` how many it rests on."""

    amount: int
    low: int
    high: int
    days: int


def month_end(by_day: Mapping[date, int], today: date) -> Projection | None:
    """What was spent this month and, for each day left, the mean of the last whole days.

    `by_day` are nano-USD of days up to `today`; one before the first of them has no meaning, one
    after it that is missing had no calls. None before the third whole day.
    """
    whole = sorted(day for day in by_day if day < today)
    if not whole:
        return None
    known = min((today - whole[0]).days, LONG_DAYS)
    if known < LEAST_DAYS:
        return None
    spent = sum(amount for day, amount in by_day.items() if _same_month(day, today))
    days_left = calendar.monthrange(today.year, today.month)[1] - today.day
    of_today = by_day.get(today, 0)

    def at_end(days: int) -> int:
        mean = sum(a for day, a in by_day.items() if 0 < (today - day).days <= days) // days
        # What is left of today is worth a day less what it has spent.
        return spent + mean * days_left + max(mean - of_today, 0)

    short, long = at_end(min(SHORT_DAYS, known)), at_end(known)
    return Projection(short, min(short, long), max(short, long), min(SHORT_DAYS, known))


def _same_month(day: date, other: date) -> bool:
    return (day.year, day.month) == (other.year, other.month)
