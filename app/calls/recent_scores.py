"""The threshold that sends a given share of calls to the strongest tier: it follows the calls."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING

from app.core.scoring import DIGITS

if TYPE_CHECKING:
    from app.core.routing import Route, Rules

WINDOW = 1_000  # calls
FEWEST = 50  # what fewer calls say of those to come is chance
STEP = 10**-DIGITS


class RecentScores:
    """The scores of the last calls that `auto` decided in this process, oldest first."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._calls: deque[tuple[float, bool]] = deque()
        self._sorted: list[float] | None = None  # from when on a threshold has followed them
        self._strong = 0

    def threshold(self, rules: Rules) -> float | None:
        """What a score is held against; None: the fixed threshold of the rules.

        Of calls with the same score as many pass as the share asks for. It is never above 1, so
        that hard rules stand.
        """
        share, calls = rules.strong_share, len(self._calls)
        if share is None or calls < FEWEST:
            return None
        if self._sorted is None:
            self._sorted = sorted(score for score, _ in self._calls)
        strong = round(share * calls)
        if strong == 0:
            return 1.0
        limit = self._sorted[-strong]
        enough = self._strong > share * calls
        return min(limit + STEP, 1.0) if enough else limit

    def add(self, route: Route) -> None:
        """Take account of a decision; one that the caller took says nothing."""
        if route.threshold is None:
            return
        if len(self._calls) == self._window:
            old, was_strong = self._calls.popleft()
            self._strong -= was_strong
            if self._sorted is not None:
                del self._sorted[bisect_left(self._sorted, old)]
        is_strong = route.score >= route.threshold
        self._calls.append((route.score, is_strong))
        self._strong += is_strong
        if self._sorted is not None:
            insort(self._sorted, route.score)
