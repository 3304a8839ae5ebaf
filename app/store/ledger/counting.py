"""What one finished call adds to its roll-ups, as ROLLUP_SUMS."""

from __future__ import annotations

from typing import Any

import orjson

from app.core.latencies import BUCKETS, bucket
from app.store.database.prepared import Values
from app.store.database.rollup_tables import ROLLUP_SUMS
from app.store.database.tables import SUM_COLUMNS
from app.store.ledger.writes import CLOSED_COLUMNS

_STATE = CLOSED_COLUMNS.index("state")
_COST_SOURCE = CLOSED_COLUMNS.index("cost_source")
_ERROR_CODE = CLOSED_COLUMNS.index("error_code")
_ATTEMPTS = CLOSED_COLUMNS.index("attempts")
_LATENCY_MS = CLOSED_COLUMNS.index("latency_ms")
_TTFT_MS = CLOSED_COLUMNS.index("ttft_ms")
_SUMS = CLOSED_COLUMNS.index(SUM_COLUMNS[0])  # from there on to the end, those by category too
_NO_TIMES = (0,) * (2 * BUCKETS)
_FIRST_LATENCY = len(ROLLUP_SUMS) - len(_NO_TIMES)
_FIRST_TTFT = _FIRST_LATENCY + BUCKETS

Labels = tuple[str | None, tuple[str, ...]]
"""The end user and the tags of a call, each tag once."""


def counts(closed: Values) -> list[int]:
    """`closed` as CLOSED_COLUMNS."""
    cost, source = closed[_SUMS], closed[_COST_SOURCE]
    is_orphaned = closed[_STATE] == "orphaned"
    found = [
        1,
        int(closed[_ERROR_CODE] is not None),
        int(closed[_ATTEMPTS] > 1),
        cost if source == "estimated" and not is_orphaned else 0,
        cost if is_orphaned else 0,
        cost if source == "billed" and not is_orphaned else 0,
        *closed[_SUMS:],
        *_NO_TIMES,
    ]
    latency_ms, ttft_ms = closed[_LATENCY_MS], closed[_TTFT_MS]
    if latency_ms is not None:
        found[_FIRST_LATENCY + bucket(latency_ms)] = 1
    if ttft_ms is not None:
        found[_FIRST_TTFT + bucket(ttft_ms)] = 1
    return found


def counts_of(row: Any) -> list[int]:  # noqa: ANN401  # a row of `requests`
    """What a finished row has added."""
    return counts([getattr(row, name) for name in CLOSED_COLUMNS])


def labels_of(row: Any) -> Labels:  # noqa: ANN401  # a row of `requests`
    """The labels that a row was stored with."""
    tags = () if row.tags is None else tuple(dict.fromkeys(orjson.loads(row.tags)))
    return row.end_user, tags
