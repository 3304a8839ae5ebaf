"""The server's HTTP protocol with limits on what a request may be, and errors that can be read.

It overrides callbacks of uvicorn's `HttpToolsProtocol`, so uvicorn's minor version is pinned.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.core.ended import Refused
from app.web import whole_answer
from app.web.bodies import BODY_IS_LATE, BODY_TIMEOUT_S
from app.web.headers import new_request_id
from app.web.old_clients import Unchunked

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

MOST_HEAD_BYTES = 64 * 1024
MOST_FRAMING_BYTES = 64 * 1024
"""Bytes of a request that bring nothing of its body: chunk extensions, or trailers."""
MOST_UNSENT_BYTES = 16 * 1024  # then whoever writes waits for a caller that reads slowly
HEAD_TIMEOUT_S = 30.0
BODY_TIMEOUT_WITHOUT_SETTINGS_S = 120.0
REFUSED_UNREAD = "tollkeeper.refused_unread"
"""Where the lifespan's state has whom to tell of what was refused before any route saw it."""
HOP_BY_HOP = (b"upgrade", b"connection", b"http2-settings")


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's own, which would keep a head or a trailer of any size for any time."""

    _in_head = True
    _in_body = False
    _upgrading = False
    _head_bytes = 0
    _body_bytes = 0  # of all requests of the connection
    _framing_bytes = 0  # since its last byte of body
    _timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection some time to ask."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=MOST_UNSENT_BYTES)
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
            whole_answer.let_go(running)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse what is still not whole though it is too large, or takes too long."""
        known_bytes = self._body_bytes
        super().data_received(data)
        if self._upgrading:
            self._continue_without_upgrade(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(f"the request's head is larger than {MOST_HEAD_BYTES} bytes")
            elif self._timer is None:
                self._await_head()
        elif self._in_body:
            more = self._body_bytes > known_bytes
            self._framing_bytes = 0 if more else self._framing_bytes + len(data)
            if self._framing_bytes > MOST_FRAMING_BYTES:
                self._refuse("the request's trailers or chunk extensions are too large")
            elif self._timer is None:
                self._await_body()

    def on_message_begin(self) -> None:
        """The first bytes of another request."""
        super().on_message_begin()
        self._in_head = True
        self._in_body = False
        self._head_bytes = 0
        self._framing_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes after the body, a trailer, is nobody's to act on and is dropped."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._stop_waiting()
        self._in_head = False
        if self.parser.should_upgrade():
            self._upgrading = True
            return
        self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body has come."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._upgrading:
            return
        self._in_body = False
        if self._timer is not None:
            self._stop_waiting()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        if cycle.scope["http_version"] == "1.0":
            cycle.transport = Unchunked(cycle.transport)  # type: ignore[assignment]  # its part
        else:
            whole_answer.hold(cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The call and the way to answer it let go of each other."""
        if self._running is not None:
            whole_answer.let_go(self._running)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Say so in the shape of every other error, and close."""
        error = {"message": msg, "type": "invalid_request_error", "param": None}
        body = orjson.dumps({"error": {**error, "code": "invalid_request"}})
        request_id = new_request_id()
        tell = self.app_state.get(REFUSED_UNREAD)
        if tell is not None:
            tell(Refused(request_id, None, 400, "invalid_request", msg))
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _refuse(self, message: str) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.send_400_response(message)

    def _continue_without_upgrade(self, data: bytes) -> None:
        """Read a request as if it had not asked for another protocol, as RFC 9110 lets us.

        The parser leaves out the body of one that asks (Java's client does, for h2c, with each
        first request), so the head is given to a new parser without what it asked with.
        """
        if self.parser.get_method() == b"CONNECT":  # which asks for a tunnel, and for nothing else
            self._refuse("CONNECT is not supported: this is no proxy")
            return
        self._upgrading = False
        kept = [header for header in self.headers if header[0] not in HOP_BY_HOP]
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % header for header in kept]
        rest = data[self._end_of_head(data) :]
        self.parser = httptools.HttpRequestParser(self)
        super().data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _end_of_head(self, data: bytes) -> int:
        """Where the head ends in the last bytes that came: it was whole with them."""
        ends = [at + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := data.find(mark)) >= 0]
        if ends:
            return min(ends)
        return data.find(b"\n") + 1  # the blank line alone came last

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _await_body(self) -> None:
        told_s = self.app_state.get(BODY_TIMEOUT_S)
        patience_s = told_s() if told_s else BODY_TIMEOUT_WITHOUT_SETTINGS_S
        self._timer = self.loop.call_later(patience_s, self._body_is_late)

    def _body_is_late(self) -> None:
        """Whoever waits for it answers; where nobody does any more, the connection is closed."""
        self._timer = None
        cycle = self.cycle
        if cycle is not self._running:  # it waits for the answer before it, and is not read
            self._await_body()
            return
        if cycle.response_complete or cycle.disconnected:
            self.transport.close()
            return
        cycle.scope[BODY_IS_LATE] = True  # type: ignore[literal-required]  # ours
        cycle.message_event.set()
        self._await_body()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
