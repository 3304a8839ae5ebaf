"""The ledger's writer: one per process; a transaction takes all that was asked during the last one.

    submit -> queue -> _take a batch -> _commit -> transaction.enter -> entry.answer

What can go wrong, and what then becomes of the entries of the batch:

- A window has no row yet: it is made in a transaction of its own, then the batch is entered.
- A call fits once running ones have ended: it waits (waiting.py) and is entered again.
- Another transaction won (a deadlock, the same idempotency key): the batch is entered again.
- A row is not as this process left it: entered again, each close by what its row says.
- The database fails: whoever waits to open a call is refused, and so is everyone after until a
  write succeeds; closes stay queued in order. The commit may have happened all the same, so what
  is entered again is first compared with its row, and refused holds are released.
- Anything else is one entry's own fault: the batch is taken apart and that entry alone fails. A
  close that can't be entered leaves its hold standing, to be charged when this process is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from app.core.errors import LedgerUnavailable
from app.ports import LedgerWatcher
from app.store.database.engine import Database
from app.store.ledger.balances import make_windows
from app.store.ledger.entries import Close, Entry, Extend, Open, Waits
from app.store.ledger.process import Process
from app.store.ledger.transaction import Entered, RowsChanged, enter
from app.store.ledger.waiting import WaitingCalls
from app.store.ledger.watching import Unwatched
from app.store.ledger.windows import WindowRow

MOST_ENTRIES = 256
WAIT_FOR_HOLDS_S = 3.0
RETRIES = 5  # of a transaction that lost against another one
PAUSE_S = 0.25
PASSES = 8  # then whoever came first has waited long enough
BUSY_SHARE = 0.5  # of the time on the CPU; on one core the writer's thread takes the rest
BUSY_WINDOW_S = 0.25
_CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock

# What an entry's values can cause; everything else is taken for the database's trouble.
_OWN_FAULTS = (DataError, IntegrityError, TypeError, ValueError, ArithmeticError, LookupError)
_BAD_DATA = "22"
_LOG = logging.getLogger("tollkeeper.ledger")


class Load:
    """How busy this thread is, by a clock and by the CPU time that it has used."""

    def __init__(
        self,
        clock_s: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock_s, self._cpu_s = clock_s, cpu_s
        self._since_s, self._used_s = clock_s(), cpu_s()
        self._high = False

    def is_high(self) -> bool:
        """Whether it ran for most of the last window of time."""
        now_s = self._clock_s()
        passed_s = now_s - self._since_s
        if passed_s >= BUSY_WINDOW_S:
            used_s = self._cpu_s()
            self._high = used_s - self._used_s >= BUSY_SHARE * passed_s
            self._since_s, self._used_s = now_s, used_s
        return self._high


class BatchWriter:
    """Takes entries at any time, answers each once it is committed.

    `doubts` counts how often rows were found that this process did not leave so: a hold that was
    entered before the last time must look at its row. `rows_changed` is set each time.
    """

    def __init__(
        self, database: Database, process: Process, watcher: LedgerWatcher | None = None
    ) -> None:
        self._database = database
        self._watcher = watcher or Unwatched()
        self._process = process
        self._queue: deque[Entry] = deque()
        self._batch: Sequence[Entry] = ()
        self._stopped = False
        self._load = Load()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting = WaitingCalls(self._enter_first)
        self.wait_for_holds_s = WAIT_FOR_HOLDS_S
        self.broken = False
        self.doubts = 0
        self.rows_changed = asyncio.Event()

    def submit(self, entry: Entry) -> None:
        """Enter it with the next transaction; while the database is broken nothing is opened.

        A writer that was stopped answers at once and writes nothing: nobody may wait for ever.
        """
        if self._stopped or (self.broken and isinstance(entry, Open)):
            self._refuse(entry)
            return
        self._queue.append(entry)
        self._wake.set()
        self._idle.clear()

    async def run(self) -> None:
        """Write until cancelled; whatever is not written by then is left to its row."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    if self._load.is_high():
                        await self._gather()
                    self._batch = self._take()
                    await self._write(self._batch)
                self._idle.set()
        finally:
            self._stopped = True
            for entry in (*self.waiting.dismiss(), *self._batch, *self._queue):
                self._refuse(entry)
            self._queue.clear()
            self._idle.set()

    async def drain(self) -> None:
        """Return once everything submitted so far is committed; nobody waits for room."""
        self.waiting.end()
        await self._idle.wait()

    def _enter_first(self, entries: Sequence[Entry]) -> None:
        self._queue.extendleft(reversed(entries))
        self._wake.set()
        self._idle.clear()

    def doubt(self) -> None:
        """Another process took this one for dead, or moved its rows: each row will tell."""
        self.doubts += 1
        self.rows_changed.set()

    async def _gather(self) -> None:
        """Let what is ready run first, so that one commit serves all who get this far.

        A commit costs CPU time of its own. Where there is time left, waiting would only bring
        callers in step, who then all wait for each other.
        """
        before = 0
        for _ in range(PASSES):
            if len(self._queue) == before:
                return
            before = len(self._queue)
            await asyncio.sleep(0)

    def _take(self) -> list[Entry]:
        batch: list[Entry] = []
        while self._queue and len(batch) < MOST_ENTRIES:
            entry = self._queue.popleft()
            if not (isinstance(entry, Open) and entry.future.cancelled()):
                batch.append(entry)
        return batch

    async def _write(self, batch: Sequence[Entry]) -> None:
        if not batch:
            return
        error = await self._commit(batch)
        if error is None:
            return
        if not _is_its_own(error):
            await self._suspend(batch, error)
        elif len(batch) > 1:
            for entry in batch:
                await self._write([entry])
        else:
            _LOG.error("an entry of the ledger could not be written", exc_info=error)
            self._refuse(batch[0])

    async def _commit(self, batch: Sequence[Entry]) -> BaseException | None:
        """One transaction, again if it lost against another; the error if it failed."""
        error: BaseException | None = None
        for _ in range(RETRIES):
            enter_all = partial(self._enter, batch, self.waiting.scopes)
            began_s = time.monotonic()
            entered, error = await self._database.outcome(enter_all)
            if entered is not None and entered.missing:
                make = partial(self._make, entered.missing)
                counted, error = await self._database.outcome(make)
                if error is None:
                    self._process.counted = counted or self._process.counted
                    continue
            if error is None and entered is not None:
                self._process.labels.learn(entered.labels)
                self._watcher.committed(len(batch), time.monotonic() - began_s)
                self._answer(batch, entered)
                return None
            if isinstance(error, RowsChanged):
                self.doubt()
                batch = self._to_verify(batch)
            elif error is None or not _is_conflict(error):
                break
        return error or OSError("window rows vanish while they are made")

    def _to_verify(self, batch: Sequence[Entry]) -> list[Entry]:
        """What remains of a batch once its rows can't be trusted: lost calls are not retried."""
        for entry in batch:
            if isinstance(entry, Close):
                entry.verify = True
            elif isinstance(entry, Extend):
                self._refuse(entry)
        return [entry for entry in batch if not isinstance(entry, Extend)]

    def _enter(
        self, batch: Sequence[Entry], lines: frozenset[str], connection: Connection
    ) -> Entered:
        return enter(connection, self._process, batch, lines)

    def _make(self, missing: Sequence[WindowRow], connection: Connection) -> str | None:
        return make_windows(connection, self._process.statements, missing)

    def _answer(self, batch: Sequence[Entry], entered: Entered) -> None:
        if self.broken:
            _LOG.info("the ledger can be written again")
        self.broken = False
        for entry, outcome in zip(batch, entered.outcomes, strict=True):
            if isinstance(outcome, Waits) and isinstance(entry, Open):
                self.waiting.add(entry, outcome.scope)
                continue
            entry.answer(outcome)  # type: ignore[arg-type]  # each kind has its own
            if isinstance(entry, Open):
                self.waiting.remove(entry)
            elif isinstance(entry, Close):
                self.waiting.wake(entry.windows)

    async def _suspend(self, batch: Sequence[Entry], error: BaseException) -> None:
        """Refuse whoever waits, keep what must not be lost, and try again a little later."""
        if not self.broken:
            _LOG.error("the ledger can't be written: %s", error)
        self.broken = True
        asked = [*self.waiting.dismiss(), *batch, *self._queue]
        self._queue.clear()
        for entry in asked:
            self._refuse(entry)
            if isinstance(entry, Close):
                entry.verify = True
                self._queue.append(entry)
        for entry in batch:  # it may have been committed all the same: its row will tell
            if isinstance(entry, Open):
                self.submit(entry.release())
            elif isinstance(entry, Extend):
                entry.lost = True
        await asyncio.sleep(PAUSE_S)

    def _refuse(self, entry: Entry) -> None:
        if isinstance(entry, Close):
            entry.answer(None)
        elif isinstance(entry, Open):
            entry.answer(_unavailable())
        else:
            entry.answer(fitted=False)


def _unavailable() -> LedgerUnavailable:
    return LedgerUnavailable("the ledger can't be written, so nothing is sent")


def _is_conflict(error: BaseException) -> bool:
    # An IntegrityError: another process entered the same idempotency key.
    return isinstance(error, IntegrityError) or _sqlstate(error) in _CONFLICTS


def _is_its_own(error: BaseException) -> bool:
    """Whether an entry's values caused it; the driver for PostgreSQL has one class for most."""
    if isinstance(error, _OWN_FAULTS) or _sqlstate(error).startswith(_BAD_DATA):
        return True
    orig = getattr(error, "orig", None)
    return isinstance(getattr(orig, "__cause__", None), ValueError)


def _sqlstate(error: BaseException) -> str:
    orig = error.orig if isinstance(error, DBAPIError) else None
    return str(getattr(orig, "sqlstate", None) or "")
