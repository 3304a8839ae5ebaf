"""The server's HTTP protocol with limits on a request's head, and errors that can be read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.web.exchange import WHOLE_ANSWER
from app.web.headers import new_request_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvicorn._types import ASGI3Application

    from app.web.running import Header

MOST_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_S = 30.0
CONTINUE = b"HTTP/1.1 100 "
CONTROLS = bytes({*range(32), 127} - {9, 10, 13})
MOST_JOINED_BYTES = 64 * 1024  # copying more would cost what a second write does


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's own, which would keep a head of any size for any time."""

    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection some time to ask."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the call that runs: uvicorn tells only the last one that was asked for."""
        self._stop_waiting()
        running = self._running
        if running is not None:
            if not running.response_complete:
                running.disconnected = True
                running.message_event.set()
            running.transport = self.transport  # a head that it held has nowhere to go
            running.scope.pop(WHOLE_ANSWER, None)  # type: ignore[misc]  # ours
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse a head that is still not whole though it is too large, or takes too long."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            self._stop_waiting()
            self.send_400_response(f"the request's head is larger than {MOST_HEAD_BYTES} bytes")
        elif self._head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """The first bytes of another request."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        if cycle.scope["method"] != "HEAD":
            held = HeldHead(cycle)
            cycle.transport = held  # type: ignore[assignment]  # its part
            cycle.scope[WHOLE_ANSWER] = held.answer  # type: ignore[literal-required]  # ours
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The call and the way to answer it let go of each other: no collector is needed."""
        if self._running is not None:
            self._running.scope.pop(WHOLE_ANSWER, None)  # type: ignore[misc]  # ours
        super().on_response_complete()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Say so in the shape of every other error, and close."""
        error = {"message": msg, "type": "invalid_request_error", "param": None}
        body = orjson.dumps({"error": {**error, "code": "invalid_request"}})
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-request-id: {new_request_id()}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


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
