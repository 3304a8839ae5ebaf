"""A report as the admin API's JSON object and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from app.core.csv_text import csv_text
from app.core.money import usd_text
from app.store.database.tables import TOKEN_COLUMNS
from app.store.reports.query import SpendReport, SpendRow, Sums

NAMED: Final = ("key", "team")
ROWS_AT_ONCE: Final = 500
QUANTILES: Final = {"p50": 0.5, "p95": 0.95}


def sums_json(sums: Sums) -> dict[str, Any]:
    """Amounts in USD as exact texts; quantiles are null where nothing was measured."""
    return {
        "requests": sums.requests,
        "errors": sums.errors,
        "cost_usd": usd_text(sums.cost_nano_usd),
        "estimated_usd": usd_text(sums.unsure_nano_usd),
        "cache_savings_usd": usd_text(sums.cache_savings_nano_usd),
        "routing_savings_usd": usd_text(sums.routing_savings_nano_usd),
        **{name: getattr(sums, name) for name in TOKEN_COLUMNS},
        **{f"latency_ms_{name}": sums.latency_ms(share) for name, share in QUANTILES.items()},
        **{f"ttft_ms_{name}": sums.ttft_ms(share) for name, share in QUANTILES.items()},
    }


def row_json(row: SpendRow) -> dict[str, Any]:
    """A row with its groups first, and the names of keys and teams beside their ids."""
    names = {f"{group}_name": name for group, name in row.names.items()}
    return {**row.group, **names, **sums_json(row.sums)}


def spend_json(report: SpendReport) -> dict[str, Any]:
    """The whole answer."""
    return {
        "data": [row_json(row) for row in report.rows],
        "next_cursor": report.next_cursor,
        "total_cost_usd": usd_text(report.totals.cost_nano_usd),
        "totals": sums_json(report.totals),
    }


def spend_csv(report: SpendReport) -> Iterator[str]:
    """The rows piece by piece, with their head first."""
    names = [f"{group}_name" for group in report.groups if group in NAMED]
    columns = [*report.groups, *names, *sums_json(Sums())]
    yield csv_text([columns])
    for first in range(0, len(report.rows), ROWS_AT_ONCE):
        yield csv_text(_cells(report.rows[first : first + ROWS_AT_ONCE], columns))


def _cells(rows: Sequence[SpendRow], columns: Sequence[str]) -> Iterator[list[Any]]:
    for row in rows:
        shown = row_json(row)
        yield [shown[name] for name in columns]
