"""Requests written straight to a connection are the ones that aiohttp's own client makes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import nullcontext

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from app.upstream.anthropic.aiohttp_transport import AiohttpTransport
from app.upstream.anthropic.posts import MOST_BYTES, Posts, are_fit_for
from app.upstream.options import UpstreamOptions
from tests.upstream.anthropic.wire_server import Answer, Connection, WireServer, whole

OWN = {"x-api-key": "secret", "content-type": "application/json"}
NO_LIMITS = aiohttp.ClientTimeout(total=None)


def informed(answer: Answer) -> Answer:
    async def after_a_hint(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        await answer(connection)

    return after_a_hint


@pytest.mark.parametrize(
    "added", [None, {"anthropic-beta": "a,b"}, {"X-Api-Key": "another", "anthropic-version": "é"}]
)
async def test_the_head_is_that_of_the_client(
    server: WireServer, added: Mapping[str, str] | None
) -> None:
    server.script(whole())
    url = URL(f"{server.url}/v1/messages?beta=true")
    async with (
        aiohttp.TCPConnector() as connector,
        aiohttp.ClientSession(connector=connector, headers=OWN) as session,
    ):
        posts = Posts(session, connector, url, NO_LIMITS, 65_536)
        head = posts.head(added)
        assert head is not None
        answer = await posts.post(head, b'{"a":1}')
        assert (answer.status, answer.headers["Request-Id"]) == (200, "req_1")
        assert b"msg_1" in await answer.content.read()
        async with session.post(url, data=b'{"a":1}', headers=added):
            pass

    ours, theirs = server.requests
    assert ours == theirs
    assert server.connections == 1


@pytest.mark.parametrize(
    ("value", "is_left"),
    [
        *(("a\nx: y", True), ("a\r\nx: y", True), ("a\rb", True), ("a\0b", True)),
        *(("a\x01b", True), ("a\x1fb", True), ("a\x7fb", True), ("a\tb", False), ("é", False)),
    ],
)
async def test_a_header_that_would_be_another_line_is_left_to_the_client(
    server: WireServer, value: str, *, is_left: bool
) -> None:
    server.script(whole())
    async with aiohttp.TCPConnector() as connector, aiohttp.ClientSession(headers=OWN) as session:
        posts = Posts(session, connector, URL(server.url), NO_LIMITS, 65_536)

        assert (posts.head({"anthropic-beta": value}) is None) is is_left
        refuses = pytest.raises(ValueError, match="control character") if is_left else nullcontext()
        with refuses:
            async with session.post(server.url, data=b"{}", headers={"anthropic-beta": value}):
                pass


async def test_what_comes_before_an_answer_is_passed_over(server: WireServer) -> None:
    server.script(informed(whole()))
    async with aiohttp.TCPConnector() as connector, aiohttp.ClientSession(headers=OWN) as session:
        posts = Posts(session, connector, URL(server.url), NO_LIMITS, 65_536)
        answer = await posts.post(posts.head(None) or b"", b"{}")

        assert answer.status == 200


async def test_an_unread_answers_connection_is_not_used_again(server: WireServer) -> None:
    server.script(whole(b"x" * 1_000_000), whole())
    async with aiohttp.TCPConnector() as connector, aiohttp.ClientSession(headers=OWN) as session:
        posts = Posts(session, connector, URL(server.url), NO_LIMITS, 1_024)
        head = posts.head(None) or b""
        unread = await posts.post(head, b"{}")
        unread.close()
        with pytest.raises(aiohttp.ClientConnectionError, match="Connection closed"):
            await unread.content.read()
        answer = await posts.post(head, b"{}")
        await answer.content.read()

    assert server.connections == 2


@pytest.mark.parametrize(
    ("url", "fit"),
    [
        ("https://api.anthropic.com/v1/messages", True),
        ("http://127.0.0.1:8080/v1/messages", True),
        ("http://me:secret@127.0.0.1/v1/messages", False),
        ("ftp://127.0.0.1/v1/messages", False),
        ("/v1/messages", False),
    ],
)
def test_only_plain_addresses_are_posted_to_this_way(url: str, *, fit: bool) -> None:
    assert are_fit_for(URL(url)) is fit


async def test_a_name_and_password_in_the_address_are_sent(server: WireServer) -> None:
    server.script(whole())
    address = server.url.replace("://", "://me:secret@")
    transport = AiohttpTransport(UpstreamOptions("anthropic", "key", address))
    answer = await transport.open("/v1/messages", b"{}", {})
    await answer.close()
    await transport.close()

    told = base64.b64encode(b"me:secret").decode()
    assert server.requests[0].headers["authorization"] == f"Basic {told}"


@pytest.mark.parametrize("size", [MOST_BYTES, MOST_BYTES + 1])
async def test_a_body_of_any_size_arrives_with_the_same_headers(
    server: WireServer, size: int
) -> None:
    server.script(whole())
    transport = AiohttpTransport(UpstreamOptions("anthropic", "key", server.url))
    answer = await transport.open("/v1/messages", b"x" * size, {"anthropic-beta": "a"})
    await answer.close()
    await transport.close()

    (received,) = server.requests
    assert received.body == b"x" * size
    assert CIMultiDict(received.headers) == {
        "host": server.url.removeprefix("http://"),
        "x-api-key": "key",
        "content-type": "application/json",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "tollkeeper",
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "a",
        "content-length": str(size),
    }
