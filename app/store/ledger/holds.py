"""One open hold: entered before the call is sent, settled or released when its context is left."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from app.core.errors import BadRequest, LedgerUnavailable, Refusal
from app.core.money import NANO_PER_USD
from app.core.targets import Target
from app.ports import EndedBy, Reservation
from app.store.ledger.call_rows import closing, forgotten, labels
from app.store.ledger.entries import Close, Closing, Extend, Granted, Open
from app.store.ledger.writer import BatchWriter

MOST_HELD = 1_000_000 * NANO_PER_USD  # no call costs as much; sums must stay far inside 64 bits


class OpenHold:
    """The context manager of `Ledger.hold`, and the Hold it yields."""

    def __init__(self, writer: BatchWriter, reservation: Reservation, ended: EndedBy) -> None:
        self.granted_nano_usd = 0
        self._writer = writer
        self._reservation = reservation
        self._ended = ended
        self._doubtful = False  # what was entered for it is not known for sure
        self._doubts = 0  # the writer's, when the hold was entered
        self._granted: Granted | None = None
        self._extended_nano_usd = 0
        self._remaining_nano_usd: int | None = None

    @property
    def remaining_nano_usd(self) -> int | None:
        return self._remaining_nano_usd

    @property
    def held_nano_usd(self) -> int:
        return self.granted_nano_usd + self._extended_nano_usd

    async def extend(self, target: Target, charged_nano_usd: int) -> bool:
        granted = self._granted
        if granted is None:
            raise RuntimeError("the hold is not open")
        more = charged_nano_usd + target.bound.nano_usd - self.held_nano_usd
        if more <= 0:
            return True
        future = asyncio.get_running_loop().create_future()
        asked = self._reservation
        entry = Extend(asked.request_id, asked.key.id, more, granted.windows, future)
        self._writer.submit(entry)
        try:
            fitted: bool = await asyncio.shield(future)
        except asyncio.CancelledError:
            self._doubtful = True  # the entry is on its way: its row will tell
            raise
        self._doubtful = self._doubtful or entry.lost
        if fitted:
            self._extended_nano_usd += more
        return fitted

    async def __aenter__(self) -> Self:
        if self._reservation.bound_nano_usd > MOST_HELD:
            raise BadRequest("this call could cost more than 1,000,000 USD: ask for less")
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
        try:
            end = self._closing(error)
        except BaseException:  # a bug: what is held is charged, and the bug surfaces
            await self._enter(self._close(forgotten(self._reservation, self.held_nano_usd)))
            raise
        finally:
            del self._ended  # it leads to the call, which leads back here: no collector is needed
        await self._enter(self._close(end))

    async def _enter(self, entry: Close) -> None:
        """Submit the end and wait for it, whatever cancels the wait."""
        self._writer.submit(entry)
        cancelled: asyncio.CancelledError | None = None
        while not entry.answered:
            try:
                await entry.wakes
            except asyncio.CancelledError as cancellation:
                cancelled = cancellation
                entry.wakes = asyncio.get_running_loop().create_future()
        self._remaining_nano_usd = entry.remaining_nano_usd
        if cancelled is not None:
            raise cancelled

    def _give_back(self, granted: Granted) -> None:
        """Release what was granted to a caller that is gone."""
        self._begin(granted)
        self._writer.submit(self._close(self._closing(asyncio.CancelledError())))

    def _release(self) -> Close:
        """The entry that undoes this hold, if it was committed: its row will tell."""
        self._doubtful = True
        self._granted = self._granted or Granted(0, (), 0, self._reservation.key.team_id)
        return self._close(self._closing(LedgerUnavailable("the hold was not confirmed")))

    def _begin(self, granted: Granted) -> None:
        self._granted = granted
        self.granted_nano_usd = granted.nano_usd

    def _closing(self, error: BaseException | None) -> Closing:
        return closing(self._ended(self, error), self._reservation.model)

    def _close(self, end: Closing) -> Close:
        asked, granted = self._reservation, self._granted
        if granted is None:
            raise RuntimeError("the hold is not open")
        return Close(
            asked.request_id,
            asked.key.id,
            granted.team_id,
            granted.created_us,
            self.held_nano_usd,
            granted.windows,
            end,
            labels(asked),
            wakes=asyncio.get_running_loop().create_future(),
            verify=self._doubtful or self._doubts != self._writer.doubts,
        )
