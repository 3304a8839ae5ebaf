"""Reports that are read while others write: every sum in one is of the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.keys import Key
from app.store.database.engine import open_database
from tests.store.ledger.till import CENT, Till, close_till, open_till, reservation

CALLERS = 8


@asynccontextmanager
async def busy(url: str, processes: int) -> AsyncIterator[tuple[Till, Key]]:
    """Several processes whose callers never pause."""
    tills = [await open_till(url) for _ in range(processes)]
    await tills[0].teams.create({"name": "ops", "max_budget_usd": "1000"})
    key = await tills[0].key(team="ops", max_budget_usd="1000")
    stop = asyncio.Event()

    async def caller(till: Till) -> None:
        while not stop.is_set():
            await till.call(reservation(key, CENT), CENT)

    callers = [asyncio.create_task(caller(tills[n % processes])) for n in range(CALLERS)]
    try:
        yield tills[0], key
    finally:
        stop.set()
        await asyncio.gather(*callers)
        for till in tills:
            await close_till(till)


async def test_sums_agree_while_others_write(url: str) -> None:
    async with busy(url, processes=1 if url.startswith("sqlite") else 2) as (till, key):
        seen: set[int] = set()
        for rounds in range(300):
            if rounds >= 15 and len(seen) > 5:
                break
            report = await till.reports.reconcile()
            assert report["differences"] == []
            seen.add(report["requests"])
            spend = await till.spend(["key", "model"])
            rows = sum(Decimal(row["cost_usd"]) for row in spend["data"])
            assert rows == Decimal(spend["total_cost_usd"])
            shown = await till.keys.get(key.id)
            assert shown["spent_usd"] == shown["lifetime_spent_usd"]
            left = Decimal(shown["spent_usd"]) + Decimal(shown["reserved_usd"])
            assert left + Decimal(shown["remaining_usd"]) == 1_000
        assert len(seen) > 5  # it was not idle


async def test_what_is_read_is_of_one_moment_and_can_not_write(postgres_url: str) -> None:
    database = open_database(postgres_url)
    settings = await database.run(
        lambda c: [
            c.execute(text(f"SHOW {name}")).scalar()
            for name in ("transaction_isolation", "transaction_read_only")
        ]
    )
    assert settings == ["repeatable read", "on"]
    with pytest.raises(DBAPIError, match="read-only transaction"):
        await database.run(lambda c: c.execute(text("DELETE FROM keys")))
    show = text("SHOW transaction_isolation")
    written = await database.write(lambda c: c.execute(show).scalar())
    await database.close()
    assert written == "read committed"
