"""The same limit on the time of many attempts, which share one timer.

asyncio.timeout sets a timer of the loop for each attempt and takes it away again, though hardly
one ever rings: 3.7 µs a call against 1.0 µs here (`python bench/deadlines.py`). All attempts at an
upstream may take equally long, so they end in the order in which they began, and a timer for the
first of them is enough. Without this, `asyncio.timeout` does the same.
"""

from __future__ import annotations

import asyncio


class Deadline:
    """When a task's attempt is over at the latest."""

    __slots__ = ("_cancelling", "_task", "ends_at_s", "has_passed")

    def __init__(self, task: asyncio.Task[object], ends_at_s: float) -> None:
        self.ends_at_s = ends_at_s
        self.has_passed = False
        self._task = task
        self._cancelling = task.cancelling()

    def ring(self) -> None:
        """Cut the attempt short."""
        self.has_passed = True
        self._task.cancel()

    def cut_it_short(self) -> bool:
        """Whether the task was cancelled for this reason alone; then it is no longer."""
        return self.has_passed and self._task.uncancel() <= self._cancelling


class Deadlines:
    """The attempts that are under way."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._running: dict[Deadline, None] = {}  # the first ends first
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """An attempt of the current task begins: it is cancelled once its time is over."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("an attempt is made by a task")
        deadline = Deadline(task, loop.time() + self._limit_s)
        self._running[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.ends_at_s, self._ring)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """The attempt is over; the timer stays for the next one."""
        self._running.pop(deadline, None)

    def close(self) -> None:
        """No attempt is made any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for deadline in list(self._running):
            if deadline.ends_at_s > now_s:
                self._timer = loop.call_at(deadline.ends_at_s, self._ring)
                return
            del self._running[deadline]
            deadline.ring()
        self._timer = None
