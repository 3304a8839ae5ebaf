"""An answer's head and body in one write: part of uvicorn's cycle done otherwise, for speed.

uvicorn writes the head by itself and looks at each header with two regular expressions. Here the
head leaves with the first bytes of the body, which is one system call and one wake-up of the client
less, and a whole answer of our own routes is checked in one pass.

What it gains is printed by `python bench/protocol.py`, which serves the same answers with and
without it in turn (docs/decisions.md has the figures). Without it everything works: take the call
of `hold` out of `LimitedProtocol._start_asgi_task`.

It reads and sets attributes of `RequestResponseCycle`, so uvicorn's minor version is pinned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.web.exchange import WHOLE_ANSWER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.web.running import Header

CONTINUE = b"HTTP/1.1 100 "
CONTROLS = bytes({*range(32), 127} - {9, 10, 13})
MOST_JOINED_BYTES = 64 * 1024  # copying more would cost what a second write does


def hold(cycle: RequestResponseCycle) -> None:
    """Let the cycle's answer leave by a `HeldHead`, unless it has no body to leave with."""
    if cycle.scope["method"] != "HEAD":
        held = HeldHead(cycle)
        cycle.transport = held  # type: ignore[assignment]  # its part
        cycle.scope[WHOLE_ANSWER] = held.answer  # type: ignore[literal-required]  # ours


def let_go(cycle: RequestResponseCycle) -> None:
    """The call and the way to answer it forget each other: no collector is needed."""
    cycle.scope.pop(WHOLE_ANSWER, None)  # type: ignore[misc]  # ours


class HeldHead:
    """What a cycle writes to: an answer's head leaves with the first bytes of its body.

    uvicorn writes the head by itself; each write is a system call and wakes the client.
    """

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Keep the head; then write both, and leave the rest of the body to the transport."""
        if self._head is not None:
            self._cycle.transport = self._transport
            if len(data) <= MOST_JOINED_BYTES:
                data = self._head + data
            else:
                self._transport.write(self._head)
            self._transport.write(data)
        elif data.startswith(CONTINUE):
            self._transport.write(data)
        else:
            self._head = data

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """Write a whole answer at once, where nothing about it is unusual: whether it was.

        uvicorn looks at each header's name and value by itself, for whoever may have made them.
        """
        cycle = self._cycle
        if (
            cycle.response_started
            or cycle.disconnected
            or cycle.flow.write_paused
            or not cycle.keep_alive
            or len(body) > MOST_JOINED_BYTES
        ):
            return False
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
        head = STATUS_LINE[status] + b"".join(lines)
        if not head.count(b"\n") == head.count(b"\r") == len(lines) + 1:
            return False  # something would pass for another line
        if len(head.translate(None, CONTROLS)) != len(head):
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport = self._transport
        self._transport.write(b"%b\r\n%b" % (head, body))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def is_closing(self) -> bool:
        """As the transport says."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection; a head whose body never came still leaves."""
        self._cycle.transport = self._transport
        if self._head is not None and not self._transport.is_closing():
            self._transport.write(self._head)
        self._transport.close()
