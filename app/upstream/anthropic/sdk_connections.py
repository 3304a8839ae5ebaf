"""The SDK's connections: which of them are new, and no more of an error than is worth reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2

from app.upstream.anthropic.transport import (
    KEEPALIVE_S,
    MAX_ERROR_BYTES,
    OK,
    STALE_S,
)

BROKEN_OFF = (httpx2.ReadError, httpx2.WriteError, httpx2.CloseError)
NOTHING_CAME = "Server disconnected without sending a response."


class StaleConnection(httpx2.TransportError):
    """A kept-alive connection broke off at once: its other end had closed it."""


class Connections(httpx2.AsyncHTTPTransport):
    """Every connection to one upstream; certificates are those of the environment."""

    def __init__(self, proxy: str | None, error_patience_s: float) -> None:
        self._error_patience_s = error_patience_s
        limits = httpx2.Limits(keepalive_expiry=KEEPALIVE_S)
        super().__init__(limits=limits, proxy=proxy, trust_env=True)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2; raises StaleConnection too."""
        connected = False

        async def note(event: str, _info: object) -> None:
            nonlocal connected
            connected = connected or event.startswith("connection.connect_tcp")

        request.extensions = {**request.extensions, "trace": note}
        begun_s = time.monotonic()
        try:
            answer = await super().handle_async_request(request)
        except (*BROKEN_OFF, httpx2.RemoteProtocolError) as error:
            silent = isinstance(error, BROKEN_OFF) or str(error) == NOTHING_CAME
            if silent and not connected and time.monotonic() - begun_s <= STALE_S:
                raise StaleConnection(NOTHING_CAME) from error
            raise
        if answer.status_code != OK and isinstance(answer.stream, httpx2.AsyncByteStream):
            answer.stream = ErrorBody(answer.stream, self._error_patience_s)
        return answer


class ErrorBody(httpx2.AsyncByteStream):
    """As much of an error's body as comes: its status already says what happened."""

    def __init__(self, stream: httpx2.AsyncByteStream, patience_s: float) -> None:
        self._stream = stream
        self._patience_s = patience_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._patience_s):
                async for part in self._stream:
                    parts.append(part)
                    size += len(part)
                    if size >= MAX_ERROR_BYTES:
                        break
        except (TimeoutError, httpx2.HTTPError):
            pass
        for part in parts:
            yield part

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._stream.aclose()
