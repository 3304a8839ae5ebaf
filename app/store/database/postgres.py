"""PostgreSQL through asyncpg: any number of processes, the database is the arbiter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.store.database.apart import Apart
from app.store.database.postgres_options import PostgresOptions, postgres_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

CONNECTIONS = 4
REPORTING_CONNECTIONS = 2
COMMAND_TIMEOUT_S = 15
BEHIND_PGBOUNCER = "behind PgBouncer, add pgbouncer=true to the database's URL"
DURABLE = {"jit": "off", "synchronous_commit": "on"}
# Everything written is found by its id. A plan that was cached while a table was small must not
# go on scanning it when it has grown.
BY_INDEX = dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_seqscan"), "off")
# A filter may fit one call or most: a plan that is made for any value is bad for some.
AS_ASKED = {"plan_cache_mode": "force_custom_plan"}


class PostgresDatabase:
    """asyncpg; any number of processes, the database is the arbiter."""

    def __init__(self, url: URL, *, patient: bool = False) -> None:
        """A `patient` one writes as the planner thinks best, for as long as that takes.

        Raises ValueError for a parameter of the URL that is not supported.
        """
        options = postgres_options(url)
        settings = DURABLE if patient else DURABLE | BY_INDEX
        self.url = options.place.set(drivername="postgresql+asyncpg")
        self._reading = _engine(self.url, options, DURABLE).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._reporting = _engine(
            self.url, options, DURABLE | AS_ASKED, connections=REPORTING_CONNECTIONS, timeout_s=None
        ).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._apart = Apart("reports")
        timeout_s = None if patient else COMMAND_TIMEOUT_S
        self._writing = _engine(self.url, options, settings, timeout_s=timeout_s)
        self._locally = _set_locally(settings) if options.pooled else None
        self.dialect = self._writing.dialect

    async def run(self, fn: Callable[[Connection], T]) -> T:
        return await _in_transaction(self._reading, fn)

    async def report(self, fn: Callable[[Connection], T]) -> T:
        return await self._apart.run(lambda: _in_transaction(self._reporting, fn))

    async def write(self, fn: Callable[[Connection], T]) -> T:
        if self._locally is None:
            return await _in_transaction(self._writing, fn)
        first = self._locally

        def with_settings(connection: Connection) -> T:
            connection.execute(first)
            return fn(connection)

        return await _in_transaction(self._writing, with_settings)

    async def outcome(
        self, fn: Callable[[Connection], T]
    ) -> tuple[T, None] | tuple[None, BaseException]:
        task = asyncio.ensure_future(self.write(fn))
        await asyncio.wait({task})
        error = task.exception()
        return (task.result(), None) if error is None else (None, error)

    def claim(self) -> None:
        """Nothing to claim: holds are kept apart by leases."""

    async def close(self) -> None:
        await self._reading.dispose()
        await self._apart.close(self._reporting.dispose)
        await self._writing.dispose()


async def _in_transaction(engine: AsyncEngine, fn: Callable[[Connection], T]) -> T:
    """Run and commit; once more if the connection proves dead before the commit was sent.

    A server that was restarted, or that ends idle connections, leaves dead ones in the pool. The
    first that fails empties it. What is not committed never happened; a commit without an answer
    may have, and is never repeated here.
    """
    # Imported here: SQLite does not need the driver.
    from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        try:
            return await _once(engine, fn)
        except _DeadConnectionError:
            return await _once(engine, fn)
    except _DeadConnectionError as again:
        raise again.error from again.error.__cause__
    except DBAPIError as error:
        if "unsupported startup parameter" in str(error.orig):
            raise ConnectionError(f"{error.orig}; {BEHIND_PGBOUNCER}") from error
        raise
    except (PostgresError, InterfaceError) as error:  # refused while connecting: not translated
        raise ConnectionError(str(error)) from error


async def _once(engine: AsyncEngine, fn: Callable[[Connection], T]) -> T:
    async with engine.connect() as connection:
        try:
            result = await connection.run_sync(fn)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _DeadConnectionError(error) from error
            raise
        await connection.commit()
        return result


class _DeadConnectionError(Exception):
    """The connection broke before the commit was sent."""

    def __init__(self, error: DBAPIError) -> None:
        super().__init__()
        self.error = error


def _set_locally(settings: Mapping[str, str]) -> Any:  # noqa: ANN401  # a text of SQL
    """Settings for one transaction: behind PgBouncer the next one may use another session."""
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    return text(f"SELECT {calls}")


def _unnamed() -> str:
    return ""


def _engine(
    url: URL,
    options: PostgresOptions,
    settings: Mapping[str, str],
    *,
    connections: int = CONNECTIONS,
    timeout_s: float | None = COMMAND_TIMEOUT_S,
) -> AsyncEngine:
    # Imported here: SQLite needs neither asyncio's engine nor the driver.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    connect = {
        **options.connect,
        "timeout": options.connect_timeout_s,
        "command_timeout": timeout_s,
        "server_settings": {**settings, **options.settings},
    }
    if (
        options.pooled
    ):  # it hands each transaction to any session, which knows no other's statements
        connect |= {
            "server_settings": dict(options.settings),
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": _unnamed,
        }
    return create_async_engine(
        url,
        pool_size=connections,
        pool_recycle=1_800,
        pool_timeout=options.connect_timeout_s,
        connect_args=connect,
    )
