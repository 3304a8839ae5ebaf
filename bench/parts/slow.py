"""Callers that read their streams slowly: a plan as JSON on stdin, `started N` once all have begun.

Each takes a few bytes a quarter of a second through a small window, until stdin is closed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

WINDOW_BYTES = 4_096
TAKEN_BYTES = 256
PAUSE_S = 0.25
AT_ONCE = 50  # streams that are being opened at a time


@dataclass(frozen=True, slots=True)
class Slow:
    """Where the streams come from, and how many."""

    port: int
    path: str
    headers: dict[str, str]
    body: str
    streams: int


async def take(plan: Slow, door: asyncio.Semaphore, begun: list[int]) -> None:
    """One stream, from its first byte on as slowly as it can be read."""
    loop = asyncio.get_running_loop()
    async with door:
        reading = socket.socket()
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
        reading.setblocking(False)  # noqa: FBT003 - that is how it is called
        await loop.sock_connect(reading, ("127.0.0.1", plan.port))
        head = [f"POST {plan.path} HTTP/1.1", "host: x", f"content-length: {len(plan.body)}"]
        head += [f"{name}: {value}" for name, value in plan.headers.items()]
        await loop.sock_sendall(reading, "\r\n".join([*head, "", plan.body]).encode())
        first = await loop.sock_recv(reading, TAKEN_BYTES)
        if not first.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(first.decode(errors="replace"))
    begun.append(1)
    while await loop.sock_recv(reading, TAKEN_BYTES):  # noqa: ASYNC110 - slow on purpose
        await asyncio.sleep(PAUSE_S)
    raise RuntimeError("a stream ended before it was left")


async def main() -> None:
    plan = Slow(**json.loads(sys.stdin.readline()))
    door, begun = asyncio.Semaphore(AT_ONCE), list[int]()
    tasks = [asyncio.create_task(take(plan, door, begun)) for _ in range(plan.streams)]
    told = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while len(begun) < plan.streams:
        done, _ = await asyncio.wait(tasks, timeout=0.1, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    print(f"started {plan.streams}", flush=True)
    left = asyncio.ensure_future(told)
    reading = asyncio.gather(*tasks)
    await asyncio.wait((left, reading), return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        reading.result()  # a stream that ended is a failure, and says so
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading


if __name__ == "__main__":
    asyncio.run(main())
