"""What writing an answer's head with its body gains: the same answers with and without it, in turn.

    python bench/protocol.py [--rounds 9] [--seconds 0.5]

One process serves a whole JSON answer, as the client routes write it, to 32 connections; whether it
leaves in one write changes from round to round. Printed: CPU time per answer, and the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import statistics
import time
from typing import TYPE_CHECKING

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.web import whole_answer
from app.web.exchange import WHOLE_ANSWER
from app.web.protocol import LimitedProtocol

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from starlette.types import Receive, Scope, Send

CONNECTIONS = 32
BODY = b'{"choices": [{"message": {"content": "' + b"word " * 60 + b'"}}]}'
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(BODY)),
    *((b"x-tollkeeper-%d" % number, b"0.000123456") for number in range(8)),
]
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    at_once = scope.get(WHOLE_ANSWER)
    if at_once is None or not at_once(200, HEADERS, BODY):
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})


def apart(cycle: RequestResponseCycle) -> None:
    """The cycle stays as uvicorn made it."""
    del cycle


def serve(port: int, told: Connection, *, held: bool) -> None:
    """Serve until told to stop; then tell the CPU time and the answers."""
    if not held:
        whole_answer.hold = apart
    config = uvicorn.Config(
        answer, http=LimitedProtocol, lifespan="off", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", port))

    async def run() -> None:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        told.send(listening.getsockname()[1])
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, told.recv)
        began_s, counted = time.process_time(), server.server_state.total_requests
        told.send(None)
        await loop.run_in_executor(None, told.recv)
        answers = server.server_state.total_requests - counted
        told.send((time.process_time() - began_s, answers))
        server.should_exit = True
        await serving

    uvloop.run(run())


async def load(port: int, seconds: float) -> None:
    until_s = time.monotonic() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < until_s:
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def cpu_us(seconds: float, *, held: bool) -> float:
    """CPU time per answer of one round, in microseconds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(0, theirs), kwargs={"held": held})
    process.start()
    port = ours.recv()
    uvloop.run(load(port, seconds / 4))
    ours.send(None)
    ours.recv()
    uvloop.run(load(port, seconds))
    ours.send(None)
    used_s, answers = ours.recv()
    process.join()
    assert answers > 0
    return float(used_s / answers * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5)
    options = parser.parse_args()
    rounds = [
        (cpu_us(options.seconds, held=False), cpu_us(options.seconds, held=True))
        for _ in range(options.rounds)
    ]
    apart = statistics.median(without for without, _ in rounds)
    together = statistics.median(held for _, held in rounds)
    ratio = statistics.median(held / without for without, held in rounds)
    print(f"head and body apart:    {apart:6.1f} us of CPU per answer")
    print(f"head and body together: {together:6.1f} us of CPU per answer")
    print(f"ratio, pair by pair:    {ratio:6.2f}")


if __name__ == "__main__":
    main()
