"""Moments as whole microseconds UTC, and their ISO 8601 text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from app.core.budgets import EPOCH, Window, window_start
from app.core.errors import BadRequest

US_PER_S = 1_000_000
US_PER_HOUR = 3_600 * US_PER_S
US_PER_DAY = 24 * US_PER_HOUR
_MICROSECOND = timedelta(microseconds=1)


def moment(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def microseconds(when: datetime) -> int:
    return (when - EPOCH) // _MICROSECOND


def iso(us: int | None) -> str | None:
    """'2026-11-21T19:00:00.000000Z'; None stays None."""
    return None if us is None else iso_text(moment(us))


def iso_text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_day(text: str) -> bool:
    """Whether the text is a date without a time, in any of ISO 8601's ways."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_us(text: str, *, param: str, zone: tzinfo = UTC) -> int:
    """A date (its first instant) or an ISO 8601 moment; without an offset it is in `zone`.

    Raises BadRequest naming `param`.
    """
    try:
        when = datetime.fromisoformat(text)
        return microseconds(when.replace(tzinfo=when.tzinfo or zone).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{param} is not a date or an ISO 8601 time: {text!r}", param=param) from (
            error
        )


def last_us(text: str, *, param: str) -> int:
    """The last instant of a date, or the moment itself.  Raises BadRequest naming `param`."""
    us = parse_us(text, param=param)
    return us + US_PER_DAY - 1 if is_day(text) else us


def day_text(us: int) -> str:
    return _day_text(us // US_PER_DAY)


@lru_cache(maxsize=64)
def _day_text(days: int) -> str:
    return moment(days * US_PER_DAY).date().isoformat()


def period(window: Window, now: datetime) -> str:
    """The window that `now` falls in, by kind and first day: 'month:2026-11-01', or 'none'."""
    if window == "none":
        return "none"
    return f"{window}:{window_start(window, now).date().isoformat()}"
