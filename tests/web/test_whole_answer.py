"""The way to write a whole answer that the hot routes take, and what it leaves to uvicorn."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.web.exchange import WHOLE_ANSWER
from app.web.protocol import LimitedProtocol
from app.web.whole_answer import MOST_JOINED_BYTES

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from app.web.running import Header

LENGTH = (b"content-length", b"2")
USUAL = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
App = Callable[..., Awaitable[None]]


async def exchanged(app: App, *requests: bytes) -> list[bytes]:
    """What is answered to each, on one connection."""
    config = uvicorn.Config(
        app, http=LimitedProtocol, lifespan="off", ws="none", log_config=None, date_header=False
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    answers = []
    try:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            answers.append(head + await reader.readexactly(int(length or 0)))
        writer.close()
    finally:
        server.should_exit = True
        await serving
    return answers


async def asked(
    headers: list[Header],
    body: bytes,
    request: bytes = USUAL,
    before: Callable[[Any], None] = lambda _cycle: None,
) -> tuple[bool, bytes]:
    """Whether such an answer was written, and what came of it; `before` changes the cycle."""
    written: list[bool] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        cycle = scope[WHOLE_ANSWER].__self__._cycle
        kept = dict(vars(cycle))
        flow = dict(vars(cycle.flow))
        before(cycle)
        written.append(scope[WHOLE_ANSWER](200, headers, body))
        if not written[0]:
            vars(cycle).update(kept)
            vars(cycle.flow).update(flow)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    [answer] = await exchanged(app, request)
    return written[0], answer


@pytest.mark.anyio
async def test_a_plain_answer_is_written_as_it_is() -> None:
    written, answer = await asked([LENGTH, (b"x-own", b"1")], b"ok")
    assert written
    assert answer == (
        b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-length: 2\r\nx-own: 1\r\n\r\nok"
    )


@pytest.mark.anyio
@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nset-cookie: b", b"a\rb", b"a\0b"])
async def test_a_header_that_would_pass_for_another_line_is_not_written(value: bytes) -> None:
    written, answer = await asked([LENGTH, (b"x-own", value)], b"ok")
    assert not written
    assert answer.startswith(b"HTTP/1.1 204 ")


def begun(cycle: Any) -> None:
    cycle.response_started = True


def left(cycle: Any) -> None:
    cycle.disconnected = True


def slow(cycle: Any) -> None:
    cycle.flow.write_paused = True


@pytest.mark.anyio
@pytest.mark.parametrize("before", [begun, left, slow])
async def test_an_unusual_call_is_left_to_uvicorn(before: Callable[[Any], None]) -> None:
    assert not (await asked([LENGTH], b"ok", before=before))[0]


@pytest.mark.anyio
async def test_a_last_or_large_answer_is_left_to_uvicorn() -> None:
    last = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert not (await asked([LENGTH], b"ok", last))[0]
    large = bytes(MOST_JOINED_BYTES + 1)
    assert not (await asked([(b"content-length", b"%d" % len(large))], large))[0]


@pytest.mark.anyio
async def test_whoever_listens_on_hears_that_the_call_is_over() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        assert scope[WHOLE_ANSWER](200, [LENGTH], b"ok")
        async with asyncio.timeout(5):
            heard.append((await waiting)["type"])

    await exchanged(app, USUAL)
    assert heard == ["http.disconnect"]


@pytest.mark.anyio
@pytest.mark.parametrize("whole", [True, False])
async def test_a_call_that_is_over_leaves_nothing_to_the_collector(*, whole: bool) -> None:
    calls = 20
    kept: WeakSet[RequestResponseCycle] = WeakSet()
    alive: list[int] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        kept.add(scope[WHOLE_ANSWER].__self__._cycle)
        alive.append(len(kept))
        if whole:
            assert scope[WHOLE_ANSWER](200, [LENGTH], b"ok")
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
            await send({"type": "http.response.body", "body": b"ok"})

    gc.collect()
    gc.disable()
    try:
        await exchanged(app, *[USUAL] * calls)
    finally:
        gc.enable()
    assert len(alive) == calls
    assert max(alive) <= min(alive) + 1  # the one before may still be held by its connection
