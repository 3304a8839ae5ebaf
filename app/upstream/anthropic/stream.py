"""One attempt at a streamed answer: whole events, and what they have used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import orjson

from app.core.errors import (
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    UpstreamError,
    status_error,
)
from app.core.values import value
from app.dialects.anthropic.events import EventReader
from app.dialects.anthropic.stream import StreamTap
from app.dialects.anthropic.wire import status_of_error
from app.dialects.json_text import dumps, loads
from app.ports import Part
from app.upstream.anthropic.redaction import Redaction
from app.upstream.anthropic.transport import (
    Answer,
    Transport,
    raise_for_status,
    refuse_error,
    unreadable,
)
from app.upstream.options import UpstreamOptions

LONGEST_OPENING = 1024 * 1024  # bytes before the first event that says something
END_PATIENCE_S = 0.25  # for the connection's end once the answer is whole
PING = "ping"
MOST_AT_THE_END = 16  # reads of what nobody waits for
STOP_PATIENCE_S = 10.0  # for the stream's end once the model has stopped, however much it pings


@value
class Sent:
    """What an attempt sends, and whether any of its cache marks asks for an hour."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    marked_1h: Callable[[], bool]


class AnthropicStream:
    """Implements ports.UpstreamStream; opened and closed as a context."""

    def __init__(
        self, transport: Transport, options: UpstreamOptions, redaction: Redaction, sent: Sent
    ) -> None:
        self.headers: Mapping[str, str] = {}
        self._transport = transport
        self._options = options
        self._redaction = redaction
        self._sent = sent
        self._answer: Answer | None = None
        self._reader = EventReader()
        self._tap = StreamTap(sent.marked_1h)
        self.meter = self._tap.meter
        self._opening: list[Part] = []
        self._now = asyncio.get_running_loop().time
        self._ends_at_s = 0.0  # the latest moment for more of the answer

    async def __aenter__(self) -> Self:
        sent = self._sent
        try:
            async with asyncio.timeout(self._options.opening_timeout_s):
                self._answer = await self._transport.open(sent.path, sent.body, sent.headers)
                self.headers = self._answer.headers
                await self._read_opening(self._answer)
        except TimeoutError as error:
            await self._close()
            raise APITimeoutError("the upstream did not answer in time") from error
        except APIStatusError as error:
            await self._close()
            raise self._redaction.error(error) from None
        except BaseException:
            await self._close()
            raise
        self._ends_at_s = self._now() + self._options.stream_timeout_s
        if self.meter.stop_reason is not None:
            self._expect_end()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def parts(self) -> AsyncIterator[Part]:
        """See ports.UpstreamStream."""
        if self._answer is None:
            raise RuntimeError("the stream is read outside of its context")
        tap, reader = self._tap, self._reader
        for part in self._opening:
            yield part
        self._opening.clear()
        while True:
            if tap.error is not None:
                raise self._told_error(tap.error)
            if reader.unreadable is not None:
                raise reader.unreadable
            if reader.ended:
                break
            part = self._part(await self._read(self._answer))
            if part.raw:
                yield part
        await self._read_end(self._answer)

    async def _read_opening(self, answer: Answer) -> None:
        """Read until an event says something: from then on the stream has begun.

        Raises APIStatusError for an error that comes first: nothing was generated, and the
        vendor can't change the status any more when it refuses a stream it has accepted.
        """
        chunks: list[bytes] = []
        size = 0
        while True:
            chunk = await answer.read()
            chunks.append(chunk)
            size += len(chunk)
            if not chunk or size > LONGEST_OPENING:
                refuse_error(b"".join(chunks), answer.headers)
                raise unreadable("the upstream's stream ended before it began", answer.headers)
            try:
                part = self._part(chunk)
            except APIResponseValidationError as error:
                raise unreadable(error.message, answer.headers) from error
            self._opening.append(part)
            said = next((event for event in part.events if event.get("type") != PING), None)
            if said is None:
                continue
            if said.get("type") == "error":
                status = status_of_error(said.get("error"))
                headers = {**answer.headers, "content-type": "application/json"}
                raise_for_status(status, headers, orjson.dumps(said))
            return

    def _part(self, chunk: bytes) -> Part:
        raw, events = self._reader.feed(chunk)
        if not events:
            return Part(raw, events)
        tap = self._tap
        tap.feed(events, self._now())
        if tap.error is not None:
            raw = self._redaction.data(raw)
            events = loads(self._redaction.data(dumps(events)))
        elif self.meter.stop_reason is not None and any(e.get("type") != PING for e in events):
            self._expect_end()
        return Part(raw, events)

    def _expect_end(self) -> None:
        """The model has stopped: the end must come soon, unless something else still comes."""
        patience_s = min(STOP_PATIENCE_S, self._options.idle_timeout_s)
        self._ends_at_s = min(self._ends_at_s, self._now() + patience_s)

    async def _read(self, answer: Answer) -> bytes:
        patience_s = min(self._options.idle_timeout_s, self._ends_at_s - self._now())
        if patience_s <= 0:
            raise APITimeoutError("the stream took longer than it may")
        try:
            async with asyncio.timeout(patience_s):
                chunk = await answer.read()
        except TimeoutError as error:
            raise APITimeoutError("the upstream fell silent within its answer") from error
        if not chunk:
            raise APIResponseValidationError("the upstream's stream ended too early")
        return chunk

    async def _read_end(self, answer: Answer) -> None:
        """Let the connection come to its end, so that it can be used again; nothing else counts."""
        if answer.is_over():
            return
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(END_PATIENCE_S):
                for _ in range(MOST_AT_THE_END):
                    if not await answer.read():
                        return

    def _told_error(self, error: Mapping[str, Any]) -> UpstreamError:
        """For an error event: the upstream broke the answer off after it began.

        An answer that began and never said what its prompt counts may have been billed.
        """
        message = str(error.get("message") or "the upstream broke the stream off")
        message = self._redaction.text(message)
        if self.meter.begun and self.meter.usage is None:
            return unreadable(message, self.headers)
        status = status_of_error(error)
        return status_error(status, message)(message, status=status)

    async def _close(self) -> None:
        if self._answer is not None:
            await self._answer.close()
