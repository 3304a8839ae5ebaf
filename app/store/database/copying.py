"""A whole database copied into an empty one, of either kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, Table, func, insert, inspect, select, text, tuple_

from app.store.database.engine import Database, clock_us, is_current, open_database
from app.store.database.migrate import upgrade
from app.store.database.tables import METADATA, audit, processes

ROWS_AT_ONCE = 1_000
COPIED = tuple(table for table in METADATA.sorted_tables if table is not processes)

Told = Callable[[str, int, int], None]
"""Is told after each page: the table, its rows so far, and all of them."""


class CopyRefused(Exception):
    """Nothing was copied, or the copy can't be relied on: the message says which."""


def copy_database(
    source_url: str,
    target_url: str,
    *,
    rows_at_once: int = ROWS_AT_ONCE,
    told: Told = lambda _table, _rows, _all: None,
) -> dict[str, int]:
    """Copy every table; how many rows of each. Open holds are charged when a gateway next starts.

    Raises CopyRefused, DatabaseInUse when a gateway runs on a SQLite file, ValueError for an
    unknown kind of URL, and what SQLAlchemy does.
    """
    return asyncio.run(_copy(source_url, target_url, rows_at_once, told))


async def _copy(source_url: str, target_url: str, rows_at_once: int, told: Told) -> dict[str, int]:
    source, target = open_database(source_url), open_database(target_url)
    try:
        if source.url == target.url:
            raise CopyRefused("the source and the target are the same database")
        source.claim()
        target.claim()
        await _check_source(source)
        await _make_target(target)
        copied = {}
        for table in COPIED:
            copied[str(table.name)] = await _copy_table(source, target, table, rows_at_once, told)
        await target.write(_continue_numbering)
        await _check_source(source)
        if copied != await source.run(_counts):
            raise CopyRefused("the source has changed while it was copied: the copy is not whole")
        return copied
    finally:
        await source.close()
        await target.close()


async def _check_source(source: Database) -> None:
    if not await is_current(source):
        await source.run(_ask_nothing)
        raise CopyRefused("the source has not the tables of this version")
    living = 0 if source.dialect.name == "sqlite" else await source.run(_living_processes)
    if living:
        raise CopyRefused(
            "a gateway runs on the source: stop it first (one that was killed counts as running "
            "until its lease ends)"
        )


async def _make_target(target: Database) -> None:
    """Give an empty database its tables; whatever has any must have this version's, and no rows."""
    names = await target.run(lambda connection: inspect(connection).get_table_names())
    if not names:
        await target.write(upgrade)
    elif not await is_current(target):
        raise CopyRefused(f"the target is not empty: it has a table {min(names)}")
    filled = {name: count for name, count in (await target.run(_counts)).items() if count}
    if filled:
        raise CopyRefused(f"the target is not empty: it has rows in {', '.join(filled)}")


async def _copy_table(
    source: Database, target: Database, table: Table, rows_at_once: int, told: Told
) -> int:
    """In the order of the primary key, a page at a time."""
    key = list(table.primary_key.columns)
    first = select(table).order_by(*key).limit(rows_at_once)
    total = await source.run(partial(_count, table))
    rows = await source.run(partial(_read, first))
    count = 0
    while rows:
        await target.write(partial(_insert, table, rows))
        count += len(rows)
        told(table.name, count, total)
        last = tuple_(*(rows[-1][column.name] for column in key))
        rows = await source.run(partial(_read, first.where(tuple_(*key) > last)))
    return count


def _ask_nothing(connection: Connection) -> None:
    """A database that does not answer says why."""
    connection.execute(select(1))


def _read(statement: Select[Any], connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement).mappings()]


def _insert(table: Table, rows: list[dict[str, Any]], connection: Connection) -> None:
    connection.execute(insert(table), rows)


def _counts(connection: Connection) -> dict[str, int]:
    return {str(table.name): _count(table, connection) for table in COPIED}


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
