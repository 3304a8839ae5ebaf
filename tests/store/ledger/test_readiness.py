"""Ready is what can be written: locked, read-only, full and lost databases are not."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.errors import LedgerUnavailable
from app.store.database.engine import open_database
from tests.store.ledger.till import Till, close_till, open_till, reservation


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    """What a full disk does to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_ledger_that_can_be_written_is_ready(till: Till) -> None:
    for _ in range(3):
        await till.ledger.check()


async def test_a_locked_file_is_not_ready_and_says_so_soon(sqlite_url: str) -> None:
    till = await open_till(sqlite_url)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        for _ in range(2):  # whoever asks meanwhile waits for the same try
            with pytest.raises(LedgerUnavailable, match="is locked"):
                await till.ledger.check()
        assert time.monotonic() - started < 9
        other.rollback()
    await asyncio.sleep(0.5)
    await till.ledger.check()
    await close_till(till)


async def test_a_full_disk_is_not_ready(sqlite_url: str) -> None:
    till = await open_till(sqlite_url)
    with no_file_may_grow(), pytest.raises(LedgerUnavailable, match="can't be written"):
        await till.ledger.check()
    await till.ledger.check()
    await till.call(reservation(await till.key()), 0)
    await close_till(till)


async def test_a_database_that_takes_no_writes_is_not_ready(postgres_url: str) -> None:
    till = await open_till(postgres_url)
    await till.ledger.check()
    other = open_database(postgres_url)
    name = other.url.database
    read_only = text(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.write(lambda c: c.execute(read_only))
    await other.write(lambda c: c.execute(end))
    await other.close()
    await asyncio.sleep(1.1)  # what was known is old
    with pytest.raises(LedgerUnavailable, match="can't be written"):
        await till.ledger.check()
    await till.ledger.close()
    await till.database.close()


async def test_asking_often_writes_once_a_second(sqlite_url: str, tmp_path: Path) -> None:
    till = await open_till(sqlite_url)
    log = tmp_path / "ledger.db-wal"
    await till.ledger.check()
    size = log.stat().st_size
    started = time.monotonic()
    for _ in range(200):
        await till.ledger.check()
    if time.monotonic() - started < 1:
        assert log.stat().st_size == size
    await asyncio.sleep(1.1)
    await till.ledger.check()
    assert log.stat().st_size > size
    await close_till(till)
