"""Attempts that were never sent, or never read, cost nothing, whatever says so."""

from __future__ import annotations

import asyncio

import pytest

from app.core import errors
from tests.upstream.anthropic.calls import RecordingHold, Tried, call
from tests.upstream.anthropic.conftest import Opener
from tests.upstream.anthropic.wire_server import (
    Answer,
    Connection,
    WireServer,
    head,
    raw,
    reset,
    streamed,
    whole,
)

SECRET = "sk-ant-a-secret-of-ours"
UNFIT: list[dict[str, str]] = [
    {"base_url": "http://api..invalid"},
    {"base_url": "http://.invalid"},
    {"base_url": f"http://{'a' * 64}.invalid"},
    {"base_url": "http://127.0.0.1:99999"},
    {"base_url": "http://127.0.0.1:-1"},
    {"base_url": "http://127.0.0.1:port"},
    {"base_url": "http://127.0.0.1:0"},
    {"base_url": "http://[::1"},
    {"base_url": "http://"},
    {"base_url": "127.0.0.1:80"},
    {"base_url": "ftp://127.0.0.1"},
    {"base_url": "http://no such host.invalid"},
    {"base_url": "http://127.0.0.1\n:80"},
    {"base_url": ""},
    {"api_key": f"{SECRET}\n"},
    {"api_key": f"{SECRET}\r\nx-other: 1"},
    {"api_key": f"{SECRET}\x00"},
    {"proxy": "http://127.0.0.1:1"},
    {"proxy": "http://127.0.0.1:99999"},
    {"proxy": "http://pro xy"},
]


async def whole_and_streamed(upstream: Tried, hold: RecordingHold) -> list[errors.UpstreamError]:
    with pytest.raises(errors.UpstreamError) as sent:
        await upstream.send(call(), hold)
    with pytest.raises(errors.UpstreamError) as streamed_one:
        async with upstream.stream(call(stream=True), hold):
            pass
    return [sent.value, streamed_one.value]


@pytest.mark.parametrize("fields", UNFIT, ids=repr)
async def test_what_no_request_can_be_made_of_costs_nothing(
    server: WireServer, opened: Opener, fields: dict[str, str]
) -> None:
    server.script(whole())
    hold = RecordingHold()
    for error in await whole_and_streamed(opened(**fields), hold):
        assert type(error) is errors.APIConnectionError
        assert SECRET not in f"{error.message} {error.__cause__!r}"
    assert server.requests == []
    assert hold.outcomes == [(None, "APIConnectionError")] * 2


async def test_a_key_with_other_letters_is_refused_or_never_sent(
    server: WireServer, opened: Opener
) -> None:
    server.script(whole(status=401))
    hold = RecordingHold()
    for error in await whole_and_streamed(opened(api_key="schlüssel-ключ"), hold):
        assert isinstance(error, errors.APIConnectionError | errors.AuthenticationError)
    assert hold.held == 0


async def test_a_proxy_that_will_not_connect_costs_nothing(
    server: WireServer, opened: Opener
) -> None:
    server.script(raw(head(407, {"Content-Length": "0"})))
    upstream = opened(base_url="https://api.anthropic.invalid", proxy=server.url)
    hold = RecordingHold()
    for error in await whole_and_streamed(upstream, hold):
        assert type(error) is errors.APIConnectionError
    assert {received.path for received in server.requests} == {"api.anthropic.invalid:443"}


async def test_calls_go_through_the_proxy(server: WireServer, opened: Opener) -> None:
    server.script(whole())
    upstream = opened(base_url="http://api.anthropic.invalid", proxy=server.url)
    await upstream.send(call(), RecordingHold())
    assert server.requests[0].path == "http://api.anthropic.invalid/v1/messages"


async def close(connection: Connection) -> None:
    connection.writer.close()


@pytest.mark.parametrize("broken", [close, reset])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_closed_kept_alive_connection_costs_nothing_and_is_tried_again(
    server: WireServer, opened: Opener, broken: Answer, *, stream: bool
) -> None:
    server.script(whole(), broken, opening(stream=stream))
    upstream = opened(max_attempts=2)
    await upstream.send(call(), RecordingHold())
    hold = RecordingHold()
    if stream:
        async with upstream.stream(call(stream=True), hold):
            pass
    else:
        await upstream.send(call(), hold)
    assert hold.outcomes == [(None, "StaleConnectionError"), (200, None)]
    assert hold.held == 0


def opening(*, stream: bool) -> Answer:
    start = (
        b'data: {"type": "message_start", "message": {"id": "msg_1", '
        b'"usage": {"input_tokens": 9, "output_tokens": 1}}}\n\n'
    )
    return streamed(start) if stream else whole()


@pytest.mark.parametrize("broken", [close, reset])
async def test_a_new_connection_that_breaks_off_may_have_been_billed(
    server: WireServer, opened: Opener, broken: Answer
) -> None:
    server.script(broken)
    for error in await whole_and_streamed(opened(), RecordingHold()):
        assert isinstance(error, errors.APIResponseValidationError)


async def test_a_kept_alive_connection_that_breaks_off_late_may_have_been_billed(
    server: WireServer, opened: Opener
) -> None:
    async def late(connection: Connection) -> None:
        await asyncio.sleep(0.3)
        connection.writer.close()

    server.script(whole(), late)
    upstream = opened()
    await upstream.send(call(), RecordingHold())
    with pytest.raises(errors.APIResponseValidationError):
        await upstream.send(call(), RecordingHold())


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"what?\r\n\r\n"]
)
async def test_a_kept_alive_connection_that_has_said_something_may_have_been_billed(
    server: WireServer, opened: Opener, said: bytes
) -> None:
    server.script(whole(), raw(said))
    upstream = opened()
    await upstream.send(call(), RecordingHold())
    with pytest.raises(errors.APIResponseValidationError):
        await upstream.send(call(), RecordingHold())


async def test_calls_at_the_same_time_know_their_own_connections(
    server: WireServer, opened: Opener
) -> None:
    """One goes over the kept-alive connection, the other needs a new one; both break off."""
    arrived: list[Connection] = []
    together = asyncio.Event()

    async def when_both_are_here(connection: Connection) -> None:
        arrived.append(connection)
        if len(arrived) == 2:
            together.set()
        await together.wait()
        connection.writer.close()

    server.script(whole(), when_both_are_here, when_both_are_here)
    upstream = opened()
    await upstream.send(call(), RecordingHold())
    raised = await asyncio.gather(
        *(upstream.send(call(), RecordingHold()) for _ in range(2)), return_exceptions=True
    )
    assert {type(error) for error in raised} == {
        errors.StaleConnectionError,
        errors.APIResponseValidationError,
    }
