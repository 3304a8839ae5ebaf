"""Whether the ledger can be written now: asked by load balancers, never by a call."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import Connection, update
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import LedgerUnavailable
from app.store.database.engine import Database
from app.store.database.tables import processes
from app.store.ledger.process import Process

PATIENCE_S = 2.0
KEPT_S = 1.0  # an answer is good for so long: whoever may ask can't make the disk busy


class Readiness:
    """Adds a microsecond to this process's lease: what stays as it is would not be written."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process
        self._probe: asyncio.Task[None] | None = None
        self._good_until_s = 0.0

    async def check(self) -> None:
        """Raise LedgerUnavailable unless a write is committed; one is tried at a time."""
        if time.monotonic() < self._good_until_s:
            return
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._write(), name="ledger-readiness")
        done, _ = await asyncio.wait({self._probe}, timeout=PATIENCE_S)
        if not done:
            raise LedgerUnavailable("the ledger's database does not answer, or is locked")
        try:
            await self._probe
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise LedgerUnavailable("the ledger's database can't be written") from error

    async def _write(self) -> None:
        await self._database.write(self._touch)
        self._good_until_s = time.monotonic() + KEPT_S

    def _touch(self, connection: Connection) -> None:
        mine = update(processes).where(processes.c.id == self._process.id)
        connection.execute(mine.values(expires_us=processes.c.expires_us + 1))
