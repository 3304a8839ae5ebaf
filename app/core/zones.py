"""Time zones: where a local day, month or hour begins, in microseconds UTC."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from app.core.budgets import EPOCH
from app.core.errors import BadRequest

US_PER_HOUR: Final = 3_600_000_000
US_PER_DAY: Final = 24 * US_PER_HOUR
MOST_NAME_CHARS: Final = 64
_MICROSECOND: Final = timedelta(microseconds=1)


def zone_named(name: str | None) -> tzinfo:
    """UTC where nothing is named.  Raises BadRequest for what is no zone."""
    if name is None or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name[: MOST_NAME_CHARS + 1])
    except (KeyError, ValueError, OSError) as error:
        raise BadRequest(
            f"tz: {name[:MOST_NAME_CHARS]!r} is no time zone; give UTC or a name such as "
            "Europe/Berlin",
            param="tz",
        ) from error


def microseconds(when: datetime) -> int:
    return (when - EPOCH) // _MICROSECOND


def day_start_us(day: date, zone: tzinfo) -> int:
    """Where a local day begins; where clocks skip midnight, at the first moment after it."""
    return microseconds(datetime.combine(day, time(), zone).astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Clock:
    """A zone between two moments: `offsets_us[i]` holds from `changes_us[i]` on."""

    zone: tzinfo
    from_us: int
    before_us: int
    changes_us: Sequence[int]
    offsets_us: Sequence[int]

    @property
    def is_utc(self) -> bool:
        """Whether its days are UTC's."""
        return not any(self.offsets_us)

    @property
    def has_whole_hours(self) -> bool:
        """Whether its hours begin when UTC's do."""
        return all(offset % US_PER_HOUR == 0 for offset in self.offsets_us)

    def offset_us(self, us: int) -> int:
        """What is to be added to a moment for the local time."""
        return self.offsets_us[max(bisect_right(self.changes_us, us) - 1, 0)]

    def local(self, us: int) -> datetime:
        """The moment with the local clock."""
        return (EPOCH + timedelta(microseconds=us)).astimezone(self.zone)

    def days(self) -> Iterator[int]:
        """Where local days begin, after the first moment and before the last."""
        if self.from_us >= self.before_us:
            return
        day = self.local(self.from_us).date()
        while True:
            day += timedelta(days=1)
            starts_us = day_start_us(day, self.zone)
            if starts_us >= self.before_us:
                return
            yield starts_us

    def months(self) -> Iterator[int]:
        """Where local months begin, after the first moment and before the last."""
        if self.from_us >= self.before_us:
            return
        month = self.local(self.from_us).date().replace(day=1)
        while True:
            month = (month + timedelta(days=32)).replace(day=1)
            starts_us = day_start_us(month, self.zone)
            if starts_us >= self.before_us:
                return
            yield starts_us


def clock(zone: tzinfo, from_us: int, before_us: int) -> Clock:
    """The zone's offsets between two moments."""
    changes, offsets = [from_us], [_offset_us(zone, from_us)]
    if zone is not UTC:
        at_us = from_us
        while at_us < before_us:
            next_us = min(at_us + US_PER_DAY, before_us)
            offset = _offset_us(zone, next_us)
            if offset != offsets[-1]:
                changes.append(_change(zone, at_us, next_us))
                offsets.append(offset)
            at_us = next_us
    return Clock(zone, from_us, before_us, changes, offsets)


def _change(zone: tzinfo, before_us: int, after_us: int) -> int:
    """The first microsecond of the later one's offset."""
    offset = _offset_us(zone, after_us)
    while after_us - before_us > 1:
        middle_us = (before_us + after_us) // 2
        if _offset_us(zone, middle_us) == offset:
            after_us = middle_us
        else:
            before_us = middle_us
    return after_us


def _offset_us(zone: tzinfo, us: int) -> int:
    offset = (EPOCH + timedelta(microseconds=us)).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // _MICROSECOND
