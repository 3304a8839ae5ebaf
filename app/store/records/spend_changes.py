"""What each model's calls came to in a range: whole hours from their sums, the rest from rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select

from app.core.spend_change import OUTPUT, PROMPT, Spent
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import US_PER_HOUR
from app.store.database.rollup_tables import HOUR, MODEL, label_rollups
from app.store.database.tables import requests
from app.store.records.ranges import Range

CATEGORIES: Final = (*PROMPT, OUTPUT)
SUMS: Final = (
    "cost_nano_usd",
    *(f"{name}_tokens" for name in CATEGORIES),
    *(f"{name}_nano_usd" for name in CATEGORIES),
)


class SpendChanges:
    """The sums of two ranges, both of one moment."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def both(self, before: Range, after: Range) -> tuple[dict[str, Spent], dict[str, Spent]]:
        """Finished calls by model; a range has both of its ends."""
        return await self._database.report(lambda c: (_spent(c, before), _spent(c, after)))


def _spent(connection: Connection, within: Range) -> dict[str, Spent]:
    if within.from_us is None or within.before_us is None:
        raise ValueError("a range to compare has both of its ends")
    since, until = within.from_us, within.before_us
    first = -(-since // US_PER_HOUR) * US_PER_HOUR
    last = until // US_PER_HOUR * US_PER_HOUR
    if first > last:  # within one hour
        first = last = until
    found: dict[str, dict[str, int]] = {}
    _add(found, _rolled_up(connection, first, last))
    _add(found, _of_rows(connection, since, first))
    _add(found, _of_rows(connection, last, until))
    return {model: _as_spent(sums) for model, sums in found.items() if sums["requests"]}


def _rolled_up(connection: Connection, since: int, until: int) -> list[Mapping[str, Any]]:
    if since == until:
        return []
    table = label_rollups
    within = (table.c.from_us >= since, table.c.from_us < until)
    wanted = (
        select(table.c.label, func.sum(table.c.requests).label("requests"), *_sums(table))
        .where(table.c.kind == MODEL, table.c.grain == HOUR, *within)
        .group_by(table.c.label)
    )
    return [{**row, "model": row["label"]} for row in connection.execute(wanted).mappings()]


def _of_rows(connection: Connection, since: int, until: int) -> list[Mapping[str, Any]]:
    if since == until:
        return []
    within = (requests.c.created_us >= since, requests.c.created_us < until)
    wanted = (
        select(requests.c.model, func.count().label("requests"), *_sums(requests))
        .where(requests.c.state != "reserved", *within)
        .group_by(requests.c.model)
    )
    return [dict(row) for row in connection.execute(wanted).mappings()]


def _sums(table: Table) -> list[Any]:
    return [func.sum(table.c[name]).label(name) for name in SUMS]


def _add(found: dict[str, dict[str, int]], rows: list[Mapping[str, Any]]) -> None:
    names = ("requests", *SUMS)
    for row in rows:
        sums = found.setdefault(row["model"], dict.fromkeys(names, 0))
        for name in names:
            sums[name] += int(row[name])


def _as_spent(sums: Mapping[str, int]) -> Spent:
    nano = {name: sums[f"{name}_nano_usd"] for name in CATEGORIES}
    return Spent(
        calls=sums["requests"],
        tokens={name: sums[f"{name}_tokens"] for name in CATEGORIES},
        nano_usd=nano,
        other_nano_usd=sums["cost_nano_usd"] - sum(nano.values()),
    )
