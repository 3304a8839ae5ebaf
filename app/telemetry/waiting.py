"""Calls whose vendor tells its bill only later: their traces wait, so that they say what it says.

What waits is in this process's memory, and in the ledger's row that it does: whoever finds the
row of a process that is gone tells the trace from it. Neither the number nor the time is without
bounds: what has waited for too long, or is in the way of others, is told as it stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.telemetry.observations import Told, billed

if TYPE_CHECKING:
    from app.core.ended import Ended, Refused
    from app.core.lookups import Billed, Left
    from app.telemetry.tracing import Tracing

MOST_WAITING = 4_096
LONGEST_S = 900.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """One call, as each destination is to be told of it, and since when it waits."""

    told: Sequence[Told]
    since_s: float


class WaitingTraces:
    """Implements the recorder's port for all destinations."""

    def __init__(
        self, tracings: Sequence[Tracing], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._tracings = tracings
        self._now_s = now_s
        self._waiting: dict[str, Waiting] = {}  # the first has waited longest
        self._told_early: list[str] = []

    @property
    def are_told(self) -> bool:
        """Whether there is anyone to tell."""
        return bool(self._tracings)

    def record(self, call: Ended) -> None:
        """Tell it at once, or once its bill has come."""
        if call.awaited_bill is None:
            for tracing in self._tracings:
                tracing.record(call)
            return
        if len(self._waiting) >= MOST_WAITING:
            self._tell_as_it_stands(next(iter(self._waiting)))
        told = [tracing.told(call) for tracing in self._tracings]
        self._waiting[call.request_id] = Waiting(told, self._now_s())

    def refused(self, _call: Refused) -> None:
        """Nothing: what was not sent is no generation."""

    def not_counted(self, _call: Refused) -> None:
        """Nothing: a count is no generation."""

    def waiting_for(self, seconds: float) -> Sequence[str]:
        """The ids of those that have waited for so long."""
        latest_s = self._now_s() - seconds
        return [name for name, each in self._waiting.items() if each.since_s <= latest_s]

    def tell(self, bills: Mapping[str, Billed | None]) -> None:
        """Tell those whose bill has come; without one another process has told of the call."""
        for request_id, bill in bills.items():
            waiting = self._waiting.pop(request_id, None)
            if waiting is not None and bill is not None:
                self._queue([billed(told, bill) for told in waiting.told])

    def adopt(self, left: Iterable[Left]) -> None:
        """Tell those of processes that are gone."""
        for each in left:
            told = [tracing.told(each.call, each.ended_ns) for tracing in self._tracings]
            self._queue([billed(one, each.bill) for one in told])

    def tell_as_they_stand(self, seconds: float = LONGEST_S) -> None:
        """Tell those that have waited for so long, without their bill."""
        for request_id in self.waiting_for(seconds):
            self._tell_as_it_stands(request_id)

    def told_early(self) -> Sequence[str]:
        """The ids of those that were told without their bill, once."""
        found, self._told_early = self._told_early, []
        return found

    def _tell_as_it_stands(self, request_id: str) -> None:
        self._queue(self._waiting.pop(request_id).told)
        self._told_early.append(request_id)

    def _queue(self, told: Sequence[Told]) -> None:
        for tracing, each in zip(self._tracings, told, strict=True):
            tracing.queue(each)
