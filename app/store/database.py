"""One database, SQLite or PostgreSQL, behind the same synchronous SQLAlchemy Core code."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import create_engine, event, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import LedgerUnavailable
from app.store.tables import REVISION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

READERS = 4
BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
COMMAND_TIMEOUT_S = 15
# Everything written is found by its id. A plan that was cached while a table was small must not
# go on scanning it when it has grown.
BY_INDEX = dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_seqscan"), "off")
_PG_CLOCK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)")


class DatabaseInUse(Exception):
    """Another gateway process writes to this SQLite file."""


class Database(Protocol):
    """Runs functions of a connection, each in its own transaction.  Raises what SQLAlchemy does."""

    url: URL
    dialect: Dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        """Run a function that reads: all that it reads is of one moment."""

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run a function that may write; committed when this returns."""

    def claim(self) -> None:
        """Be the file's one gateway process.  Raises DatabaseInUse (SQLite alone)."""

    async def close(self) -> None:
        """Close every connection and give the claim back."""


def open_database(url: str) -> Database:
    """`sqlite:///…` (its folders are made, the file is for its owner alone) or `postgresql://…`.

    Raises ValueError for any other URL; connects when first used.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return SqliteDatabase(parsed.set(drivername="sqlite"))
    if backend in ("postgresql", "postgres"):
        return PostgresDatabase(parsed)
    raise ValueError(f"the database must be sqlite:///… or postgresql://…, not {parsed!r}")


class FailClosed:
    """A database whose outages are LedgerUnavailable, for whoever answers callers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        return await _available(self._database.run(fn))

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


async def is_reachable(database: Database) -> bool:
    """Whether a trivial query is answered."""
    try:
        await database.run(lambda connection: connection.execute(select(1)).scalar())
    except (SQLAlchemyError, OSError, TimeoutError):
        return False
    return True


class SqliteDatabase:
    """Readers in a few threads, every write in one thread of its own."""

    def __init__(self, url: URL) -> None:
        self.url = url
        path = Path(str(url.database))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path = path
        self._lock: int | None = None
        self._reading = _sqlite_engine(url, "BEGIN")
        self._writing = _sqlite_engine(url, "BEGIN IMMEDIATE")
        self._readers = ThreadPoolExecutor(READERS, "sqlite-reader")
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self.dialect = self._writing.dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _in_transaction, self._reading, fn)

    async def write(self, fn: Callable[[Connection], T]) -> T:
        finished = await _finished(self._writer.submit(_in_transaction, self._writing, fn))
        return finished.result()

    def claim(self) -> None:
        if self._lock is not None:
            return
        lock = os.open(f"{self._path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise DatabaseInUse(
                f"another gateway process is using {self._path}; "
                "several processes need PostgreSQL (TOLLKEEPER_DATABASE_URL=postgresql://…)"
            ) from error
        self._lock = lock

    async def close(self) -> None:
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._reading.dispose()
        self._writing.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class PostgresDatabase:
    """asyncpg; any number of processes, the database is the arbiter."""

    def __init__(self, url: URL) -> None:
        query = {name: value for name, value in url.query.items() if name != "sslmode"}
        if "sslmode" in url.query:
            query["ssl"] = url.query["sslmode"]
        self.url = url.set(drivername="postgresql+asyncpg", query=query)
        self._reading = _postgres_engine(self.url, {}).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._writing = _postgres_engine(self.url, BY_INDEX)
        self.dialect = self._writing.dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        return await _over_postgres(self._reading, fn)

    async def write(self, fn: Callable[[Connection], T]) -> T:
        return await _over_postgres(self._writing, fn)

    def claim(self) -> None:
        """Nothing to claim: holds are kept apart by leases."""

    async def close(self) -> None:
        await self._reading.dispose()
        await self._writing.dispose()


async def _finished(work: Future[T]) -> Future[T]:
    """`work` once it is done; a third of what asyncio's own bridge costs, on every batch."""
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()

    def tell(_work: Future[T]) -> None:
        loop.call_soon_threadsafe(_resolve, waiting)

    work.add_done_callback(tell)
    await waiting
    return work


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _in_transaction(engine: Engine, fn: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return fn(connection)


async def _over_postgres(engine: AsyncEngine, fn: Callable[[Connection], T]) -> T:
    # Imported here: SQLite does not need the driver.
    from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        async with engine.begin() as connection:
            return await connection.run_sync(fn)
    except (PostgresError, InterfaceError) as error:  # refused while connecting: not translated
        raise ConnectionError(str(error)) from error


def _sqlite_engine(url: URL, begin: str) -> Engine:
    engine = create_engine(url, pool_size=READERS, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver's own
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres_engine(url: URL, settings: Mapping[str, str]) -> AsyncEngine:
    # Imported here: SQLite needs neither asyncio's engine nor the driver.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    return create_async_engine(
        url,
        pool_size=READERS,
        pool_recycle=1_800,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": COMMAND_TIMEOUT_S,
            "server_settings": {
                "application_name": "tollkeeper",
                "jit": "off",
                "synchronous_commit": "on",
                **settings,
            },
        },
    )
