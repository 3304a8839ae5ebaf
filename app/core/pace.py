"""How fast a budget is used, and when it is used up at that pace.  Pure; days are UTC's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.core.budgets import window_end

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from app.core.budgets import Window

PACE_DAYS = 7
LEAST_DAYS = 3  # what fewer days say of those to come is chance
_DAY_S = 86_400
_FARTHEST_S = 366 * _DAY_S


@dataclass(frozen=True, slots=True)
class Pace:
    """What the last whole days came to, in nano-USD, and how many they are."""

    nano_usd: int
    days: int

    @property
    def a_day_nano_usd(self) -> int:
        """Their mean, rounded down."""
        return self.nano_usd // self.days


def whole_days(since: datetime, now: datetime) -> int | None:
    """How many days a pace rests on: PACE_DAYS, or those since then; None while they are few."""
    days = (now.astimezone(UTC).date() - since.astimezone(UTC).date()).days
    return min(days, PACE_DAYS) if days >= LEAST_DAYS else None


def pace_of(by_day: Mapping[date, int], since: datetime, now: datetime) -> Pace | None:
    """Of the days before today; None before the third whole one since then."""
    days = whole_days(since, now)
    if days is None:
        return None
    today = now.astimezone(UTC).date()
    found = (by_day.get(today - timedelta(days=back), 0) for back in range(1, days + 1))
    return Pace(sum(found), days)


def used_up_at(
    left_nano_usd: int, pace: Pace | None, window: Window, now: datetime
) -> datetime | None:
    """When nothing is left at that pace; None: not in a year, and not before it starts again."""
    if left_nano_usd <= 0:
        return now
    if pace is None or not pace.nano_usd:
        return None
    seconds = left_nano_usd * pace.days * _DAY_S // pace.nano_usd
    if seconds >= _FARTHEST_S:
        return None
    ends, resets = now + timedelta(seconds=seconds), window_end(window, now)
    return ends if resets is None or ends < resets else None
