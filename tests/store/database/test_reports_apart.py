"""Reads that take long: they keep nobody else waiting, and end when nobody waits for them."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, text

from app.core.errors import LedgerUnavailable
from app.store.database.engine import FailClosed, open_database

LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    " WHERE i < 4000000000) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}
MORE_THAN_THERE_ARE = 6


async def test_reports_that_are_given_up_end_and_others_read_meanwhile(url: str) -> None:
    database = open_database(url)
    long = LONG[database.dialect.name]

    def read_long(connection: Connection) -> object:
        return connection.execute(text(long)).scalar()

    def read_one(connection: Connection) -> object:
        return connection.execute(text("SELECT 1")).scalar()

    waiting = [asyncio.create_task(database.report(read_long)) for _ in range(MORE_THAN_THERE_ARE)]
    await asyncio.sleep(0.3)
    assert await asyncio.wait_for(database.run(read_one), 5) == 1
    for task in waiting:
        task.cancel()
    for task in waiting:
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await asyncio.wait_for(database.report(read_one), 10) == 1
    await asyncio.wait_for(database.close(), 10)


async def test_a_report_that_takes_too_long_is_stopped_and_says_so(url: str) -> None:
    database = open_database(url)
    long = LONG[database.dialect.name]
    patience = FailClosed(database, most_report_s=0.2)
    with pytest.raises(LedgerUnavailable, match=r"longer than 0\.2 s and was stopped"):
        await patience.report(lambda c: c.execute(text(long)).scalar())
    one = await FailClosed(database).report(lambda c: c.execute(text("SELECT 1")).scalar())
    assert one == 1
    await asyncio.wait_for(database.close(), 10)
