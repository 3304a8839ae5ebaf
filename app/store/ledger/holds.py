"""One open hold: entered before the call is sent, settled or released when its context is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from app.core.errors import (
    APIConnectionError,
    APIStatusError,
    BadRequest,
    LedgerUnavailable,
    Refusal,
)
from app.core.money import NANO_PER_USD
from app.ports import Attempt, CallRecord, Charge, CostSource, Recorder, Reservation
from app.store.ledger.call_rows import closing
from app.store.ledger.entries import Close, Closing, Extend, Granted, Open, State
from app.store.ledger.writer import BatchWriter

OutcomeOf = Callable[[BaseException, str], tuple[int, str]]
"""The status and code that a row shows of a call of that dialect which ended with an error."""

NOT_BILLED = (APIStatusError, APIConnectionError, Refusal)
MOST_HELD = 1_000_000 * NANO_PER_USD  # no call costs as much; sums must stay far inside 64 bits
_DISCONNECTED = (499, "client_disconnected")
_STOPPED = (503, "gateway_stopped")
_NEVER_SETTLED = (500, "internal_error")


class OpenHold:
    """The context manager of `Ledger.hold`, and the Hold it yields."""

    def __init__(
        self,
        writer: BatchWriter,
        reservation: Reservation,
        *,
        outcome_of: OutcomeOf,
        recorder: Recorder | None,
    ) -> None:
        self.request_id = reservation.request_id
        self.granted_nano_usd = 0
        self.attempts: list[Attempt] = []
        self.ttft_ms: int | None = None
        self._writer = writer
        self._reservation = reservation
        self._outcome_of = outcome_of
        self._recorder = recorder
        self._doubtful = False  # what was entered for it is not known for sure
        self._doubts = 0  # the writer's, when the hold was entered
        self._granted: Granted | None = None
        self._kept_nano_usd = 0
        self._charge: Charge | None = None
        self._remaining_nano_usd: int | None = None
        self._started_s = time.monotonic()

    @property
    def remaining_nano_usd(self) -> int | None:
        return self._remaining_nano_usd

    @property
    def kept_nano_usd(self) -> int:
        return self._kept_nano_usd

    @property
    def held_nano_usd(self) -> int:
        return self.granted_nano_usd + self._kept_nano_usd

    def settle(self, charge: Charge) -> None:
        self._charge = charge

    async def hold_another(self) -> bool:
        granted = self._granted
        if granted is None:
            raise RuntimeError("the hold is not open")
        future = asyncio.get_running_loop().create_future()
        entry = Extend(
            self.request_id, self._reservation.key.id, granted.nano_usd, granted.windows, future
        )
        self._writer.submit(entry)
        try:
            fitted: bool = await asyncio.shield(future)
        except asyncio.CancelledError:
            self._doubtful = True  # the entry is on its way: its row will tell
            raise
        self._doubtful = self._doubtful or entry.lost
        if fitted:
            self._kept_nano_usd += granted.nano_usd
        return fitted

    async def __aenter__(self) -> Self:
        if self._reservation.bound_nano_usd > MOST_HELD:
            raise BadRequest("this call could cost more than 1,000,000 USD: ask for less")
        self._started_s = time.monotonic()
        future: asyncio.Future[Granted | Refusal] = asyncio.get_running_loop().create_future()
        self._doubts = self._writer.doubts
        entry = Open(self._reservation, future, self._give_back, self._release)
        if self._reservation.may_wait and self._writer.wait_for_holds_s:
            entry.waits_until_s = future.get_loop().time() + self._writer.wait_for_holds_s
        self._writer.submit(entry)
        try:
            outcome = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                granted = future.result()
                if isinstance(granted, Granted):
                    self._give_back(granted)
            raise
        if isinstance(outcome, Refusal):
            raise outcome
        self._begin(outcome)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        end = self._end(error)
        entry = self._close(end, loop.create_future())
        self._writer.submit(entry)
        cancelled: asyncio.CancelledError | None = None
        while not entry.answered:
            try:
                await entry.wakes
            except asyncio.CancelledError as cancellation:
                cancelled = cancellation
                entry.wakes = loop.create_future()
        self._remaining_nano_usd = entry.remaining_nano_usd
        self._tell(end)
        if cancelled is not None:
            raise cancelled

    def _give_back(self, granted: Granted) -> None:
        """Release what was granted to a caller that is gone."""
        self._begin(granted)
        end = self._end(LedgerUnavailable("the caller left before the call was sent"))
        self._writer.submit(self._close(end, asyncio.get_running_loop().create_future()))
        self._tell(end)

    def _release(self) -> Close:
        """The entry that undoes this hold, if it was committed: its row will tell."""
        error = LedgerUnavailable("the hold was not confirmed")
        self._doubtful = True
        self._granted = self._granted or Granted(0, (), 0, self._reservation.key.team_id)
        return self._close(self._end(error), asyncio.get_running_loop().create_future())

    def _begin(self, granted: Granted) -> None:
        self._granted = granted
        self.granted_nano_usd = granted.nano_usd

    def _tell(self, end: Closing) -> None:
        if self._recorder is not None:
            self._recorder.record(self._record(end))

    def _close(self, end: Closing, wakes: asyncio.Future[None]) -> Close:
        asked, granted = self._reservation, self._granted
        if granted is None:
            raise RuntimeError("the hold is not open")
        return Close(
            request_id=self.request_id,
            key_id=asked.key.id,
            team_id=granted.team_id,
            created_us=granted.created_us,
            held_nano_usd=self.held_nano_usd,
            windows=granted.windows,
            closing=end,
            wakes=wakes,
            verify=self._doubtful or self._doubts != self._writer.doubts,
        )

    def _end(self, error: BaseException | None) -> Closing:
        """What is charged, and what the row says about it."""
        state: State = "settled"
        other_nano_usd = self._kept_nano_usd
        source: CostSource | None = None if self._charge is None else self._charge.cost_source
        if self._charge is None:
            if not isinstance(error, NOT_BILLED) and self._may_be_billed(error):
                other_nano_usd += self.granted_nano_usd
                if self.attempts:
                    self.attempts[-1] = replace(self.attempts[-1], charged=True)
            elif not other_nano_usd:
                state = "released"
        if other_nano_usd:
            source = "estimated"
        status, code = self._outcome(error)
        return closing(
            state,
            self._charge,
            other_nano_usd=other_nano_usd,
            source=source,
            model=self._reservation.model,
            upstream=self._reservation.upstream,
            attempts=self.attempts,
            status=status,
            error_code=code,
            latency_ms=round((time.monotonic() - self._started_s) * 1_000),
            ttft_ms=self.ttft_ms,
        )

    def _may_be_billed(self, error: BaseException | None) -> bool:
        """Whether a caller that left did so before anything that may cost: nothing is charged."""
        if not isinstance(error, asyncio.CancelledError | GeneratorExit):
            return True
        last = self.attempts[-1] if self.attempts else None
        return last is not None and last.may_be_billed and not last.charged

    def _record(self, end: Closing) -> CallRecord:
        asked = self._reservation
        return CallRecord(
            request_id=self.request_id,
            key=asked.key,
            model=end.model,
            dialect=asked.dialect,
            route=asked.route,
            status=end.status,
            error_code=end.error_code,
            attempts=self.attempts,
            latency_s=time.monotonic() - self._started_s,
            ttft_s=None if self.ttft_ms is None else self.ttft_ms / 1_000,
            held_nano_usd=self.held_nano_usd,
            cost_nano_usd=end.cost_nano_usd,
            charge=self._charge,
        )

    def _outcome(self, error: BaseException | None) -> tuple[int, str | None]:
        if error is None:
            return (200, None) if self._charge is not None else _NEVER_SETTLED
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            # Whoever watches the caller gives no reason; a server that stops waiting does.
            return _STOPPED if error.args else _DISCONNECTED
        return self._outcome_of(error, self._reservation.dialect)
