"""Anthropic as an upstream: a transport with retries around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

from app.core.errors import APIResponseValidationError
from app.core.request import Reply
from app.dialects.anthropic.wire import (
    count_tokens_body,
    counted_tokens,
    encode,
    reply_from,
    wire_headers,
)
from app.ports import Call, Hold
from app.upstream.anthropic.transport import OK, OpenStream, Transport
from app.upstream.retries import Retries

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"
REQUEST_ID = "request-id"
PASSED_ON = "anthropic-"  # of the caller's own headers; never credentials


class AnthropicUpstream:
    """Implements ports.Upstream."""

    def __init__(self, transport: Transport, retries: Retries) -> None:
        self._transport = transport
        self._retries = retries

    async def send(self, call: Call, hold: Hold) -> Reply:
        """See ports.Upstream."""
        body = encode(call.request, call.model.id)
        headers = _headers(call)

        async def attempt() -> Reply:
            response = await self._transport.post(MESSAGES, body, headers)
            try:
                return reply_from(response.body, response.headers)
            except APIResponseValidationError as error:
                request_id = response.headers.get(REQUEST_ID)
                raise APIResponseValidationError(
                    error.message, status=OK, request_id=request_id
                ) from error

        return await self._retries.run(attempt, _request_id_of_reply, hold)

    def stream(self, call: Call, hold: Hold) -> AnthropicStream:
        """See ports.Upstream."""
        return AnthropicStream(self._transport, self._retries, call, hold)

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

    def __init__(self, transport: Transport, retries: Retries, call: Call, hold: Hold) -> None:
        self.request_id: str | None = None
        self.headers: Mapping[str, str] = {}
        self._transport = transport
        self._retries = retries
        self._call = call
        self._hold = hold
        self._open: OpenStream | None = None

    async def __aenter__(self) -> Self:
        call = self._call
        body = encode(call.request, call.model.id)
        headers = _headers(call)

        async def attempt() -> OpenStream:
            return await self._transport.open_stream(MESSAGES, body, headers)

        self._open = await self._retries.run(attempt, _request_id_of_stream, self._hold)
        self.headers = self._open.headers
        self.request_id = self.headers.get(REQUEST_ID)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._open is not None:
            await self._open.close()

    def chunks(self) -> AsyncIterator[bytes]:
        """See ports.UpstreamStream."""
        if self._open is None:
            raise RuntimeError("the stream is read outside of its context")
        return self._open.chunks()


def _headers(call: Call) -> Mapping[str, str]:
    """The version that the body needs, unless the caller speaks for itself."""
    headers = wire_headers(call.request)
    if not call.headers:
        return headers
    own = {name.lower(): value for name, value in call.headers.items()}
    passed_on = {name: value for name, value in own.items() if name.startswith(PASSED_ON)}
    return {**headers, **passed_on}


def _request_id_of_reply(reply: Reply) -> str | None:
    return reply.headers.get(REQUEST_ID)


def _request_id_of_stream(stream: OpenStream) -> str | None:
    return stream.headers.get(REQUEST_ID)
