"""The ledger over a database; below is the way of one call through it.

    SqlLedger.hold -> OpenHold (holds.py), entered before the call is sent, left when it is over
      -> Open, Extend, Close (entries.py): what the hold asks for
      -> BatchWriter (writer.py): everything that was asked meanwhile goes into one transaction
      -> enter (transaction.py): read and lock, decide, write
           admission.py which calls are let in
           windows.py   which rows a cost lands in       balances.py  the sums that move
           call_rows.py the call's own row               statements.py, writes.py  the SQL
      -> entry.answer: the hold goes on; or waiting.py keeps it until running calls have ended

Beside it, leases.py keeps this process believed alive and corrections.py charges what lost
processes held.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from app.ports import EndedBy, LedgerWatcher, Reservation
from app.store.database.engine import Database
from app.store.ledger.holds import OpenHold
from app.store.ledger.leases import Lease
from app.store.ledger.process import Process
from app.store.ledger.readiness import Readiness
from app.store.ledger.statements import statements_for
from app.store.ledger.windows import GlobalBudget
from app.store.ledger.writer import BatchWriter

DRAIN_S = 10.0


class SqlLedger:
    """Implements `ports.Ledger`. One process of many on PostgreSQL, the only one on SQLite."""

    def __init__(
        self,
        database: Database,
        *,
        lease_s: float = 30.0,
        global_budget: GlobalBudget | None = None,
        watcher: LedgerWatcher | None = None,
    ) -> None:
        self._database = database
        self._process = Process(
            f"proc_{secrets.token_hex(8)}",
            statements_for(database.dialect),
            global_budget or GlobalBudget(),
        )
        self._writer = BatchWriter(database, self._process, watcher)
        self._lease = Lease(database, self._process, self._writer, lease_s, watcher)
        self._readiness = Readiness(database, self._process)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up the lease, charge what lost processes held, and begin to write.

        Raises DatabaseInUse, and what SQLAlchemy does.
        """
        self._database.claim()
        await self._lease.take_up()
        self._tasks = [
            asyncio.create_task(self._writer.run(), name="ledger-writer"),
            asyncio.create_task(self._lease.keep(), name="ledger-lease"),
        ]

    async def close(self) -> None:
        """Write everything that was submitted, then stop; what is still held becomes orphaned."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._writer.drain(), DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        with suppress(SQLAlchemyError, OSError, TimeoutError):
            await self._lease.give_up()

    @property
    def global_budget(self) -> GlobalBudget:
        """The limit over all keys together, as it is now."""
        return self._process.budget

    def set_global_budget(self, budget: GlobalBudget) -> None:
        """From the next hold on; a new limit finds what its window has spent without it."""
        was = self._process.budget
        if was.limit_nano_usd is None or was.window != budget.window:
            self._process.counted = None
        self._process.budget = budget

    def set_wait_for_holds(self, seconds: float) -> None:
        """How long a call waits that only the holds of running ones keep out."""
        self._writer.wait_for_holds_s = seconds

    async def check(self) -> None:
        """Raise LedgerUnavailable unless it can be written now."""
        await self._readiness.check()

    def hold(self, reservation: Reservation, ended: EndedBy) -> OpenHold:
        """See `ports.Ledger.hold`."""
        return OpenHold(self._writer, reservation, ended)
