"""SQLite: readers in a few threads, every write in one thread of its own."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

T = TypeVar("T")

READERS = 4
REPORTERS = 2
BUSY_TIMEOUT_MS = 10_000


class DatabaseInUse(Exception):
    """Another gateway process writes to this SQLite file."""


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
        self._reporters = ThreadPoolExecutor(REPORTERS, "sqlite-reporter")
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self._written: Connection | None = None
        self.dialect = self._writing.dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _in_transaction, self._reading, fn)

    async def report(self, fn: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        stopping = _Stopping()
        reading = partial(_in_transaction, self._reading, partial(stopping.during, fn))
        try:
            return await loop.run_in_executor(self._reporters, reading)
        except asyncio.CancelledError:
            stopping.stop()
            raise

    async def write(self, fn: Callable[[Connection], T]) -> T:
        return (await _finished(self._writer.submit(self._write, fn))).result()

    async def outcome(
        self, fn: Callable[[Connection], T]
    ) -> tuple[T, None] | tuple[None, BaseException]:
        try:
            writing = self._writer.submit(self._write, fn)
        except RuntimeError as closed:
            return None, closed
        finished = await _finished(writing)
        error = finished.exception()
        return (finished.result(), None) if error is None else (None, error)

    def _write(self, fn: Callable[[Connection], T]) -> T:
        """One transaction, on a connection that is kept as long as nothing fails."""
        connection, self._written = self._written or self._writing.connect(), None
        try:
            with connection.begin():
                result = fn(connection)
            self._written = connection
            return result
        finally:
            if self._written is None:
                connection.close()

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
        self._reporters.shutdown()
        self._writer.shutdown()
        if self._written is not None:
            self._written.close()
        self._reading.dispose()
        self._writing.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Stopping:
    """Interrupts what a connection does, as long as it does it for the one who asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Any = None
        self._stopped = False

    def during(self, fn: Callable[[Connection], T], connection: Connection) -> T:
        """Call the function with its connection, unless it is too late."""
        with self._lock:
            if self._stopped:
                raise TimeoutError("nobody waits for this report")
            self._running = connection.connection.driver_connection
        try:
            return fn(connection)
        finally:
            with self._lock:
                self._running = None

    def stop(self) -> None:
        """It is not waited for any more."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                self._running.interrupt()


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


def _sqlite_engine(url: URL, begin: str) -> Engine:
    # A class without an adapter is asked for its own with each value, which raises inside.
    nothing: dict[None, None] = {}
    sqlite3.register_adapter(type(None), nothing.get)  # None for None, called for every NULL
    sqlite3.register_adapter(bool, int)
    engine = create_engine(
        url, pool_size=READERS + REPORTERS, connect_args={"check_same_thread": False}
    )

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
        try:  # SQLAlchemy's own way to run a statement costs more than this one does
            connection.connection.cursor().execute(begin)
        except sqlite3.Error as error:
            raise DBAPIError.instance(begin, None, error, sqlite3.Error) from error

    return engine
