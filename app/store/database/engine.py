"""One database, SQLite or PostgreSQL, behind the same synchronous SQLAlchemy Core code."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import LedgerUnavailable
from app.store.database.postgres import PostgresDatabase
from app.store.database.sqlite import SqliteDatabase
from app.store.database.tables import REVISION
from app.store.database.url import parsed, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL, Dialect

T = TypeVar("T")

MOST_REPORT_S = 300.0  # the check of a whole ledger takes minutes

_PG_CLOCK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)")


class Database(Protocol):
    """Runs functions of a connection, each in its own transaction.  Raises what SQLAlchemy does."""

    url: URL
    dialect: Dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Run a function that reads: all that it reads is of one moment."""

    async def report(self, fn: Callable[[Connection], T]) -> T:
        """Run a function that may read for long: on connections that no call needs.

        It is stopped in the database too once nobody waits for it.
        """

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run a function that may write; committed when this returns."""

    async def outcome(
        self, fn: Callable[[Connection], T]
    ) -> tuple[T, None] | tuple[None, BaseException]:
        """What `write` returns or raises, whatever it is: for who must leave nobody waiting."""

    def claim(self) -> None:
        """Be the file's one gateway process.  Raises DatabaseInUse (SQLite alone)."""

    async def close(self) -> None:
        """Close every connection and give the claim back."""


def open_database(url: str, *, patient: bool = False) -> Database:
    """`sqlite:///…` (its folders are made, the file is for its owner alone) or `postgresql://…`.

    A `patient` one may write for hours: what changes a whole ledger is not to be given up.
    Raises ValueError for any other URL or parameter, without its secrets; connects when first used.
    """
    try:
        wanted = parsed(url)
    except ValueError as error:
        raise ValueError(f"the database's URL {error}") from None
    backend = wanted.get_backend_name()
    if backend == "sqlite" and wanted.database not in (None, "", ":memory:"):
        return SqliteDatabase(wanted.set(drivername="sqlite"))
    if backend in ("postgresql", "postgres"):
        return PostgresDatabase(wanted, patient=patient)
    raise ValueError(f"the database must be sqlite:///… or postgresql://…, not {shown(url)}")


class FailClosed:
    """A database whose outages are LedgerUnavailable, for whoever answers callers."""

    def __init__(self, database: Database, most_report_s: float = MOST_REPORT_S) -> None:
        self._database = database
        self._most_report_s = most_report_s
        self.dialect = database.dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        return await _available(self._database.run(fn))

    async def report(self, fn: Callable[[Connection], T]) -> T:
        try:
            async with asyncio.timeout(self._most_report_s):
                return await _available(self._database.report(fn))
        except TimeoutError as error:
            raise LedgerUnavailable(
                f"this took longer than {self._most_report_s:g} s and was stopped: ask for less"
            ) from error

    async def write(self, fn: Callable[[Connection], T]) -> T:
        return await _available(self._database.write(fn))


async def _available(work: Awaitable[T]) -> T:
    try:
        return await work
    except (SQLAlchemyError, OSError) as error:
        raise LedgerUnavailable("the database does not answer") from error


def clock_us(connection: Connection) -> int:
    """Now by the database's clock; SQLite has this machine's."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1_000
    return int(connection.execute(_PG_CLOCK).scalar_one())


async def is_current(database: Database) -> bool:
    """Whether the schema is the one that this version works with."""

    def revision(connection: Connection) -> str | None:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)

    try:
        return await database.run(revision) == REVISION
    except SQLAlchemyError:
        return False
