"""Anthropic as an upstream: one attempt, from a canonical request to a canonical answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

from app.core.errors import APIResponseValidationError, APIStatusError, status_error
from app.core.request import Reply
from app.dialects.anthropic.stream import EventReader, StreamTap
from app.dialects.anthropic.wire import (
    count_tokens_body,
    counted_tokens,
    encode,
    reply_from,
    status_of_error,
    wire_headers,
)
from app.ports import Call, Part
from app.upstream.anthropic.transport import OK, OpenStream, Transport

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"
REQUEST_ID = "request-id"
PASSED_ON = "anthropic-"  # of the caller's own headers; never credentials


class AnthropicUpstream:
    """Implements ports.Upstream."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, call: Call) -> Reply:
        """See ports.Upstream."""
        body = encode(call.request, call.model.id)
        response = await self._transport.post(MESSAGES, body, _headers(call))
        try:
            return reply_from(response.body, response.headers)
        except APIResponseValidationError as error:
            request_id = response.headers.get(REQUEST_ID)
            raise APIResponseValidationError(
                error.message, status=OK, request_id=request_id
            ) from error

    def stream(self, call: Call) -> AnthropicStream:
        """See ports.Upstream."""
        return AnthropicStream(self._transport, call)

    async def count_tokens(self, call: Call) -> int:
        """See ports.Upstream."""
        body = count_tokens_body(call.request, call.model.id)
        response = await self._transport.post(COUNT_TOKENS, body, _headers(call))
        return counted_tokens(response.body)

    async def close(self) -> None:
        """See ports.Upstream."""
        await self._transport.close()


class AnthropicStream:
    """Implements ports.UpstreamStream; opened and closed as a context."""

    def __init__(self, transport: Transport, call: Call) -> None:
        self.headers: Mapping[str, str] = {}
        self._transport = transport
        self._call = call
        self._open: OpenStream | None = None
        self._tap = StreamTap()
        self.meter = self._tap.meter

    async def __aenter__(self) -> Self:
        call = self._call
        body = encode(call.request, call.model.id)
        self._open = await self._transport.open_stream(MESSAGES, body, _headers(call))
        self.headers = self._open.headers
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._open is not None:
            await self._open.close()

    async def parts(self) -> AsyncIterator[Part]:
        """See ports.UpstreamStream."""
        if self._open is None:
            raise RuntimeError("the stream is read outside of its context")
        reader, tap = EventReader(), self._tap
        async for chunk in self._open.chunks():
            events = reader.feed(chunk)
            tap.feed(events, time.monotonic())
            yield Part(chunk, events)
            if tap.error is not None:
                raise _broken(tap.error)
        if not tap.meter.finished:
            raise APIResponseValidationError("the upstream's stream ended too early")


def _broken(error: Mapping[str, Any]) -> APIStatusError:
    """For an error event: the upstream broke the answer off after it began."""
    status = status_of_error(error)
    message = str(error.get("message") or "the upstream broke the stream off")
    return status_error(status)(message, status=status)


def _headers(call: Call) -> Mapping[str, str]:
    """The version that the body needs, unless the caller speaks for itself."""
    headers = wire_headers(call.request)
    if not call.headers:
        return headers
    own = {name.lower(): value for name, value in call.headers.items()}
    passed_on = {name: value for name, value in own.items() if name.startswith(PASSED_ON)}
    return {**headers, **passed_on}
