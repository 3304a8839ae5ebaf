"""A ledger taken from one kind of database to the other."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.core.errors import APITimeoutError
from app.store.database.copying import CopyRefused, copy_database
from app.store.database.engine import open_database
from app.store.database.sqlite import DatabaseInUse
from tests.store.ledger.till import CENT, Till, close_till, open_till, reservation


async def fill(till: Till) -> str:
    await till.teams.create({"name": "ops", "max_budget_usd": "9.00"})
    key = await till.key(team="ops", max_budget_usd="1.00")
    await asyncio.gather(*(till.call(reservation(key, tags=("a",)), CENT) for _ in range(7)))
    await till.fail(reservation(key), APITimeoutError("silence"))
    await till.hold(reservation(key, request_id="open")).__aenter__()
    return key.id


@pytest.mark.parametrize("to_postgres", [True, False])
async def test_a_copy_holds_the_same_and_goes_on(
    sqlite_url: str, postgres_url: str, *, to_postgres: bool
) -> None:
    source = sqlite_url if to_postgres else postgres_url
    target = postgres_url if to_postgres else f"{sqlite_url}.copy"
    till = await open_till(source)
    key_id = await fill(till)
    with pytest.raises((DatabaseInUse, CopyRefused), match=r"another gateway|a gateway runs"):
        await asyncio.to_thread(copy_database, source, target)
    shown, audited = await till.keys.get(key_id), await till.audit.list()
    await close_till(till)

    told: list[tuple[str, int, int]] = []
    copied = await asyncio.to_thread(
        copy_database, source, target, rows_at_once=3, told=lambda *facts: told.append(facts)
    )
    assert (copied["requests"], copied["keys"], copied["teams"]) == (9, 1, 1)
    assert [facts for facts in told if facts[0] == "requests"] == [
        ("requests", 3, 9),
        ("requests", 6, 9),
        ("requests", 9, 9),
    ]
    with pytest.raises(CopyRefused, match="the target is not empty: it has rows in audit, key"):
        await asyncio.to_thread(copy_database, source, target)

    again = await open_till(target)
    assert (await again.requests.get("open"))["state"] == "orphaned"
    moved = await again.keys.get(key_id)
    assert (moved["spent_usd"], moved["reserved_usd"]) == ("0.09", "0.00")
    assert {n: moved[n] for n in moved if not n.endswith("_usd") and n != "model_spend"} == {
        n: shown[n] for n in shown if not n.endswith("_usd") and n != "model_spend"
    }
    assert (await again.audit.list())["data"] == audited["data"]
    await again.teams.create({"name": "new"})
    assert len((await again.audit.list())["data"]) == len(audited["data"]) + 1
    assert (await again.reports.reconcile())["differences"] == []
    await close_till(again)


async def test_a_target_with_tables_of_something_else_is_left_alone(
    sqlite_url: str, tmp_path: object
) -> None:
    target = f"sqlite:///{tmp_path}/theirs.db"
    database = open_database(target)
    await database.write(lambda connection: connection.execute(text("CREATE TABLE theirs (a)")))
    with pytest.raises(CopyRefused, match="the target is not empty: it has a table theirs"):
        await asyncio.to_thread(copy_database, sqlite_url, target)
    tables = "SELECT name FROM sqlite_master"
    assert await database.run(lambda c: c.execute(text(tables)).scalars().all()) == ["theirs"]
    await database.close()


async def test_a_source_without_the_tables_of_this_version_is_refused(tmp_path: object) -> None:
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("empty", "target")]
    with pytest.raises(CopyRefused, match="the source has not the tables of this version"):
        await asyncio.to_thread(copy_database, *urls)
    with pytest.raises(CopyRefused, match="are the same database"):
        await asyncio.to_thread(copy_database, urls[0], urls[0])
