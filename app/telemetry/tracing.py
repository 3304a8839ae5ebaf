"""Finished calls on their way to Langfuse or a collector: a bounded queue, and a thread.

The request's path pays for a copy of a few fields and an append. What does not fit into the
queue, and what a destination would not take, is counted. Costs without being enabled: nothing,
since OpenTelemetry's SDK (14 MB) is imported by the thread's own module.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from app.core.request import Request
from app.telemetry.observations import Told, error_text

if TYPE_CHECKING:
    from app.core.ended import Ended, Refused

MOST_WAITING = 4_096
MOST_CONTENT_BYTES = 64 * 2**20  # of prompts and answers that wait, as far as tokens tell
BYTES_PER_TOKEN = 4
MOST_AT_ONCE = 256
PAUSE_S = 0.5
LAST_S = 5.0  # to send what waits when the gateway stops


@dataclass(frozen=True, slots=True)
class Destination:
    """Where spans go: an OTLP/HTTP endpoint; `name` is the metric's label."""

    name: str
    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    include_content: bool = False


class Sender(Protocol):
    """Sends calls as spans, from the thread."""

    def send(self, calls: Sequence[Told]) -> bool:
        """Whether they were taken; never raises for the network's sake."""

    def close(self) -> None:
        """Give up connections."""


class Tracing:
    """Implements the recorder's port for one destination."""

    def __init__(
        self,
        destination: Destination,
        opened: Callable[[Destination], Sender],
        lost: Callable[[str, int], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._destination = destination
        self._opened = opened
        self._lost = lost
        self._now_ns = now_ns
        self._waiting: deque[Told] = deque()
        self._queued_bytes = 0  # of content, ever; written by the gateway's thread alone
        self._sent_bytes = 0  # the same, by this one's
        self._ending = threading.Event()
        self._deadline_s: float | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"telemetry-{destination.name}", daemon=True
        )

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Send what waits, for a few seconds at most; blocks."""
        self._deadline_s = time.monotonic() + LAST_S
        self._ending.set()
        self._thread.join(LAST_S + 1)
        if self._waiting:
            self._lost(f"{self._destination.name}_unsent", len(self._waiting))

    def record(self, call: Ended) -> None:
        """Queue it, or count it as lost."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost(f"{self._destination.name}_queue", 1)
            return
        self._waiting.append(self.told(call))

    def queue(self, told: Told) -> None:
        """The same of what was made ready before."""
        if len(self._waiting) >= MOST_WAITING:
            self._queued_bytes -= told.content_bytes
            self._lost(f"{self._destination.name}_queue", 1)
            return
        self._waiting.append(told)

    def refused(self, _call: Refused) -> None:
        """Nothing: what was not sent is no generation."""

    def not_counted(self, _call: Refused) -> None:
        """Nothing: a count is no generation."""

    def told(self, call: Ended, ended_ns: int | None = None) -> Told:
        """What is needed of it: a prompt may be large, and an exception holds all that was.

        It ended now, unless `ended_ns` says when.
        """
        request = call.request
        slim = replace(
            call,
            error=None,
            content=None,
            request=Request(
                model=request.model,
                messages=(),
                max_tokens=request.max_tokens,
                options=request.options,
                end_user=request.end_user,
                tags=request.tags,
            ),
        )
        told = Told(slim, ended_ns or self._now_ns(), error_text(call.error))
        if not self._destination.include_content or call.charge is None:
            return told
        usage = call.charge.usage
        size = (usage.prompt_tokens + usage.output_tokens) * BYTES_PER_TOKEN
        if self._queued_bytes - self._sent_bytes + size > MOST_CONTENT_BYTES:
            return told
        prompt = {"system": request.system, "messages": request.messages, "tools": request.tools}
        self._queued_bytes += size
        return replace(told, prompt=prompt, answer=call.content, content_bytes=size)

    def _run(self) -> None:
        sender = self._opened(self._destination)
        while not self._ending.wait(PAUSE_S) or self._waiting:
            self._send_waiting(sender)
            if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
                break
        sender.close()

    def _send_waiting(self, sender: Sender) -> None:
        while self._waiting:
            if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
                return
            calls = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
            taken = sender.send(calls)
            self._sent_bytes += sum(told.content_bytes for told in calls)
            if not taken:
                self._lost(f"{self._destination.name}_export", len(calls))
