"""What the pages ask of the spend reports, in one place: amounts in nano-USD."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from app.store.reports.query import SpendQuery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.store.reports.query import SpendRow, Sums
    from app.store.store import Store

COST_ALONE: Final[Mapping[str, Any]] = {
    "latencies": False,
    "totals": False,
    "sums": ("cost_nano_usd",),
}
"""What to leave out of a report where nothing but calls and their cost is shown."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one model or one key: how many calls, and what they cost together."""

    id: str
    name: str
    calls: int
    nano_usd: int


async def by_model(store: Store, key_id: str) -> Sequence[Spent]:
    """Of a key's whole life, dearest model first."""
    query = SpendQuery(("model",), filters={"key_id": key_id}, **COST_ALONE)
    rows = (await store.reports.spend(query)).rows
    return _ranked([_spent(row, "model") for row in rows])


async def by_key(store: Store, model: str, since: date) -> Sequence[Spent]:
    """Who called a model since a day, UTC; greatest spend first."""
    query = SpendQuery(("key",), from_=since.isoformat(), filters={"model": model}, **COST_ALONE)
    return _ranked([_spent(row, "key") for row in (await store.reports.spend(query)).rows])


async def since(store: Store, day: date, **filters: str) -> Sums:
    """All of it since a day, UTC."""
    query = SpendQuery((), from_=day.isoformat(), filters=filters, latencies=False)
    return (await store.reports.spend(query)).totals


async def by_day_and_model(
    store: Store, key_id: str, since: date
) -> Mapping[tuple[date, str], int]:
    """What a key spent on each day, UTC, on each model."""
    query = SpendQuery(
        ("day", "model"), from_=since.isoformat(), filters={"key_id": key_id}, **COST_ALONE
    )
    return {
        (date.fromisoformat(row.group["day"] or ""), row.group["model"] or ""): (
            row.sums.cost_nano_usd
        )
        for row in (await store.reports.spend(query)).rows
    }


def _spent(row: SpendRow, group: str) -> Spent:
    found = row.group[group] or ""
    return Spent(found, row.names.get(group) or found, row.sums.requests, row.sums.cost_nano_usd)


def _ranked(found: list[Spent]) -> Sequence[Spent]:
    return sorted(found, key=lambda spent: (-spent.nano_usd, spent.name))
