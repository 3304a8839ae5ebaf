"""One HTTP exchange, down to the socket: answers, pauses, and ways of breaking off."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from app.simulator.errors import ApiError
from app.simulator.facts import MAX_BODY_BYTES

_FLUSH_S: Final = 0.02
_PIECE_S: Final = 0.002  # so that two parts of an answer are two reads
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Wire:
    """Breaking a connection needs the simulator's own server, which hands over its transport.

    Sending stops being possible when the client leaves; `gone` tells.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        served = scope.get("state", {}).get("served")
        self.kept_alive = served is not None and next(served) > 0
        """Whether the connection has served a request before this one."""
        self._receive = receive
        self._send = send
        self._leaving: asyncio.Task[None] | None = None

    @property
    def gone(self) -> bool:
        return self._leaving is not None and self._leaving.done()

    async def read_body(self) -> bytes:
        """The whole body.  Raises ApiError (413) past 32 MiB."""
        chunks: list[bytes] = []
        size_bytes = 0
        while True:
            message = await self._receive()
            chunks.append(message.get("body", b""))
            size_bytes += len(chunks[-1])
            if size_bytes > MAX_BODY_BYTES:
                raise ApiError(413, "Request exceeds the maximum size")
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        await self.start(status, headers | {"content-length": str(len(body))})
        await self.end(body)

    async def start(self, status: int, headers: dict[str, str]) -> None:
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        start: Message = {"type": "http.response.start", "status": status, "headers": encoded}
        await self._send(start)

    async def chunk(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def chunks(self, parts: list[bytes], interval_s: float) -> bool:
        """Send the parts one by one; whether the client has left meanwhile."""
        for at, part in enumerate(parts):
            if at and await self.pause(max(interval_s, _PIECE_S)):
                return True
            await self.chunk(part)
        return False

    async def end(self, body: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def watch(self) -> None:
        """Begin to notice when the client leaves."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._until_gone())

    async def pause(self, seconds: float) -> bool:
        """Wait that long, at most until the client leaves; whether it has left."""
        if seconds > 0:
            self.watch()
        if self._leaving is None:
            return False
        if seconds > 0:
            await asyncio.wait({self._leaving}, timeout=seconds)
        else:
            await asyncio.sleep(0)
        return self.gone

    async def hang(self) -> None:
        """Say nothing more until the client gives up."""
        self.watch()
        if self._leaving is not None:
            await asyncio.wait({self._leaving})

    async def reset(self, *, flush: bool) -> None:
        """Break the connection with a TCP reset; `flush` lets what was sent go out first."""
        transport = self._transport
        if flush:
            await asyncio.sleep(_FLUSH_S)
        with socket.socket(fileno=_own_descriptor(transport)) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
        await self.hang()

    async def hang_up(self) -> None:
        """Close the connection in good order, the answer finished or not."""
        self._transport.close()
        await self.hang()

    def done(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()

    @property
    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self.scope["state"]["transport"]
        return transport

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _own_descriptor(transport: asyncio.Transport) -> int:
    """A duplicate of the connection's descriptor: socket options are shared between the two."""
    connection = transport.get_extra_info("socket")
    return socket.dup(connection.fileno())
