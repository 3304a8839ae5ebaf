"""PostgreSQL through asyncpg: any number of processes, the database is the arbiter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

CONNECTIONS = 4
CONNECT_TIMEOUT_S = 5
COMMAND_TIMEOUT_S = 15
# Everything written is found by its id. A plan that was cached while a table was small must not
# go on scanning it when it has grown.
BY_INDEX = dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_seqscan"), "off")


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
        await self._writing.dispose()


async def _over_postgres(engine: AsyncEngine, fn: Callable[[Connection], T]) -> T:
    # Imported here: SQLite does not need the driver.
    from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        async with engine.begin() as connection:
            return await connection.run_sync(fn)
    except (PostgresError, InterfaceError) as error:  # refused while connecting: not translated
        raise ConnectionError(str(error)) from error


def _postgres_engine(url: URL, settings: Mapping[str, str]) -> AsyncEngine:
    # Imported here: SQLite needs neither asyncio's engine nor the driver.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    return create_async_engine(
        url,
        pool_size=CONNECTIONS,
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
