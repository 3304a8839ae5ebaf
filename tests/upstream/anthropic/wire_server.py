"""A scripted HTTP server on a real socket: it answers, stalls, breaks off and resets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson

Answer = Callable[["Connection"], Awaitable[None]]

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 3},
}


@dataclass(frozen=True)
class Received:
    """One request as it came in; header names are lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Connection:
    """The server's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closed: asyncio.Event

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def wait_until_the_client_leaves(self) -> None:
        while await self.reader.read(65536):
            pass
        self.closed.set()


@dataclass
class WireServer:
    """Answers requests with `answers`, one after the other; the last one for ever."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def script(self, *answers: Answer) -> None:
        self.answers[:] = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = Connection(reader, writer, self.left)
        try:
            while received := await _request(reader):
                self.requests.append(received)
                self.asked.set()
                answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
                await answer(connection)
        except ConnectionError:
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def wire_server() -> AsyncIterator[WireServer]:
    scripted = WireServer()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(scripted.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    scripted.url = f"http://{host}:{port}"
    try:
        yield scripted
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1], headers, body)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def whole(
    body: object = MESSAGE, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    own = {"Content-Type": "application/json", "Request-Id": "req_1", **(headers or {})}

    async def answer(connection: Connection) -> None:
        await connection.write(head(status, {**own, "Content-Length": str(len(data))}) + data)

    return answer


def failure(status: int, message: str = "no", headers: Mapping[str, str] | None = None) -> Answer:
    error = {"type": "error", "error": {"type": "some_error", "message": message}}
    return whole(error, status, headers)


def streamed(*chunks: bytes, pause_s: float = 0.0, end: str = "whole") -> Answer:
    """Chunks of an event stream; `end`: whole, cut (closed too early), reset or hang."""

    async def answer(connection: Connection) -> None:
        headers = {
            "Content-Type": "text/event-stream",
            "Request-Id": "req_2",
            "Transfer-Encoding": "chunked",
        }
        await connection.write(head(200, headers))
        for chunk in chunks:
            await connection.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            await asyncio.sleep(pause_s)
        if end == "whole":
            await connection.write(b"0\r\n\r\n")
        elif end == "reset":
            await asyncio.sleep(0.05)
            connection.reset()
        elif end == "hang":
            await connection.wait_until_the_client_leaves()
        else:
            connection.writer.close()

    return answer


def raw(data: bytes) -> Answer:
    """Exactly these bytes, then the end of the connection."""

    async def answer(connection: Connection) -> None:
        await connection.write(data)
        connection.writer.close()

    return answer


async def reset(connection: Connection) -> None:
    connection.reset()


async def hang(connection: Connection) -> None:
    await connection.wait_until_the_client_leaves()
