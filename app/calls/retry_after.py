"""How long an upstream asks to wait.  Pure: headers and the time -> seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_S = 10.0 * 365 * 24 * 3600  # whoever asks for more asks for this
LONGEST_TEXT = 10_000
UNREADABLE_DATE = (ValueError, OverflowError, TypeError, IndexError)

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?")


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """What is asked for, from milliseconds, seconds or an HTTP date; at most ten years.

    None where nothing is, or nothing that makes sense: no number and no date, less than
    nothing, none at all or a moment that has passed.  Then the wait is ours to choose.
    """
    asked_ms = _number(headers.get("retry-after-ms", ""))
    if asked_ms:
        return min(asked_ms / 1000, LONGEST_S)
    text = headers.get("retry-after", "")
    asked_s = _number(text)
    if asked_s is None:
        asked_s = _seconds_until(text, now)
    return min(asked_s, LONGEST_S) if asked_s > 0 else None


def _number(text: str) -> float | None:
    text = text.strip()
    if len(text) > LONGEST_TEXT or not _NUMBER.fullmatch(text):
        return None
    return float(text)


def _seconds_until(text: str, now: datetime) -> float:
    try:
        when = parsedate_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return (when - now).total_seconds()
    except UNREADABLE_DATE:
        return 0.0
