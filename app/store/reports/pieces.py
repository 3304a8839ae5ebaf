"""A range of time, cut into what roll-ups by day and hour hold exactly and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from app.core.zones import US_PER_DAY, US_PER_HOUR, Clock

MOST_CUTS: Final = 800  # a condition for each must stay within what SQLite takes

Span = tuple[int, int]
"""From the first microsecond on and before the second."""


@dataclass(slots=True)
class Pieces:
    """Spans that are whole days, whole hours and anything, UTC; none overlaps another."""

    days: list[Span] = field(default_factory=list)
    hours: list[Span] = field(default_factory=list)
    rows: list[Span] = field(default_factory=list)


def pieces_of(clock: Clock, time: str | None) -> Pieces:
    """What the sums by `time` (`hour`, `day`, `month` or none) are added up from."""
    if time == "hour" and not clock.has_whole_hours:
        return only_rows(clock)
    whole_days = time in (None, "month") or (time == "day" and clock.is_utc)
    cuts: Sequence[int] = ()
    if time == "day" and not clock.has_whole_hours:
        cuts = list(clock.days())
    elif time == "month" and not clock.is_utc:
        cuts = list(clock.months())
    if len(cuts) > MOST_CUTS:
        return only_rows(clock)
    found = Pieces()
    edges = [clock.from_us, *cuts, clock.before_us]
    for from_us, before_us in pairwise(edges):
        _cut(found, from_us, before_us, whole_days=whole_days)
    return Pieces(joined(found.days), joined(found.hours), joined(found.rows))


def only_rows(clock: Clock) -> Pieces:
    """All of it from the rows."""
    return Pieces(rows=joined([(clock.from_us, clock.before_us)]))


def _cut(into: Pieces, from_us: int, before_us: int, *, whole_days: bool) -> None:
    hours_us, after_hours_us = _up(from_us, US_PER_HOUR), _down(before_us, US_PER_HOUR)
    if hours_us >= after_hours_us:
        into.rows.append((from_us, before_us))
        return
    into.rows += [(from_us, hours_us), (after_hours_us, before_us)]
    days_us, after_days_us = _up(hours_us, US_PER_DAY), _down(after_hours_us, US_PER_DAY)
    if not whole_days or days_us >= after_days_us:
        into.hours.append((hours_us, after_hours_us))
        return
    into.hours += [(hours_us, days_us), (after_days_us, after_hours_us)]
    into.days.append((days_us, after_days_us))


def _up(us: int, unit_us: int) -> int:
    return -(-us // unit_us) * unit_us


def _down(us: int, unit_us: int) -> int:
    return us // unit_us * unit_us


def joined(spans: Iterable[Span]) -> list[Span]:
    """Without empty ones, and neighbours as one."""
    found: list[Span] = []
    for from_us, before_us in sorted(spans):
        if from_us >= before_us:
            continue
        if found and found[-1][1] == from_us:
            found[-1] = (found[-1][0], before_us)
        else:
            found.append((from_us, before_us))
    return found
