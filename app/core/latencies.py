"""How long calls took, counted in buckets that add up exactly, and what can be told from them.

Most bounds are half as much again as the one before, so a quantile is told within 23 % between
0.05 and 150 s, and within 42 % outside, as far as the bounds go.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import sqrt
from typing import Final

BOUNDS_MS: Final = (
    *(12, 25, 50, 75, 100, 150, 225, 338, 506, 759, 1_139, 1_709, 2_563, 3_844, 5_767, 8_650),
    *(12_975, 19_462, 29_193, 43_789, 65_684, 98_526, 147_789, 300_000, 600_000),
)
"""A bucket ends before its bound; the last one has none."""

BUCKETS: Final = len(BOUNDS_MS) + 1


def bucket(ms: int) -> int:
    """The bucket that `ms` is counted in."""
    return bisect_right(BOUNDS_MS, ms)


def quantile_ms(counts: Sequence[int], share: float) -> int | None:
    """The time that a `share` of the calls stayed within; None without any call.

    It is the geometric middle of the bucket where that call is.
    """
    total = sum(counts)
    if total <= 0:
        return None
    rank, passed = max(share * total, 1), 0
    for place, count in enumerate(counts):
        passed += count
        if passed >= rank:
            return _middle_ms(place)
    return _middle_ms(len(counts) - 1)


def _middle_ms(place: int) -> int:
    if place == 0:
        return BOUNDS_MS[0] // 2
    if place == len(BOUNDS_MS):
        return BOUNDS_MS[-1]
    return round(sqrt(BOUNDS_MS[place - 1] * BOUNDS_MS[place]))
