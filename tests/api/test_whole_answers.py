"""The way to write a whole answer that the hot routes take, and what it leaves to uvicorn."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import uvicorn

from app.api.exchange import WHOLE_ANSWER
from app.api.protocol import MOST_JOINED_BYTES, LimitedProtocol

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from app.api.shell import Header

LENGTH = (b"content-length", b"2")


async def asked(headers: list[Header], body: bytes, request: bytes) -> tuple[bool, bytes]:
    """Whether such an answer was written, and what came of it."""
    written: list[bool] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        written.append(scope[WHOLE_ANSWER](200, headers, body))
        if not written[0]:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    config = uvicorn.Config(
        app, http=LimitedProtocol, lifespan="off", ws="none", log_config=None, date_header=False
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        if written[0]:
            answer += await reader.readexactly(len(body))
        writer.close()
    finally:
        server.should_exit = True
        await serving
    return written[0], answer


@pytest.mark.anyio
async def test_a_plain_answer_is_written_as_it_is() -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    written, answer = await asked([LENGTH, (b"x-own", b"1")], b"ok", request)
    assert written
    assert answer == (
        b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-length: 2\r\nx-own: 1\r\n\r\nok"
    )


@pytest.mark.anyio
@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nset-cookie: b", b"a\rb"])
async def test_a_header_that_would_pass_for_another_line_is_not(value: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    written, answer = await asked([LENGTH, (b"x-own", value)], b"ok", request)
    assert not written
    assert answer.startswith(b"HTTP/1.1 204 ")


@pytest.mark.anyio
async def test_what_is_unusual_goes_the_usual_way() -> None:
    last = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert not (await asked([LENGTH], b"ok", last))[0]
    large = bytes(MOST_JOINED_BYTES + 1)
    usual = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    length = (b"content-length", b"%d" % len(large))
    assert not (await asked([length], large, usual))[0]
