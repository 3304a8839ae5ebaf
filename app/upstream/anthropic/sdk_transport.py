"""Anthropic over the vendor's SDK, raw: its types would drop what they don't know.

Importing this module imports the SDK, which costs seconds and tens of megabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self

import anthropic
import httpx2

from app.core.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    UpstreamError,
)
from app.upstream.anthropic.transport import (
    CONNECT_SHARE,
    KEEPALIVE_S,
    MAX_BODY_BYTES,
    Response,
    raise_for_status,
    readable,
    refuse_error_event,
    too_large,
)
from app.upstream.options import UpstreamOptions

# Raised before anything was sent.
NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)
UNREAD: bool = True  # the SDK types a stream as its own class, but gives the raw answer
FAILURES = (OSError, anthropic.AnthropicError, httpx2.HTTPError, httpx2.StreamError)


class SdkTransport:
    """One SDK client for all calls, without its retries, spans, cookies and redirects."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        connect_s = min(options.connect_timeout_s, CONNECT_SHARE * options.opening_timeout_s)
        self._client = anthropic.AsyncAnthropic(
            api_key=options.api_key,
            base_url=options.base_url,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=connect_s),
            default_headers={"accept-encoding": "identity", "user-agent": "tollkeeper"},
            open_telemetry=False,
            http_client=httpx2.AsyncClient(
                limits=httpx2.Limits(keepalive_expiry=KEEPALIVE_S),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                trust_env=False,
            ),
        )

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """See Transport."""
        answer: httpx2.Response | None = None
        try:
            async with asyncio.timeout(self._options.total_timeout_s):
                answer = await self._send(path, body, headers)
                return Response(readable(answer.headers.items()), await _whole_body(answer))
        except FAILURES as error:
            raise _mapped(error) from error
        finally:
            await _abandon(answer)

    async def open_stream(self, path: str, body: bytes, headers: Mapping[str, str]) -> SdkStream:
        """See Transport."""
        answer: httpx2.Response | None = None
        try:
            async with asyncio.timeout(self._options.opening_timeout_s):
                answer = await self._send(path, body, headers)
                parts = answer.aiter_bytes()
                first = await _first_bytes(parts)
                names = readable(answer.headers.items())
            refuse_error_event(first, names)
        except FAILURES as error:
            await _abandon(answer)
            raise _mapped(error) from error
        except BaseException:
            await _abandon(answer)
            raise
        return SdkStream(answer, names, first, parts, self._options)

    async def close(self) -> None:
        """See Transport."""
        await self._client.close()

    async def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """An answer with status 200, its body unread.  Raises one of FAILURES or APIStatusError."""
        try:
            answer = await self._client.post(
                path,
                cast_to=httpx2.Response,
                content=body,
                options={"headers": dict(headers)},
                stream=UNREAD,
                stream_cls=anthropic.AsyncStream[object],
            )
        except anthropic.APIStatusError as error:
            refused = error.response
            raise_for_status(
                refused.status_code, readable(refused.headers.items()), refused.content
            )
        if not isinstance(answer, httpx2.Response):
            raise APIResponseValidationError("the SDK gave something else than a raw answer")
        return answer


class SdkStream:
    """A stream that has begun; each wait for more is limited, whoever reads it slowly is not."""

    def __init__(
        self,
        answer: httpx2.Response,
        headers: Mapping[str, str],
        first: bytes,
        parts: AsyncIterator[bytes],
        options: UpstreamOptions,
    ) -> None:
        self.headers = headers
        self._answer = answer
        self._first = first
        self._parts = parts
        self._idle_s = options.idle_timeout_s
        self._now = asyncio.get_running_loop().time
        self._ends_at_s = self._now() + options.stream_timeout_s

    def chunks(self) -> Self:
        """See OpenStream."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        patience_s = min(self._idle_s, self._ends_at_s - self._now())
        if patience_s <= 0:
            raise APITimeoutError("the stream took longer than it may")
        try:
            async with asyncio.timeout(patience_s):
                return await anext(self._parts)
        except FAILURES as error:
            raise _mapped(error) from error

    async def close(self) -> None:
        """See OpenStream."""
        await _abandon(self._answer)


async def _first_bytes(parts: AsyncIterator[bytes]) -> bytes:
    async for part in parts:
        if part:
            return part
    raise APIResponseValidationError("the upstream's stream ended before it began")


async def _whole_body(answer: httpx2.Response) -> bytes:
    """The body, or an error once it proves too large to be an answer."""
    parts = []
    size = 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise too_large()
    return b"".join(parts)


async def _abandon(answer: httpx2.Response | None) -> None:
    """Close the connection, unless the answer came to its end and gave it back."""
    if answer is not None:
        await answer.aclose()


def _mapped(error: Exception) -> UpstreamError:
    """Our error for one of FAILURES; the SDK's own wrap what the wire raised."""
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    if isinstance(cause, NEVER_SENT):
        return APIConnectionError(f"could not connect to the upstream: {cause}")
    if isinstance(cause, (TimeoutError, httpx2.TimeoutException)):
        return APITimeoutError("the upstream did not answer in time")
    return APIResponseValidationError(f"the upstream's answer broke off: {type(cause).__name__}")
