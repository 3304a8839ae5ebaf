"""One HTTP exchange on a hot route: plain ASGI with what the routes need to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.web.bodies import BODY_IS_LATE, Arriving, is_whole, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import Receive, Scope, Send

    from app.web.running import Header, RunningGateway

WHOLE_ANSWER = "tollkeeper.whole_answer"
"""Where the server's own way to write a whole answer stands in the scope, if it has one."""

Dialect = Literal["openai", "anthropic"]

JSON: Header = (b"content-type", b"application/json")
SSE: Header = (b"content-type", b"text/event-stream; charset=utf-8")
CLOSE: Header = (b"connection", b"close")
NO_STORE: Header = (b"cache-control", b"no-store")
UNBUFFERED: Header = (b"x-accel-buffering", b"no")


@dataclass(slots=True)
class Exchange:
    """A request and the way to answer it.

    `key_id` is noted once it is known whose call it is, `model` once it is known what for; `fail`
    once a stream has begun: it writes the error event that must end it.
    """

    scope: Scope
    receive: Receive
    send: Send
    running: RunningGateway
    dialect: Dialect
    request_id: str
    key_id: str | None = None
    model: str | None = None
    fail: Callable[[Exception], bytes] | None = None
    named: dict[bytes, bytes] | None = None

    @property
    def headers(self) -> Iterable[Header]:
        """The request's headers as they came."""
        headers: Iterable[Header] = self.scope["headers"]
        return headers

    def header(self, name: bytes) -> str | None:
        """The last request header of that lower-case name, as text."""
        if self.named is None:
            self.named = dict(self.headers)
        value = self.named.get(name)
        return None if value is None else str(value, "latin-1")

    def bears_any(self, names: frozenset[bytes]) -> bool:
        """Whether there is a request header of any of these lower-case names."""
        if self.named is None:
            self.named = dict(self.headers)
        return not names.isdisjoint(self.named)

    async def body(self) -> bytes:
        """The whole body.

        Raises RequestTooLarge as soon as it is known to be too large, and as `Arriving.whole`.
        """
        running = self.running
        limits = running.settings.server
        most = limits.max_body_bytes
        length = self.header(b"content-length")
        if length is not None and length.isdecimal() and int(length) > most:
            raise too_large(most)
        first = await self.receive()
        if is_whole(first, most):
            body: bytes = first.get("body", b"")
            return body
        arriving = Arriving(
            self.scope, self.receive, running.pending, most, limits.max_pending_bytes
        )
        return await arriving.whole(first)

    async def begin(self, status: int, headers: Iterable[Header]) -> None:
        """Send the answer's status and headers, with those that every answer carries."""
        await self._start(status, [*headers, *self.running.every])

    async def _start(self, status: int, own: list[Header]) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": own})

    async def part(self, body: bytes) -> None:
        """Send some bytes of a streamed answer."""
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def last(self, body: bytes = b"") -> None:
        """Send the last bytes of an answer."""
        await self.send({"type": "http.response.body", "body": body})

    async def answer(
        self, status: int, headers: Iterable[Header], body: bytes, kind: Header = JSON
    ) -> None:
        """Send one whole answer, of JSON unless it is of another `kind`."""
        own = [kind, (b"content-length", b"%d" % len(body)), *headers, *self.running.every]
        at_once = None
        if BODY_IS_LATE in self.scope:
            own.append(CLOSE)
        else:
            at_once = self.scope.get(WHOLE_ANSWER)
        if at_once is None or not at_once(status, own, body):
            await self._start(status, own)
            await self.last(body)

    async def answer_plainly(self, body: bytes) -> None:
        """Send one whole JSON answer that was not priced."""
        await self.answer(200, [(b"x-request-id", self.request_id.encode())], body)
