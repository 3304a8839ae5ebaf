"""Streams as a bad day brings them, over either transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import orjson
import pytest

from app.core import errors
from app.core.usage import Usage
from app.ports import UpstreamStream
from tests.upstream.anthropic.calls import API_KEY, RecordingHold, bytes_of, call
from tests.upstream.anthropic.conftest import Opener
from tests.upstream.anthropic.wire_server import (
    MESSAGE,
    Answer,
    Connection,
    WireServer,
    head,
    streamed,
    whole,
)

EVENT_STREAM = {"Content-Type": "text/event-stream"}


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **fields}) + b"\n\n"


PING = event("ping")
COMMENT = b": PROCESSING\n\n"
START = event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})
OPENS = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello."})
COUNT = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
STOP = event("message_stop")
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Busy"})
REPLY = START + OPENS + TEXT + COUNT + STOP
COUNTED = Usage(12, 0, 0, 0, 5)


async def read(stream: UpstreamStream) -> tuple[bytes, errors.UpstreamError | None]:
    """All bytes that come, and what ends them."""
    seen = b""
    try:
        async for raw in bytes_of(stream):
            seen += raw
    except errors.UpstreamError as error:
        return seen, error
    return seen, None


ENDINGS: list[tuple[str, Answer]] = [
    ("a clean end", streamed(REPLY)),
    ("a reset", streamed(REPLY, end="reset")),
    ("no last chunk", streamed(REPLY, end="cut")),
    ("a connection held open", streamed(REPLY, end="hang")),
    ("no final blank line", streamed(REPLY[:-1])),
    ("no final line end", streamed(REPLY[:-2])),
    ("no blank line, held open", streamed(REPLY[:-1], end="hang")),
    ("[DONE]", streamed(REPLY, b"data: [DONE]\n\n")),
    ("[DONE] in the same piece", streamed(REPLY + b"data: [DONE]\n\n")),
    ("an error event", streamed(REPLY, OVERLOADED, pause_s=0.02)),
    ("an error event in the same piece", streamed(REPLY + OVERLOADED)),
    ("garbage", streamed(REPLY + b"\xff\x00{{{", b"data: {\n\n", pause_s=0.02)),
    ("another message", streamed(REPLY + REPLY)),
    ("pings for ever", streamed(REPLY, *[PING] * 200, pause_s=0.05)),
    ("byte by byte", streamed(*(REPLY[n : n + 1] for n in range(len(REPLY))))),
]


@pytest.mark.parametrize(("name", "answer"), ENDINGS, ids=[name for name, _ in ENDINGS])
async def test_nothing_after_the_message_spoils_it(
    server: WireServer, opened: Opener, name: str, answer: Answer
) -> None:
    server.script(answer)
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        seen, error = await read(stream)
        started_s = time.monotonic()
    assert error is None
    assert seen == REPLY
    assert (stream.meter.finished, stream.meter.output_is_known) == (True, True)
    assert stream.meter.usage == COUNTED
    assert time.monotonic() - started_s < 4, name


async def test_the_message_is_told_before_the_connections_end_is_waited_for(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(REPLY, end="hang"))
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        async for part in stream.parts():
            if part.events[-1]["type"] == "message_stop":
                assert not server.left.is_set()
    await asyncio.wait_for(server.left.wait(), 2)


@pytest.mark.parametrize("end", ["cut", "reset", "whole"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("left", [3, 30, len(TEXT) - 1])
async def test_half_an_event_is_not_passed_on(
    server: WireServer, opened: Opener, end: str, line_end: bytes, left: int
) -> None:
    said, half = (START + OPENS).replace(b"\n", line_end), TEXT.replace(b"\n", line_end)[:left]
    server.script(streamed(said + half[:2], half[2:], pause_s=0.02, end=end))
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        seen, error = await read(stream)
    assert isinstance(error, errors.APIResponseValidationError)
    assert seen == said
    usage = stream.meter.estimate(64, time.monotonic())
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (12, 64)


async def test_what_cannot_be_read_ends_the_stream_after_what_can(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(START + TEXT + b"data: {broken\n\n" + TEXT, end="hang"))
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        seen, error = await read(stream)
    assert isinstance(error, errors.APIResponseValidationError)
    assert seen == START + TEXT


CUTS: list[Callable[[bytes], list[bytes]]] = [
    lambda refusal: [refusal],
    lambda refusal: [refusal[:9], refusal[9:40], refusal[40:]],
    lambda refusal: [refusal[n : n + 1] for n in range(len(refusal))],
    lambda refusal: [PING + refusal],
    lambda refusal: [PING, COMMENT, refusal],
    lambda refusal: [COMMENT + COMMENT, PING + refusal[:20], refusal[20:] + PING],
    lambda refusal: [b"\n", refusal.replace(b"\n", b"\r\n")],
    lambda refusal: [refusal.replace(b"event: error\n", b"")],
]


@pytest.mark.parametrize("cut", range(len(CUTS)))
@pytest.mark.parametrize("end", ["whole", "cut", "hang"])
async def test_an_error_that_says_the_first_word_is_tried_again(
    server: WireServer, opened: Opener, cut: int, end: str
) -> None:
    server.script(streamed(*CUTS[cut](OVERLOADED), pause_s=0.001, end=end), streamed(PING + REPLY))
    hold = RecordingHold()
    async with opened(max_attempts=2).stream(call(stream=True), hold) as stream:
        seen, error = await read(stream)
    assert (seen, error) == (PING + REPLY, None)
    assert hold.outcomes == [(529, "OverloadedError"), (200, None)]
    assert hold.held == 0


FIRST_ERRORS = [
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("authentication_error", 401),
    ("invalid_request_error", 400),
    ("a new one", 500),
]


@pytest.mark.parametrize(("kind", "status"), FIRST_ERRORS)
async def test_one_table_gives_an_error_its_status_wherever_it_stands(
    server: WireServer, opened: Opener, kind: str, status: int
) -> None:
    error = {"type": kind, "message": "No."}
    server.script(
        streamed(event("error", error=error)),
        streamed(START + event("error", error=error)),
        whole({"type": "error", "error": error}),
    )
    upstream, raised = opened(), []
    with pytest.raises(errors.APIStatusError) as first:
        async with upstream.stream(call(stream=True), RecordingHold()):
            pass
    async with upstream.stream(call(stream=True), RecordingHold()) as stream:
        raised.append((await read(stream))[1])
    with pytest.raises(errors.APIStatusError) as within:
        await upstream.send(call(), RecordingHold())
    for told in (first.value, *raised, within.value):
        assert isinstance(told, errors.APIStatusError)
        assert (told.status, told.message) == (status, "No.")


async def test_pings_alone_do_not_begin_a_stream(server: WireServer, opened: Opener) -> None:
    server.script(streamed(*[PING, COMMENT] * 400, pause_s=0.05))
    started_s = time.monotonic()
    with pytest.raises(errors.APITimeoutError):
        async with opened(first_byte_timeout_s=0.5).stream(call(stream=True), RecordingHold()):
            pass
    assert time.monotonic() - started_s < 4  # of forty


async def test_an_error_after_content_without_a_count_may_have_been_billed(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(OPENS + TEXT + OVERLOADED))
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        seen, error = await read(stream)
    assert seen == OPENS + TEXT + OVERLOADED
    assert isinstance(error, errors.UncertainError)
    assert (error.message, error.status, error.request_id) == ("Busy", 200, "req_2")
    assert (stream.meter.begun, stream.meter.usage) == (True, None)


async def test_an_error_after_an_event_without_content_is_not_billed(
    server: WireServer, opened: Opener
) -> None:
    server.script(streamed(event("brand_new") + OVERLOADED))
    async with opened().stream(call(stream=True), RecordingHold()) as stream:
        _, error = await read(stream)
    assert isinstance(error, errors.OverloadedError)
    assert not stream.meter.begun


@pytest.mark.parametrize("pieces", [[START + TEXT + COUNT], [START, TEXT, COUNT]])
async def test_a_stop_reason_and_pings_for_ever_come_to_an_end(
    server: WireServer, opened: Opener, pieces: list[bytes]
) -> None:
    server.script(streamed(*pieces, *[PING] * 200, pause_s=0.05))
    async with opened(idle_timeout_s=0.3).stream(call(stream=True), RecordingHold()) as stream:
        seen, error = await read(stream)
    assert isinstance(error, errors.APITimeoutError)
    assert seen.startswith(START + TEXT + COUNT + PING)
    assert len(seen) < len(START + TEXT + COUNT + 20 * PING)


ODD_BODIES: list[tuple[str, Answer]] = [
    ("a page", whole(b"<html>Hello</html>", headers={"Content-Type": "text/html"})),
    ("a whole reply", whole(MESSAGE)),
    ("text", whole(b"All is well.", headers={"Content-Type": "text/plain"})),
    ("an empty stream", whole(b"", headers=EVENT_STREAM)),
    ("comments alone", whole(COMMENT * 3, headers=EVENT_STREAM)),
    ("broken JSON", whole(b"data: {\n\n", headers=EVENT_STREAM)),
    ("a list", whole(b"data: []\n\n", headers=EVENT_STREAM)),
    ("comments without end", whole(COMMENT * 100_000, headers=EVENT_STREAM)),
    ("a start without a count", whole(event("message_start", message={}), headers=EVENT_STREAM)),
]


@pytest.mark.parametrize(("name", "answer"), ODD_BODIES, ids=[name for name, _ in ODD_BODIES])
async def test_what_is_no_stream_is_unreadable_and_tried_again(
    server: WireServer, opened: Opener, name: str, answer: Answer
) -> None:
    server.script(answer, streamed(REPLY))
    hold = RecordingHold()
    async with opened(max_attempts=2).stream(call(stream=True), hold) as stream:
        assert await read(stream) == (REPLY, None), name
    assert hold.outcomes == [(200, "APIResponseValidationError"), (200, None)]
    assert hold.held == 1


ERROR_BODIES = [
    b'{"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}',
    b'{\n\n  "error": {"type": "overloaded_error", "message": "Busy"},\n\n "type": "error"}\n\n',
    b'{"error": {"type": "overloaded_error", "message": "Busy"}, "request_id": "x"}',
]


@pytest.mark.parametrize("body", ERROR_BODIES)
async def test_an_error_under_status_200_is_that_error_and_not_billed(
    server: WireServer, opened: Opener, body: bytes
) -> None:
    server.script(whole(body), whole(body), streamed(REPLY))
    hold = RecordingHold()
    with pytest.raises(errors.OverloadedError) as raised:
        await opened().send(call(), hold)
    assert (raised.value.status, raised.value.message, raised.value.body) == (529, "Busy", body)
    async with opened(max_attempts=2).stream(call(stream=True), hold) as stream:
        assert await read(stream) == (REPLY, None)
    assert [status for status, _ in hold.outcomes] == [529, 529, 200]
    assert hold.held == 0


@pytest.mark.parametrize("status", [401, 500])
async def test_an_error_that_repeats_our_key_does_not_hand_it_on(
    server: WireServer, opened: Opener, status: int
) -> None:
    message = f"invalid x-api-key: {API_KEY}"
    error = {"type": "error", "error": {"type": "api_error", "message": message}}
    server.script(
        whole(error, status, {"anthropic-note": API_KEY}),
        whole(error),
        streamed(event("error", error=error["error"])),
        streamed(START + event("error", error=error["error"])),
    )
    upstream, told = opened(), list[errors.UpstreamError | None]()
    for _ in range(2):
        with pytest.raises(errors.APIStatusError) as raised:
            await upstream.send(call(), RecordingHold())
        told.append(raised.value)
    with pytest.raises(errors.APIStatusError) as raised:
        async with upstream.stream(call(stream=True), RecordingHold()):
            pass
    told.append(raised.value)
    async with upstream.stream(call(stream=True), RecordingHold()) as stream:
        seen, last = await read(stream)
    told.append(last)
    assert b"invalid x-api-key: [redacted]" in seen
    for each in told:
        assert isinstance(each, errors.APIStatusError)
        assert each.message == "invalid x-api-key: [redacted]"
        assert API_KEY not in f"{each.body!r} {each.headers} {each!r} {each.__cause__!r}"
    assert API_KEY.encode() not in seen


async def test_an_error_is_told_though_its_body_never_ends(
    server: WireServer, opened: Opener
) -> None:
    async def half_an_error(connection: Connection) -> None:
        await connection.write(head(529, {"Content-Length": "500"}) + b'{"type": "er')
        await connection.wait_until_the_client_leaves()

    server.script(half_an_error)
    upstream = opened(idle_timeout_s=0.2)
    with pytest.raises(errors.OverloadedError) as raised:
        await upstream.send(call(), RecordingHold())
    assert raised.value.body == b'{"type": "er'
    with pytest.raises(errors.OverloadedError):
        async with upstream.stream(call(stream=True), RecordingHold()):
            pass
    await asyncio.wait_for(server.left.wait(), 2)


async def test_no_more_of_an_error_is_read_than_is_worth_it(
    server: WireServer, opened: Opener
) -> None:
    server.script(whole(b"x" * 8_000_000, 500))
    with pytest.raises(errors.InternalServerError) as raised:
        await opened().send(call(), RecordingHold())
    assert 1024 * 1024 <= len(raised.value.body) < 2 * 1024 * 1024
