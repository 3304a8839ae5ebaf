"""Anthropic over the vendor's SDK, raw: its types would drop what they don't know.

Importing this module imports the SDK, which costs seconds and tens of megabytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anthropic
import httpx2

from app.core.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    StaleConnectionError,
    UpstreamError,
)
from app.upstream.anthropic.sdk_connections import Connections, StaleConnection
from app.upstream.anthropic.transport import (
    CONNECT_SHARE,
    ERROR_PATIENCE_S,
    UNFIT,
    raise_for_status,
    readable,
)
from app.upstream.options import UpstreamOptions

# Raised before anything was sent.
NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)
# An address, a port, a host name or a key that no request can be made of.
NEVER_WRITTEN = (
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
    ValueError,
    TypeError,
    OverflowError,
    ExceptionGroup,  # of attempts to connect to each address of a host
)
UNREAD: bool = True  # the SDK types a stream as its own class, but gives the raw answer
FAILURES = (
    OSError,
    anthropic.AnthropicError,
    httpx2.HTTPError,
    httpx2.StreamError,
    *NEVER_WRITTEN,
)


class SdkTransport:
    """One SDK client for all calls, without its retries, spans, cookies and redirects."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._client: anthropic.AsyncAnthropic | None = None
        self._why_none = ""
        try:
            self._client = _client(options)
        except NEVER_WRITTEN as error:
            self._why_none = type(error).__name__

    async def open(self, path: str, body: bytes, headers: Mapping[str, str]) -> SdkAnswer:
        """See Transport."""
        if self._client is None:
            raise APIConnectionError(f"{UNFIT}: {self._why_none}")
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
        except FAILURES as error:
            raise _mapped(error) from _cause(error)
        if not isinstance(answer, httpx2.Response):
            raise APIResponseValidationError("the SDK gave something else than a raw answer")
        return SdkAnswer(answer)

    async def close(self) -> None:
        """See Transport."""
        if self._client is not None:
            await self._client.close()


class SdkAnswer:
    """See Answer."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.headers: Mapping[str, str] = readable(answer.headers.items())
        self._answer = answer
        self._parts: AsyncIterator[bytes] = answer.aiter_bytes()

    def is_over(self) -> bool:
        """See Answer: the client gives a connection back once its end was read."""
        return False

    async def read(self) -> bytes:
        """See Answer."""
        try:
            while True:
                part = await anext(self._parts, None)
                if part is None:
                    return b""
                if part:
                    return part
        except (OSError, httpx2.HTTPError, httpx2.StreamError) as error:
            raise _mapped(error) from error

    async def close(self) -> None:
        """See Answer."""
        await self._answer.aclose()


def _client(options: UpstreamOptions) -> anthropic.AsyncAnthropic:
    connect_s = min(options.connect_timeout_s, CONNECT_SHARE * options.opening_timeout_s)
    error_patience_s = min(ERROR_PATIENCE_S, options.idle_timeout_s)
    return anthropic.AsyncAnthropic(
        api_key=options.api_key,
        base_url=options.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(None, connect=connect_s),
        default_headers={"accept-encoding": "identity", "user-agent": "tollkeeper"},
        open_telemetry=False,
        http_client=httpx2.AsyncClient(
            transport=Connections(options.proxy, error_patience_s),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        ),
    )


def _mapped(error: Exception) -> UpstreamError:
    """Our error for one of FAILURES; the SDK's own wrap what the wire raised."""
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    if isinstance(cause, StaleConnection):
        return StaleConnectionError("the upstream had closed the connection")
    if isinstance(cause, NEVER_CONNECTED):
        return APIConnectionError(f"could not connect to the upstream: {cause}")
    told = type(cause).__name__  # its text may hold the key
    if isinstance(cause, NEVER_WRITTEN):
        return APIConnectionError(f"{UNFIT}: {told}")
    if isinstance(cause, (TimeoutError, httpx2.TimeoutException)):
        return APITimeoutError("the upstream did not answer in time")
    return APIResponseValidationError(f"the upstream's answer broke off: {told}")


def _cause(error: Exception) -> Exception | None:
    """What may be chained: the text of what could not be written may hold the key."""
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    return None if isinstance(cause, NEVER_WRITTEN) else error
