"""POSTs straight over aiohttp's connections: part of its client done otherwise, for speed.

For each request aiohttp makes a request, a response, a writer, a task that writes the body, and
the same header lines anew. Here one write takes the head, whose lines are kept, and the body;
aiohttp still connects, keeps connections, and reads what is answered.

What it gains is printed by `python bench/posts.py` (docs/decisions.md has the figures). Without it
everything works: `ClientSession.post` does the same, and does it for whatever is unusual: a proxy,
a name and password in the address, a large body.

It does what aiohttp's ClientRequest and ClientResponse do to connections, so aiohttp's minor
version is pinned.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage
    from aiohttp.streams import StreamReader
    from multidict import CIMultiDict
    from yarl import URL

MOST_BYTES = 64 * 1024  # of a body: more might have to wait until the other end takes it
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # what stands in no line of a head
SWITCHING = 101
INFORMING = range(100, 200)  # statuses that another one follows


def are_fit_for(url: URL) -> bool:
    """Whether POSTs may go there this way, where no proxy stands in between."""
    return (
        url.scheme in {"http", "https"} and bool(url.raw_host) and not url.raw_authority.count("@")
    )


class Posts:
    """POSTs to one address with the session's headers; see `are_fit_for`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connector: aiohttp.BaseConnector,
        url: URL,
        limits: aiohttp.ClientTimeout,
        read_bytes: int,
    ) -> None:
        self._connector = connector
        self._limits = limits
        self._read_bytes = read_bytes
        self._request = _Request("POST", url, headers=session.headers, session=session)
        self._request.headers.pop("Content-Length", None)
        self._usual_head = self._written(self._request.headers)

    def head(self, added: Mapping[str, str] | None) -> bytes | None:
        """The head up to the body's length, with these headers; None where it can't be written."""
        if added is None:
            return self._usual_head
        headers = self._request.headers.copy()
        headers.update(added)
        return self._written(headers)

    def _written(self, headers: CIMultiDict[str]) -> bytes | None:
        lines = [f"POST {self._request.url.raw_path_qs} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if CONTROL.search("".join(lines)):
            return None  # it might pass for another line, and aiohttp says that it is refused
        return "\r\n".join([*lines, ""]).encode()

    async def post(self, head: bytes, body: bytes) -> Answered:
        """An answer's head.  Raises what ClientSession.post does."""
        try:
            try:
                connection = await self._connector.connect(self._request, [], self._limits)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError("connecting took too long") from error
            try:
                message, content = await self._exchange(connection, head, body)
            except BaseException:
                connection.close()
                raise
        except aiohttp.ClientError:
            raise
        except HttpProcessingError as error:
            raise aiohttp.ClientResponseError(
                self._request.request_info, (), status=error.code, message=error.message
            ) from error
        except OSError as error:
            raise aiohttp.ClientOSError(*error.args) from error
        return Answered(connection, message, content)

    async def _exchange(
        self, connection: Connection, head: bytes, body: bytes
    ) -> tuple[RawResponseMessage, StreamReader]:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ClientOSError(None, "the connection is closing")
        protocol.set_response_params(read_until_eof=True, read_bufsize=self._read_bytes)
        transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        while True:
            message, content = await protocol.read()
            if message.code not in INFORMING or message.code == SWITCHING:
                return message, content


class _Request(aiohttp.ClientRequest):
    """What the connector is asked with, each time the same."""

    @cached_property
    def connection_key(self) -> ConnectionKey:
        return super().connection_key


class Answered:
    """An answer whose head has come, as aiohttp's ClientResponse has it."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self, connection: Connection, message: RawResponseMessage, content: StreamReader
    ) -> None:
        self.status = message.code
        self.headers = message.headers
        self.content = content
        self._connection: Connection | None = connection
        content.on_eof(self._release)

    def close(self) -> None:
        """Let go of the connection; one that was not read to its end is not used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self.content.set_exception(aiohttp.ClientConnectionError("Connection closed"))
            connection.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()
