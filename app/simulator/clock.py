"""A clock that can be put forward, so that five minutes need not pass in a test."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Runs like the real one, at a settable distance from it."""

    def __init__(self) -> None:
        self._offset_s = 0.0

    def now_s(self) -> float:
        return time.time() + self._offset_s

    def now_iso(self) -> str:
        return datetime.fromtimestamp(self.now_s(), UTC).isoformat().replace("+00:00", "Z")

    def advance(self, seconds: float) -> None:
        self._offset_s += seconds

    def set(self, moment: datetime) -> None:
        """A moment without a zone is UTC."""
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        self._offset_s = aware.timestamp() - time.time()

    def reset(self) -> None:
        self._offset_s = 0.0
