"""What either transport must do, shown on real sockets: streams."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from app.core import errors
from app.ports import UpstreamStream
from tests.upstream.anthropic.calls import RecordingHold, bytes_of, call
from tests.upstream.anthropic.conftest import Opener
from tests.upstream.anthropic.wire_server import (
    Connection,
    WireServer,
    failure,
    hang,
    head,
    raw,
    reset,
    streamed,
    whole,
)

START = (
    b'event: message_start\ndata: {"type": "message_start", "message": {"id": "msg_1", '
    b'"model": "claude-haiku-4-5-20251001", "usage": {"input_tokens": 9, "output_tokens": 1}}}\n\n'
)
DELTA = b'event: content_block_delta\r\ndata: {"type": "content_block_delta"}\r\n\r\n'
STOP = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
OVERLOADED = (
    b"event: error\n"
    b'data: {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}\n\n'
)


async def read_into(seen: list[bytes], stream: UpstreamStream) -> None:
    async for chunk in bytes_of(stream):
        seen.append(chunk)  # noqa: PERF401 - kept when the stream breaks off


async def test_a_streams_bytes_are_relayed_as_they_came(server: WireServer, opened: Opener) -> None:
    server.script(streamed(START, DELTA[:20], DELTA[20:], STOP, pause_s=0.02))
    hold = RecordingHold()
    async with opened().stream(call(stream=True), hold) as stream:
        chunks = [chunk async for chunk in bytes_of(stream)]
    assert b"".join(chunks) == START + DELTA + STOP
    assert len(chunks) > 1
    assert stream.headers["request-id"] == "req_2"
    assert stream.headers["content-type"] == "text/event-stream"
    assert [(a.status, a.error, a.request_id) for a in hold.attempts] == [(200, None, "req_2")]
    assert b'"stream":true' in server.requests[0].body


async def test_a_stream_read_to_its_end_gives_its_connection_back(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(START, STOP))
    upstream = opened()
    for _ in range(3):
        async with upstream.stream(call(stream=True), RecordingHold()) as stream:
            async for _ in bytes_of(stream):
                pass
    assert (len(server.requests), server.connections) == (3, 1)


async def test_the_first_bytes_come_before_the_rest_is_written(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(START, end="hang"))
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        assert await anext(bytes_of(stream)) == START


async def test_leaving_early_closes_the_connection(server: WireServer, opened: Opener) -> None:
    server.script(streamed(START, end="hang"))
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        await anext(bytes_of(stream))
        assert not server.left.is_set()
    await asyncio.wait_for(server.left.wait(), 2)


async def test_a_stream_is_retried_until_its_first_byte(server: WireServer, opened: Opener) -> None:
    again = {"retry-after-ms": "1"}
    server.script(failure(529, headers=again), failure(500, headers=again), streamed(START, STOP))
    hold = RecordingHold()
    async with opened(max_attempts=3).stream(call(stream=True), hold) as stream:
        assert b"".join([chunk async for chunk in bytes_of(stream)]) == START + STOP
    assert [status for status, _ in hold.outcomes] == [529, 500, 200]
    assert hold.held == 0


async def test_a_stream_that_begins_with_an_error_was_refused(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(OVERLOADED), streamed(START, STOP))
    hold = RecordingHold()
    async with opened(max_attempts=2).stream(call(stream=True), hold) as stream:
        assert b"".join([chunk async for chunk in bytes_of(stream)]) == START + STOP
    assert hold.outcomes == [(529, "OverloadedError"), (200, None)]


async def test_the_error_a_stream_begins_with_keeps_its_words(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(OVERLOADED))
    with pytest.raises(errors.OverloadedError) as raised:
        async with opened().stream(call(stream=True), RecordingHold()):
            pass
    error = raised.value
    assert (error.status, error.message) == (529, "Busy")
    assert orjson.loads(error.body) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Busy"},
    }


async def test_an_error_after_the_first_event_is_relayed(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(START, OVERLOADED, pause_s=0.02))
    hold = RecordingHold()
    seen: list[bytes] = []
    async with opened(max_attempts=2).stream(call(stream=True), hold) as stream:
        with pytest.raises(errors.OverloadedError):
            await read_into(seen, stream)
    assert b"".join(seen) == START + OVERLOADED
    assert len(hold.attempts) == 1


@pytest.mark.parametrize("limit", ["first_byte_timeout_s", "total_timeout_s"])
async def test_no_first_byte_in_time_is_a_timeout(
    server: WireServer, opened: Opener, limit: str
) -> None:
    async def headers_only(connection: Connection) -> None:
        await connection.write(head(200, {"Transfer-Encoding": "chunked"}))
        await hang(connection)

    hold = RecordingHold()
    for answer in (hang, headers_only):
        server.script(answer)
        with pytest.raises(errors.APITimeoutError):
            async with opened(**{limit: 0.5}).stream(call(stream=True), hold):
                pass
    assert hold.outcomes == [(None, "APITimeoutError")] * 2


async def test_silence_in_a_stream_is_a_timeout(server: WireServer, opened: Opener) -> None:
    server.script(streamed(START, end="hang"))
    upstream = opened(idle_timeout_s=0.2)
    async with upstream.stream(call(stream=True), RecordingHold()) as stream:
        chunks = bytes_of(stream)
        assert await anext(chunks) == START
        with pytest.raises(errors.APITimeoutError):
            await anext(chunks)


async def test_a_stream_may_take_longer_than_a_whole_answer(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(START, DELTA, DELTA, DELTA, STOP, pause_s=0.2))
    upstream = opened(total_timeout_s=0.6, idle_timeout_s=2)
    async with upstream.stream(call(stream=True), RecordingHold()) as stream:
        assert b"".join([chunk async for chunk in bytes_of(stream)]).endswith(STOP)


async def test_a_stream_that_never_ends_is_a_timeout(server: WireServer, opened: Opener) -> None:
    server.script(streamed(*[DELTA] * 100, pause_s=0.05))
    upstream = opened(stream_timeout_s=0.3)
    seen: list[bytes] = []
    async with upstream.stream(call(stream=True), RecordingHold()) as stream:
        with pytest.raises(errors.APITimeoutError):
            await read_into(seen, stream)
    assert 2 <= len(seen) <= 8


async def test_a_slow_reader_is_not_a_silent_stream(server: WireServer, opened: Opener) -> None:
    server.script(streamed(START, DELTA, STOP, pause_s=0.02))
    upstream = opened(idle_timeout_s=0.3)
    async with upstream.stream(call(stream=True), RecordingHold()) as stream:
        seen = b""
        async for chunk in bytes_of(stream):
            seen += chunk
            await asyncio.sleep(0.4)
    assert seen == START + DELTA + STOP


@pytest.mark.parametrize("end", ["cut", "reset"])
async def test_a_stream_that_breaks_off_says_so(
    server: WireServer, opened: Opener, end: str
) -> None:
    server.script(streamed(START, DELTA, pause_s=0.02, end=end))
    seen: list[bytes] = []
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        with pytest.raises(errors.APIResponseValidationError):
            await read_into(seen, stream)
    assert seen[0].startswith(START)


async def test_what_breaks_before_the_first_byte_is_retried_with_another_bound(
    server: WireServer, opened: Opener
) -> None:
    server.script(reset, raw(head(200, {"Content-Length": "9"})), streamed(START, STOP))
    hold = RecordingHold()
    async with opened(max_attempts=3).stream(call(stream=True), hold) as stream:
        assert b"".join([chunk async for chunk in bytes_of(stream)]) == START + STOP
    assert hold.held == 2
    assert [a.charged for a in hold.attempts] == [True, True, False]


async def test_a_stream_without_a_byte_is_unreadable(server: WireServer, opened: Opener) -> None:
    server.script(whole(b""))
    with pytest.raises(errors.APIResponseValidationError):
        async with opened().stream(call(stream=True), RecordingHold()):
            pass


async def test_a_caller_that_leaves_while_the_stream_opens_takes_it_along(
    server: WireServer, opened: Opener
) -> None:
    server.script(hang)
    hold = RecordingHold()

    async def read() -> None:
        async with opened().stream(call(stream=True), hold):
            pass

    task = asyncio.create_task(read())
    await asyncio.wait_for(server.asked.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.left.wait(), 2)
    assert hold.outcomes == [(None, "CancelledError")]
