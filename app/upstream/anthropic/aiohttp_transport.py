"""Anthropic over aiohttp: the default transport, the cheapest way to the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from io import BytesIO
from typing import Self

import aiohttp
from yarl import URL

from app.core.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    UpstreamError,
)
from app.dialects.anthropic.wire import USUAL_HEADERS
from app.upstream.anthropic.transport import (
    CONNECT_SHARE,
    KEEPALIVE_S,
    MAX_BODY_BYTES,
    MAX_ERROR_BYTES,
    OK,
    Response,
    raise_for_status,
    readable,
    refuse_error_event,
    too_large,
)
from app.upstream.options import UpstreamOptions

DNS_CACHE_S = 30
BYTES_SENT_AT_ONCE = 1024 * 1024  # aiohttp wants larger bodies as a file

# Raised before anything was sent.
NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class AiohttpTransport:
    """One session for all calls, opened in the event loop of the first one."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        self._base_url = options.base_url.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._headers = {
            "x-api-key": options.api_key,
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "tollkeeper",
            **USUAL_HEADERS,
        }
        connect_s = min(options.connect_timeout_s, CONNECT_SHARE * options.opening_timeout_s)
        self._whole = aiohttp.ClientTimeout(total=options.total_timeout_s, connect=connect_s)
        self._streamed = aiohttp.ClientTimeout(total=None, connect=connect_s)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """See Transport."""
        try:
            async with await self._send(path, body, headers, self._whole) as answer:
                names = readable(answer.headers.items())
                if answer.status != OK:
                    raise_for_status(answer.status, names, await _error_body(answer))
                return Response(names, await _whole_body(answer))
        except (OSError, aiohttp.ClientError) as error:
            raise _mapped(error) from _cause(error)

    async def open_stream(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> AiohttpStream:
        """See Transport."""
        answer: aiohttp.ClientResponse | None = None
        try:
            async with asyncio.timeout(self._options.opening_timeout_s):
                answer = await self._send(path, body, headers, self._streamed)
                names = readable(answer.headers.items())
                if answer.status != OK:
                    raise_for_status(answer.status, names, await _error_body(answer))
                first = await _first_bytes(answer, names)
        except (OSError, aiohttp.ClientError) as error:
            _abandon(answer)
            raise _mapped(error) from _cause(error)
        except BaseException:
            _abandon(answer)
            raise
        return AiohttpStream(answer, names, first, self._options)

    async def close(self) -> None:
        """See Transport."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, path: str, body: bytes, headers: Mapping[str, str], limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        session = self._session or self._open()
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base_url + path)
        return await session.post(
            url,
            data=body if len(body) <= BYTES_SENT_AT_ONCE else BytesIO(body),
            headers=None if headers is USUAL_HEADERS else headers,
            timeout=limits,
            allow_redirects=False,
        )

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=DNS_CACHE_S
            ),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self._session


class AiohttpStream:
    """A stream that has begun; each wait for more is limited, whoever reads it slowly is not."""

    def __init__(
        self,
        answer: aiohttp.ClientResponse,
        headers: Mapping[str, str],
        first: bytes,
        options: UpstreamOptions,
    ) -> None:
        self.headers = headers
        self._answer = answer
        self._first = first
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
                chunk = await self._answer.content.readany()
        except (OSError, aiohttp.ClientError) as error:
            raise _mapped(error) from _cause(error)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def close(self) -> None:
        """See OpenStream."""
        _abandon(self._answer)


async def _whole_body(answer: aiohttp.ClientResponse) -> bytes:
    """The body, or an error once it proves too large to be an answer."""
    if (answer.content_length or 0) > MAX_BODY_BYTES:
        raise too_large()
    body = await answer.content.readany()
    if answer.content.at_eof():
        return body
    parts = [body]
    size = len(body)
    while part := await answer.content.readany():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise too_large()
    return b"".join(parts)


async def _first_bytes(answer: aiohttp.ClientResponse, headers: Mapping[str, str]) -> bytes:
    first = await answer.content.readany()
    if not first:
        raise APIResponseValidationError("the upstream's stream ended before it began")
    refuse_error_event(first, headers)
    return first


async def _error_body(answer: aiohttp.ClientResponse) -> bytes:
    """As much of an error's body as comes: its status already says what happened."""
    body = b""
    try:
        while len(body) < MAX_ERROR_BYTES and (part := await answer.content.readany()):
            body += part
    except (OSError, aiohttp.ClientError):
        return body
    return body


def _abandon(answer: aiohttp.ClientResponse | None) -> None:
    """Close the connection, unless the answer came to its end and gave it back."""
    if answer is not None:
        answer.close()


def _mapped(error: OSError | aiohttp.ClientError) -> UpstreamError:
    if isinstance(error, NEVER_SENT):
        return APIConnectionError(f"could not connect to the upstream: {error}")
    if isinstance(error, TimeoutError):
        return APITimeoutError("the upstream did not answer in time")
    return APIResponseValidationError(f"the upstream's answer broke off: {type(error).__name__}")


def _cause(error: Exception) -> Exception | None:
    """What may be chained: aiohttp keeps the request's headers, our key too, in some errors."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error
