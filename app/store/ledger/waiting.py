"""Calls that only the holds of running ones keep out, in the order in which they came.

They are entered again when a call of this process ends that held something where they want to
hold, and now and then besides: a call of another process may have ended, or a limit been raised.
Whoever has waited long enough is entered a last time; what is said then is final.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from app.store.ledger.entries import Open
from app.store.ledger.windows import WindowRow

POLL_S = 0.2
WOKEN = 32  # at once of one scope: the first in line are let in first, and each wakes the next


class WaitingCalls:
    """By scope (a window's kind and whose it is); an entry stays in line while it is tried."""

    def __init__(self, enter: Callable[[Sequence[Open]], None]) -> None:
        """`enter` puts entries into the next transaction, before everything else."""
        self._enter = enter
        self._lines: dict[str, dict[Open, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """Where calls are waiting: whoever comes later must not overtake them."""
        return frozenset(self._lines) if self._lines else frozenset()

    def add(self, entry: Open, scope: str) -> None:
        """Take a call in, or back after a try that was too early."""
        if entry.waits_in != scope:
            self.remove(entry)
            entry.waits_in = scope
            self._lines.setdefault(scope, {})[entry] = None
        entry.is_tried = False
        if self._timer is None:
            self._set_timer()
        if _now_s() >= (entry.waits_until_s or 0):
            self._try([entry])

    def remove(self, entry: Open) -> None:
        """Let a call go that was answered; the next ones may fit now too."""
        scope, entry.waits_in = entry.waits_in, None
        if scope is None:
            return
        line = self._lines[scope]
        del line[entry]
        if not line:
            del self._lines[scope]
        else:
            self._wake(scope)

    def wake(self, windows: Iterable[WindowRow]) -> None:
        """A call has ended that held something in these windows."""
        if self._lines:
            for window in windows:
                self._wake(window.scope)

    def end(self) -> None:
        """Nobody waits any longer: a last try for each."""
        for line in self._lines.values():
            for entry in line:
                entry.waits_until_s = 0
            self._try(list(line))

    def dismiss(self) -> list[Open]:
        """Everyone who is waiting, out of the line: there will be no other try."""
        entries = [entry for line in self._lines.values() for entry in line]
        self._lines.clear()
        for entry in entries:
            entry.waits_in = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return entries

    def _wake(self, scope: str) -> None:
        if scope in self._lines:
            self._try(islice(self._lines[scope], WOKEN))

    def _try(self, entries: Iterable[Open]) -> None:
        now_s = _now_s()
        again = []
        for entry in entries:
            if not entry.is_tried:
                entry.is_tried = True
                if now_s >= (entry.waits_until_s or 0):
                    entry.waits_until_s = None  # this is the last time
                again.append(entry)
        if again:
            self._enter(again)

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(POLL_S, self._poll)

    def _poll(self) -> None:
        self._timer = None
        for scope, line in list(self._lines.items()):
            for entry in [entry for entry in line if entry.future.done()]:
                self.remove(entry)  # its caller has left
            if scope in self._lines:
                now_s = _now_s()
                self._try(e for e in list(line) if now_s >= (e.waits_until_s or 0))
                self._wake(scope)
        if self._lines:
            self._set_timer()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
