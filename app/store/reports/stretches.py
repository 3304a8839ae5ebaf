"""A report by time, cut at local midnights: a page of it reads no more of them than it shows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta, tzinfo
from typing import Any, Final

from app.core.zones import US_PER_HOUR, Clock, day_start_us

FIRST_DAYS: Final = 3
GROWTH: Final = 4
_EPOCH: Final = date(1970, 1, 1)


def day_of(number: int) -> date:
    """A local day by its number, as reports group by it."""
    return _EPOCH + timedelta(days=number)


def begins_us(time: str, value: Any, zone: tzinfo) -> int:  # noqa: ANN401  # of whatever kind
    """Where an hour, a day or a month begins: `value` is what reports group by."""
    if time == "hour":
        return int(value)
    return day_start_us(_first_day(time, value), zone)


def ends_us(time: str, value: Any, zone: tzinfo) -> int:  # noqa: ANN401
    """The first microsecond after it."""
    if time == "hour":
        return int(value) + US_PER_HOUR
    first = _first_day(time, value)
    if time == "day":
        return day_start_us(first + timedelta(days=1), zone)
    return day_start_us((first + timedelta(days=32)).replace(day=1), zone)


def stretches(
    clock: Clock,
    time: str,
    after: Any,  # noqa: ANN401
    *,
    descends: bool,
) -> Iterator[Clock]:
    """The range in pieces, in the order that is asked for, few days first; no group is in two.

    `after` is the time of the last row that is known, if one is: what lies before it is left out.
    """
    inner = clock.months() if time == "month" else clock.days()
    edges = [clock.from_us, *inner, clock.before_us]
    if after is not None:
        # The first day of the range may have begun before it.
        place = max(bisect_right(edges, begins_us(time, after, clock.zone)), 1)
        edges = edges[: place + 1] if descends else edges[place - 1 :]
    size = FIRST_DAYS
    while len(edges) > 1:
        if descends:
            taken, edges = edges[-size - 1 :], edges[:-size]
        else:
            taken, edges = edges[: size + 1], edges[size:]
        yield replace(clock, from_us=taken[0], before_us=taken[-1])
        size *= GROWTH


def _first_day(time: str, value: Any) -> date:  # noqa: ANN401
    return day_of(int(value)) if time == "day" else date.fromisoformat(f"{value}-01")
