"""The ledger over a database: holds, settles, and the watch over lost processes."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import LedgerUnavailable
from app.ports import CallRecord, Recorder, Reservation
from app.store.database.engine import Database
from app.store.ledger.call_rows import closing
from app.store.ledger.corrections import MOST_AT_ONCE, charge_lost_holds
from app.store.ledger.entries import Close, Entry, Extend, Granted, Open, Outcome
from app.store.ledger.holds import OpenHold, OutcomeOf
from app.store.ledger.leases import HEARTBEAT_S, give_up, register, renew
from app.store.ledger.statements import Statements
from app.store.ledger.transaction import Books
from app.store.ledger.windows import GlobalBudget
from app.store.ledger.writer import BatchWriter

DRAIN_S = 10.0
_LOG = logging.getLogger("tollkeeper.ledger")


class SqlLedger:
    """Implements `ports.Ledger`. One process of many on PostgreSQL, the only one on SQLite.

    `bound_exceeded` counts calls that cost more than was held for them.
    """

    def __init__(
        self,
        database: Database,
        *,
        outcome_of: OutcomeOf,
        recorder: Recorder | None = None,
        lease_s: float = 30.0,
        global_budget: GlobalBudget | None = None,
    ) -> None:
        """`outcome_of` gives the HTTP status and error code that a failed call's row shows.

        `recorder` is told of each call once its end is committed.
        """
        self.outcome_of = outcome_of
        self.bound_exceeded = 0
        self._database = database
        self._recorder = recorder
        self._lease_s = lease_s
        self._alone = database.dialect.name == "sqlite"
        self._books = Books(
            Statements(database.dialect),
            process_id=f"proc_{secrets.token_hex(8)}",
            budget=global_budget or GlobalBudget(),
        )
        self._writer = BatchWriter(database, self._books, self)
        self._open: dict[str, OpenHold] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._renew_now = asyncio.Event()

    async def start(self) -> None:
        """Take up the lease, charge what lost processes held, and begin to write.

        Raises DatabaseInUse, and what SQLAlchemy does.
        """
        self._database.claim()

        def begin(connection: Connection) -> None:
            register(connection, self._books.process_id, self._lease_s)

        await self._database.write(begin)
        await self._charge_lost_holds()
        self._tasks = [asyncio.create_task(self._writer.run(), name="ledger-writer")]
        if not self._alone:
            self._tasks.append(asyncio.create_task(self._keep_lease(), name="ledger-lease"))

    async def close(self) -> None:
        """Write everything that was submitted, then stop; what is still held becomes orphaned."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._writer.drain(), DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        with suppress(SQLAlchemyError, OSError, TimeoutError):
            await self._database.write(lambda c: give_up(c, self._books.process_id))

    def set_global_budget(self, budget: GlobalBudget) -> None:
        """From the next hold on; a new limit finds what its window has spent without it."""
        was = self._books.budget
        if was.limit_nano_usd is None or was.window != budget.window:
            self._books.counted = None
        self._books.budget = budget

    def hold(self, reservation: Reservation) -> OpenHold:
        """See `ports.Ledger.hold`."""
        return OpenHold(self, reservation)

    def submit(self, entry: Entry) -> None:
        """Enter it with the next transaction."""
        self._writer.submit(entry)

    def opened(self, hold: OpenHold) -> None:
        """Note an open hold."""
        self._open[hold.request_id] = hold

    def closed(self, hold: OpenHold, record: CallRecord) -> None:
        """Note that it was left, and how."""
        self._open.pop(hold.request_id, None)
        if record.cost_nano_usd > record.held_nano_usd:
            self.bound_exceeded += 1
        if self._recorder is not None:
            self._recorder.record(record)

    def deliver(self, entry: Entry, outcome: Outcome) -> None:
        """Answer whoever waits; a grant that nobody waits for is given back."""
        if isinstance(entry, Close):
            entry.answer(outcome)  # type: ignore[arg-type]  # each kind has its own
        elif isinstance(entry, Open) and isinstance(outcome, Granted) and entry.future.cancelled():
            entry.give_back(outcome)
        elif not entry.future.done():
            entry.future.set_result(outcome)  # type: ignore[arg-type]  # each kind has its own

    def lose(self, entry: Open | Extend) -> None:
        """It may have been committed all the same: its row will tell."""
        if isinstance(entry, Open):
            self.submit(self._release(entry.reservation))
        elif entry.request_id in self._open:
            self._open[entry.request_id].doubtful = True

    def lease_lost(self) -> None:
        """Everything that is open was charged as lost: each row will tell."""
        for hold in self._open.values():
            hold.doubtful = True
        self._renew_now.set()

    def _release(self, reservation: Reservation) -> Close:
        status, code = self.outcome_of(
            LedgerUnavailable("the hold was not confirmed"), reservation.dialect
        )
        end = closing(
            "released",
            None,
            other_nano_usd=0,
            source=None,
            upstream=reservation.upstream,
            attempts=(),
            status=status,
            error_code=code,
            latency_ms=0,
            ttft_ms=None,
        )
        return Close(
            request_id=reservation.request_id,
            key_id=reservation.key.id,
            team_id=reservation.key.team_id,
            model=reservation.model,
            created_us=0,
            held_nano_usd=0,
            windows=(),
            closing=end,
            wakes=asyncio.get_running_loop().create_future(),
            verify=True,
        )

    async def _keep_lease(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._renew_now.wait(), min(HEARTBEAT_S, self._lease_s / 3))
            self._renew_now.clear()
            try:
                if not await self._database.write(
                    lambda c: renew(c, self._books.process_id, self._lease_s)
                ):
                    self.lease_lost()
                    self._renew_now.clear()
                await self._charge_lost_holds()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                _LOG.warning("the ledger's lease can't be renewed: %s", error)

    async def _charge_lost_holds(self) -> None:
        alive = self._books.process_id if self._alone else None
        moved = MOST_AT_ONCE
        while moved >= MOST_AT_ONCE:
            moved = await self._database.write(
                lambda c: charge_lost_holds(c, self._books.statements, alive)
            )
            if moved:
                _LOG.warning("%d holds of lost processes were charged at their bound", moved)
