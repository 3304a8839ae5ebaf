"""A whole database copied into an empty one, of either kind."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, Table, func, insert, select, text, tuple_

from app.core.errors import BadRequest
from app.store.database import Database, clock_us, open_database
from app.store.migrate import upgrade
from app.store.tables import METADATA, audit, processes

ROWS_AT_ONCE = 1_000


def copy_database(
    source_url: str, target_url: str, *, rows_at_once: int = ROWS_AT_ONCE
) -> dict[str, int]:
    """Copy every table; how many rows of each. Open holds are charged when a gateway next starts.

    Raises BadRequest when a gateway runs on the source or the target is not empty, DatabaseInUse
    when it is SQLite's, ValueError for an unknown kind of URL, and what SQLAlchemy does.
    """
    return asyncio.run(_copy(source_url, target_url, rows_at_once))


async def _copy(source_url: str, target_url: str, rows_at_once: int) -> dict[str, int]:
    source, target = open_database(source_url), open_database(target_url)
    try:
        source.claim()
        target.claim()
        living = 0 if source.dialect.name == "sqlite" else await source.run(_living_processes)
        if living:
            raise BadRequest("a gateway runs on the source: stop it first")
        await target.write(upgrade)
        tables = [table for table in METADATA.sorted_tables if table is not processes]
        for table in tables:
            if await target.run(partial(_count, table)):
                raise BadRequest(f"the target is not empty: it has rows in {table.name}")
        copied = {}
        for table in tables:
            copied[table.name] = await _copy_table(source, target, table, rows_at_once)
        await target.write(_continue_numbering)
        return copied
    finally:
        await source.close()
        await target.close()


async def _copy_table(source: Database, target: Database, table: Table, rows_at_once: int) -> int:
    """In the order of the primary key, a page at a time."""
    key = list(table.primary_key.columns)
    first = select(table).order_by(*key).limit(rows_at_once)
    rows = await source.run(partial(_read, first))
    count = 0
    while rows:
        await target.write(partial(_insert, table, rows))
        count += len(rows)
        last = tuple_(*(rows[-1][column.name] for column in key))
        rows = await source.run(partial(_read, first.where(tuple_(*key) > last)))
    return count


def _read(statement: Select[Any], connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement).mappings()]


def _insert(table: Table, rows: list[dict[str, Any]], connection: Connection) -> None:
    connection.execute(insert(table), rows)


def _count(table: Table, connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _living_processes(connection: Connection) -> int:
    alive = processes.c.expires_us > clock_us(connection)
    return connection.execute(select(func.count()).where(alive)).scalar_one()


def _continue_numbering(connection: Connection) -> None:
    """PostgreSQL numbers the audit log by a sequence, which explicit ids do not move."""
    if connection.dialect.name == "postgresql":
        last = select(func.coalesce(func.max(audit.c.id), 0) + 1).scalar_subquery()
        sequence = func.pg_get_serial_sequence("audit", "id")
        connection.execute(select(func.setval(sequence, last, text("false"))))
