"""What writing straight to aiohttp's connections gains: the same calls either way, in turn.

    python bench/posts.py [--rounds 10]

Printed: CPU time of the calling thread for one request and its answer, each the least of the
rounds. The server is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import time
from collections.abc import Awaitable, Callable

import aiohttp
import uvloop
from yarl import URL

from app.upstream.anthropic.posts import Posts

AT_ONCE, EACH = 16, 30
BODY = b'{"messages":"%s"}' % (b"x" * 1_300)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n" + (
    b"y" * 400
)
HEADERS = {"x-api-key": "key", "content-type": "application/json", "user-agent": "bench"}


class Server(asyncio.Protocol):
    """Answers whatever ends like a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b'"}') and isinstance(self._transport, asyncio.Transport):
            self._transport.write(ANSWER)


def serve(listening: socket.socket) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Server, sock=listening)
        await server.serve_forever()

    asyncio.run(forever())


async def cpu_us(call: Callable[[], Awaitable[None]]) -> float:
    """Of one call."""

    async def one_after_another() -> None:
        for _ in range(EACH):
            await call()

    begun_ns = time.thread_time_ns()
    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    return (time.thread_time_ns() - begun_ns) / (AT_ONCE * EACH) / 1_000


async def measure(rounds: int, port: int) -> None:
    url, limits = URL(f"http://127.0.0.1:{port}/v1/messages"), aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
        posts = Posts(session, connector, url, limits, 65_536)
        head = posts.head(None) or b""

        async def by_session() -> None:
            answer = await session.post(url, data=BODY, timeout=limits, allow_redirects=False)
            await answer.content.read()

        async def by_posts() -> None:
            await (await posts.post(head, BODY)).content.read()

        ways = {"ClientSession.post": by_session, "Posts": by_posts}
        least = dict.fromkeys(ways, float("inf"))
        for _ in range(rounds + 1):
            for name, way in ways.items():
                least[name] = min(least[name], await cpu_us(way))
    for name, spent_us in least.items():
        print(f"{name:18} {spent_us:6.1f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds: int = parser.parse_args().rounds
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = multiprocessing.Process(target=serve, args=(listening,), daemon=True)
        server.start()
        uvloop.run(measure(rounds, listening.getsockname()[1]))
        server.terminate()


if __name__ == "__main__":
    main()
