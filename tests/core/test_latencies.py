"""Latencies in buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.latencies import BUCKETS, bucket, quantile_ms


@pytest.mark.parametrize(
    ("ms", "place"), [(0, 0), (11, 0), (12, 1), (99, 4), (100, 5), (599_999, 24), (600_000, 25)]
)
def test_a_bucket_begins_with_its_lower_bound(ms: int, place: int) -> None:
    assert bucket(ms) == place


def counted(*times_ms: int) -> list[int]:
    counts = [0] * BUCKETS
    for ms in times_ms:
        counts[bucket(ms)] += 1
    return counts


@pytest.mark.parametrize(
    ("times_ms", "p50", "p95"),
    [
        ((), None, None),
        ((5,), 6, 6),
        ((110,), 122, 122),  # the root of 100 x 150
        ((900, 900, 900, 30_000), 930, 35_754),  # of 759 x 1,139 and of 29,193 x 43,789
        ((700_000,), 600_000, 600_000),
    ],
)
def test_quantiles_are_the_middles_of_their_buckets(
    times_ms: tuple[int, ...], p50: int | None, p95: int | None
) -> None:
    counts = counted(*times_ms)
    assert (quantile_ms(counts, 0.5), quantile_ms(counts, 0.95)) == (p50, p95)


@given(st.integers(50, 147_788))
def test_a_time_is_told_within_23_percent(ms: int) -> None:
    told = quantile_ms(counted(ms), 0.5)
    assert told is not None
    assert ms / 1.23 <= told <= ms * 1.23
