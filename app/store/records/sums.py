"""What a row of the ledger adds to each sum of a roll-up, in SQL: as `counting` does in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, case, literal_column

from app.core.latencies import BOUNDS_MS
from app.store.database.rollup_tables import LATENCY_COLUMNS, TTFT_COLUMNS
from app.store.database.tables import COST_COLUMNS, SUM_COLUMNS, requests

# Literals, without parameters: PostgreSQL must see that what is selected is grouped by.
_ONE: Final[ColumnElement[Any]] = literal_column("1")
_NOTHING: Final[ColumnElement[Any]] = literal_column("0")


def _if(condition: str, then: ColumnElement[Any] = _ONE) -> ColumnElement[Any]:
    return case((literal_column(condition), then), else_=_NOTHING)


def _buckets(column: str, names: tuple[str, ...]) -> Iterator[tuple[str, ColumnElement[Any]]]:
    edges = zip((None, *BOUNDS_MS), (*BOUNDS_MS, None), strict=True)
    for name, (least, before) in zip(names, edges, strict=True):
        rules = [] if least is None else [f"requests.{column} >= {least}"]
        rules += [] if before is None else [f"requests.{column} < {before}"]
        yield name, _if(" AND ".join(rules))


_COST: Final = requests.c.cost_nano_usd
COUNTED: Final[Mapping[str, ColumnElement[Any]]] = {
    "requests": _ONE,
    "errors": _if("requests.error_code IS NOT NULL"),
    "retried": _if("requests.attempts > 1"),
    "estimated_nano_usd": _if(
        "requests.cost_source = 'estimated' AND requests.state <> 'orphaned'", _COST
    ),
    "orphaned_nano_usd": _if("requests.state = 'orphaned'", _COST),
    "billed_nano_usd": _if(
        "requests.cost_source = 'billed' AND requests.state <> 'orphaned'", _COST
    ),
    **{name: requests.c[name] for name in (*SUM_COLUMNS, *COST_COLUMNS)},
    **dict(_buckets("latency_ms", LATENCY_COLUMNS)),
    **dict(_buckets("ttft_ms", TTFT_COLUMNS)),
}
"""By ROLLUP_SUMS."""
