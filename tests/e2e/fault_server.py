"""An upstream whose every answer is a fault, with a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import orjson

from tests.upstream.anthropic.wire_server import (
    MESSAGE,
    Answer,
    Connection,
    Received,
    _request,
    head,
    whole,
)

CLOSE = {"Connection": "close"}
COUNTED = whole({"input_tokens": 12}, headers=CLOSE)
SSE = {"Content-Type": "text/event-stream", "Request-Id": "req_2", **CLOSE}
LONG = 60.0


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **fields}) + b"\n\n"


PING = event("ping")
START = event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})
OPENS = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello."})
CLOSES = event("content_block_stop", index=0)
COUNT = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
STOP = event("message_stop")
REPLY = START + OPENS + TEXT + CLOSES + COUNT + STOP
BEGUN = START + OPENS + TEXT


def sent(*chunks: bytes, then: str = "close", pause_s: float = 0.0) -> Answer:
    """A stream of those bytes; `then` close, reset or hang."""

    async def answer(connection: Connection) -> None:
        await connection.write(head(200, SSE))
        for chunk in chunks:
            await connection.write(chunk)
            await asyncio.sleep(pause_s)
        await _end(connection, then)

    return answer


def raw(data: bytes, then: str = "close") -> Answer:
    """Those bytes and nothing of HTTP but what is in them."""

    async def answer(connection: Connection) -> None:
        await connection.write(data)
        await _end(connection, then)

    return answer


def repeated(data: bytes, chunk: bytes, pause_s: float) -> Answer:
    """A stream that begins with `data` and goes on with `chunk` until the caller leaves."""

    async def answer(connection: Connection) -> None:
        await connection.write(head(200, SSE) + data)
        while True:
            await connection.write(chunk)
            await asyncio.sleep(pause_s)

    return answer


async def _end(connection: Connection, then: str) -> None:
    if then == "hang":
        await connection.wait_until_the_client_leaves()
    elif then == "reset":
        await asyncio.sleep(0.05)
        connection.reset()


@dataclass
class Upstream:
    """Gives each request the answer for its kind; `open` connections are counted."""

    whole: Answer
    streamed: Answer
    url: str = ""
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        connection = Connection(reader, writer, asyncio.Event())
        try:
            received = await _request(reader)
            if received is not None:
                await asyncio.wait_for(self._answer(received)(connection), LONG)
        except ConnectionError:
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self.open -= 1

    def _answer(self, received: Received) -> Callable[[Connection], Awaitable[None]]:
        if received.path.endswith("/count_tokens"):
            return COUNTED
        return self.streamed if orjson.loads(received.body).get("stream") else self.whole


HEALTHY = (whole(headers=CLOSE), sent(REPLY))


@contextmanager
def served_upstreams(*upstreams: Upstream) -> Iterator[None]:
    """They listen while the context is open, all in one thread."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        servers = []
        for upstream in upstreams:
            server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=256)
            host, port = server.sockets[0].getsockname()
            upstream.url = f"http://{host}:{port}"
            servers.append(server)
        ready.set()
        await asyncio.to_thread(over.wait)
        for server in servers:
            server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()
