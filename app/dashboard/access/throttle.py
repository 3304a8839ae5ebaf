"""How often a login may fail: per address, and over all addresses together, in each process."""

from __future__ import annotations

import time
from collections import deque
from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN_S: Final = 60.0
MOST_PER_ADDRESS: Final = 5
MOST_OVER_ALL: Final = 60
MOST_ADDRESSES: Final = 10_000


class Throttle:
    """Counts tries as they begin, so that many at once don't slip through; success is forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()

    def wait_s(self, address: str) -> int:
        """Seconds until this address may try again; 0 where it may now, and then it is counted."""
        now = self._clock()
        own = self._tries.setdefault(address, deque())
        while len(self._tries) > MOST_ADDRESSES:
            del self._tries[next(iter(self._tries))]
        for tries in (own, self._all):
            while tries and tries[0] <= now - WITHIN_S:
                tries.popleft()
        for tries, most in ((own, MOST_PER_ADDRESS), (self._all, MOST_OVER_ALL)):
            if len(tries) >= most:
                return max(1, ceil(tries[0] + WITHIN_S - now))
        own.append(now)
        self._all.append(now)
        return 0

    def succeeded(self, address: str) -> None:
        """Forget the try that was counted last."""
        for tries in (self._tries.get(address), self._all):
            if tries:
                tries.pop()
