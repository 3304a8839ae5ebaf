"""Anthropic over aiohttp: the default transport, the cheapest way to the wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from io import BytesIO

import aiohttp
from yarl import URL

from app.core.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    StaleConnectionError,
    UpstreamError,
)
from app.dialects.anthropic.wire import USUAL_HEADERS
from app.upstream.anthropic.connections import Connections
from app.upstream.anthropic.posts import MOST_BYTES, Answered, Posts, are_fit_for
from app.upstream.anthropic.transport import (
    CONNECT_SHARE,
    ERROR_PATIENCE_S,
    MAX_ERROR_BYTES,
    OK,
    STALE_S,
    UNFIT,
    raise_for_status,
    readable,
)
from app.upstream.options import UpstreamOptions

# A stream whose caller reads slowly holds a few times as much, as bytes, events and chunks.
MOST_READ_BYTES = 16 * 1024
BYTES_SENT_AT_ONCE = 1024 * 1024  # aiohttp wants larger bodies as a file

# Raised before anything was sent.
NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)
# An address, a port, a host name or a key that no request can be made of.
NEVER_WRITTEN = (ValueError, OverflowError, aiohttp.NonHttpUrlClientError)
BROKEN_OFF = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class AiohttpTransport:
    """One session for all calls, opened in the event loop of the first one."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._base_url = options.base_url.rstrip("/")
        self._proxy = options.proxy
        self._ways: dict[str, tuple[URL, Posts | None]] = {}
        self._headers = {
            **_credentials(options),
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "tollkeeper",
            **USUAL_HEADERS,
        }
        connect_s = min(options.connect_timeout_s, CONNECT_SHARE * options.opening_timeout_s)
        self._limits = aiohttp.ClientTimeout(total=None, connect=connect_s)
        self._error_patience_s = min(ERROR_PATIENCE_S, options.idle_timeout_s)
        self._opened: tuple[aiohttp.ClientSession, Connections] | None = None

    async def open(self, path: str, body: bytes, headers: Mapping[str, str]) -> AiohttpAnswer:
        """See Transport."""
        session, connections = self._opened or self._open()
        connections.begin()
        begun_s = time.monotonic()
        try:
            added = None if headers is USUAL_HEADERS else headers
            url, posts = self._ways.get(path) or self._way(path, session, connections)
            head = posts.head(added) if posts and len(body) <= MOST_BYTES else None
            if posts and head is not None:
                answer: aiohttp.ClientResponse | Answered = await posts.post(head, body)
            else:
                answer = await session.post(
                    url,
                    data=body if len(body) <= BYTES_SENT_AT_ONCE else BytesIO(body),
                    headers=added,
                    timeout=self._limits,
                    allow_redirects=False,
                )
        except NEVER_WRITTEN as error:
            told = type(error).__name__  # its text may hold the key
            raise APIConnectionError(f"{UNFIT}: {told}") from None
        except BROKEN_OFF as error:
            if connections.reused and time.monotonic() - begun_s <= STALE_S:
                raise StaleConnectionError("the upstream had closed the connection") from error
            raise _mapped(error) from error
        except (OSError, aiohttp.ClientError) as error:
            raise _mapped(error) from _cause(error)
        names = readable(answer.headers.items())
        if answer.status != OK:
            raise_for_status(
                answer.status, names, await _error_body(answer, self._error_patience_s)
            )
        return AiohttpAnswer(answer, names)

    async def close(self) -> None:
        """See Transport."""
        if self._opened is not None:
            await self._opened[0].close()

    def _way(
        self, path: str, session: aiohttp.ClientSession, connections: Connections
    ) -> tuple[URL, Posts | None]:
        url, posts = URL(self._base_url + path), None
        if self._proxy is None and are_fit_for(url):
            posts = Posts(session, connections, url, self._limits, MOST_READ_BYTES)
        self._ways[path] = url, posts
        return url, posts

    def _open(self) -> tuple[aiohttp.ClientSession, Connections]:
        connections = Connections()
        session = aiohttp.ClientSession(
            connector=connections,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=MOST_READ_BYTES,
            proxy=self._proxy,
            trust_env=False,
        )
        self._opened = session, connections
        return self._opened


class AiohttpAnswer:
    """See Answer."""

    def __init__(
        self, answer: aiohttp.ClientResponse | Answered, headers: Mapping[str, str]
    ) -> None:
        self.headers = headers
        self._answer = answer

    async def read(self) -> bytes:
        """See Answer."""
        try:
            return await self._answer.content.read(MOST_READ_BYTES)
        except (OSError, aiohttp.ClientError) as error:
            raise _mapped(error) from _cause(error)

    def is_over(self) -> bool:
        """See Answer."""
        return self._answer.content.at_eof()

    async def close(self) -> None:
        """See Answer."""
        self._answer.close()


def _credentials(options: UpstreamOptions) -> Mapping[str, str]:
    if options.kind == "openrouter":
        return {"authorization": f"Bearer {options.api_key}"}
    return {"x-api-key": options.api_key}


async def _error_body(answer: aiohttp.ClientResponse | Answered, patience_s: float) -> bytes:
    """As much of an error's body as comes: its status already says what happened."""
    body = b""
    try:
        async with asyncio.timeout(patience_s):
            while len(body) < MAX_ERROR_BYTES and (part := await answer.content.readany()):
                body += part
    except (OSError, aiohttp.ClientError):
        return body
    finally:
        answer.close()
    return body


def _mapped(error: OSError | aiohttp.ClientError) -> UpstreamError:
    if isinstance(error, NEVER_CONNECTED):
        return APIConnectionError(f"could not connect to the upstream: {error}")
    if isinstance(error, TimeoutError):
        return APITimeoutError("the upstream did not answer in time")
    return APIResponseValidationError(f"the upstream's answer broke off: {type(error).__name__}")


def _cause(error: Exception) -> Exception | None:
    """What may be chained: aiohttp keeps the request's headers, our key too, in some errors."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error
