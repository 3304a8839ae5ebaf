"""The server's HTTP protocol with limits on a request's head, and errors that can be read."""

from __future__ import annotations

import asyncio

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.headers import new_request_id

MOST_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_S = 30.0


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's own, which would keep a head of any size for any time."""

    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection some time to ask."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._stop_waiting()
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
