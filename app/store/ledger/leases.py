"""Which processes are alive: each renews a lease; the holds of one that stops are charged."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import SQLAlchemyError

from app.ports import LedgerWatcher
from app.store.database.engine import Database, clock_us
from app.store.database.moments import US_PER_S
from app.store.database.tables import processes
from app.store.ledger.corrections import MOST_AT_ONCE, charge_lost_holds
from app.store.ledger.process import Process
from app.store.ledger.watching import Unwatched
from app.store.ledger.writer import BatchWriter

HEARTBEAT_S = 5.0
_LOG = logging.getLogger("tollkeeper.ledger")


class Lease:
    """Keeps this process believed alive, and charges what those hold that are not."""

    def __init__(
        self,
        database: Database,
        process: Process,
        writer: BatchWriter,
        lease_s: float,
        watcher: LedgerWatcher | None = None,
    ) -> None:
        self._watcher = watcher or Unwatched()
        self.alone = database.dialect.name == "sqlite"
        self._database = database
        self._process = process
        self._writer = writer
        self._lease_us = round(lease_s * US_PER_S)
        self._heartbeat_s = min(HEARTBEAT_S, lease_s / 3)

    async def take_up(self) -> None:
        """Begin the lease; what lost processes held is charged before anything else is."""
        await self._database.write(self._register)
        await self._charge_lost_holds()

    async def keep(self) -> None:
        """Renew it until cancelled, at once when the writer finds that it was taken for lost."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._writer.rows_changed.wait(), self._heartbeat_s)
            self._writer.rows_changed.clear()
            try:
                if not await self._database.write(self._renew):
                    self._writer.doubt()  # what was held under the old lease was charged
                    self._writer.rows_changed.clear()
                if not self.alone:
                    await self._charge_lost_holds()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                _LOG.warning("the ledger's lease can't be renewed: %s", error)

    async def give_up(self) -> None:
        """End it now: what is still held is charged by another process or at the next start."""

        def end(connection: Connection) -> None:
            mine = update(processes).where(processes.c.id == self._process.id)
            connection.execute(mine.values(expires_us=clock_us(connection)))

        await self._database.write(end)

    def _register(self, connection: Connection) -> None:
        now_us = clock_us(connection)
        lease = {"started_us": now_us, "expires_us": now_us + self._lease_us}
        connection.execute(insert(processes).values(id=self._process.id, **lease))

    def _renew(self, connection: Connection) -> bool:
        """False when the lease was gone and is a new one."""
        expires_us = clock_us(connection) + self._lease_us
        mine = update(processes).where(processes.c.id == self._process.id)
        if connection.execute(mine.values(expires_us=expires_us)).rowcount:
            return True
        self._register(connection)
        return False

    async def _charge_lost_holds(self) -> None:
        alive = self._process.id if self.alone else None
        moved = MOST_AT_ONCE
        while moved >= MOST_AT_ONCE:
            moved = await self._database.write(
                lambda connection: charge_lost_holds(connection, self._process.statements, alive)
            )
            if moved:
                self._watcher.orphaned(moved)
                _LOG.warning("%d holds of lost processes were charged", moved)
