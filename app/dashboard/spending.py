"""What the pages ask of the spend reports, in one place: amounts in nano-USD."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from app.dashboard.figures import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.store.store import Store


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one model or one key: how many calls, and what they cost together."""

    id: str
    name: str
    calls: int
    nano_usd: int


async def by_model(store: Store, key_id: str) -> Sequence[Spent]:
    """Of a key's whole life, dearest model first."""
    report = await store.reports.spend(["model"], filters={"key_id": key_id})
    return _ranked([_spent(row, row["model"], row["model"]) for row in report["data"]])


async def by_key(store: Store, model: str, since: date) -> Sequence[Spent]:
    """Who called a model since a day, UTC; greatest spend first."""
    report = await store.reports.spend(["key"], since.isoformat(), None, {"model": model})
    return _ranked(
        [_spent(row, row["key"], row["key_name"] or row["key"]) for row in report["data"]]
    )


async def by_day_and_model(
    store: Store, key_id: str, since: date
) -> Mapping[tuple[date, str], int]:
    """What a key spent on each day, UTC, on each model."""
    report = await store.reports.spend(
        ["day", "model"], since.isoformat(), None, {"key_id": key_id}
    )
    return {
        (date.fromisoformat(row["day"]), row["model"]): formats.nano(row["cost_usd"])
        for row in report["data"]
    }


def _spent(row: Mapping[str, object], found_id: object, name: object) -> Spent:
    calls, cost = row["requests"], row["cost_usd"]
    return Spent(str(found_id), str(name), int(str(calls)), formats.nano(str(cost)))


def _ranked(found: list[Spent]) -> Sequence[Spent]:
    return sorted(found, key=lambda spent: (-spent.nano_usd, spent.name))
