"""What either transport must do, shown on real sockets: whole answers."""

from __future__ import annotations

import asyncio
import socket
import traceback
from typing import Any

import orjson
import pytest

from app.core import errors
from tests.upstream.anthropic.calls import API_KEY, HAIKU, RecordingHold, call
from tests.upstream.anthropic.conftest import Opener
from tests.upstream.anthropic.wire_server import (
    MESSAGE,
    Answer,
    Connection,
    WireServer,
    failure,
    hang,
    head,
    raw,
    reset,
    whole,
)


async def test_a_request_is_sent_in_anthropics_shape_and_its_reply_read(
    server: WireServer, opened: Opener, transport: str
) -> None:
    server.script(whole())
    hold = RecordingHold()
    reply = await opened().send(
        call(system=({"type": "text", "text": "Be brief."},), options={"stop_sequences": ["x"]}),
        hold,
    )
    received = server.requests[0]
    assert received.path == "/v1/messages"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["anthropic-version"] == "2026-10-21"
    assert received.headers["accept-encoding"] == "identity"
    sent = {name: received.headers.get(name) for name in ("x-api-key", "authorization")}
    assert sent == (
        {"x-api-key": API_KEY, "authorization": None}
        if transport == "aiohttp"
        else {"x-api-key": None, "authorization": f"Bearer {API_KEY}"}
    )
    assert orjson.loads(received.body) == {
        "model": HAIKU,
        "max_tokens": 64,
        "stop_sequences": ["x"],
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert (reply.message_id, reply.stop_reason) == ("msg_1", "end_turn")
    assert reply.content == ({"type": "text", "text": "Hello."},)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (12, 3)
    assert reply.body == orjson.dumps(MESSAGE)
    assert reply.headers["request-id"] == "req_1"
    assert [(a.upstream, a.status, a.error, a.request_id) for a in hold.attempts] == [
        ("anthropic", 200, None, "req_1")
    ]


async def test_the_callers_own_bytes_and_version_go_upstream_but_not_its_credentials(
    server: WireServer, opened: Opener
) -> None:
    server.script(whole())
    body = b'{ "model" : "claude-haiku-4-5-20251001", "max_tokens":9,"messages":[1], "new": {} }'
    headers = {
        "Anthropic-Version": "2023-06-01",
        "anthropic-beta": "new-thing",
        "x-api-key": "tk-callers",
        "authorization": "Bearer tk-callers",
        "cookie": "a=b",
    }
    await opened().send(call(headers, original=body), RecordingHold())
    received = server.requests[0]
    assert received.body == body
    assert received.headers["anthropic-version"] == "2023-06-01"
    assert received.headers["anthropic-beta"] == "new-thing"
    assert "cookie" not in received.headers
    assert "tk-callers" not in str(received.headers)


STATUSES = [
    (302, errors.APIStatusError),
    (400, errors.BadRequestError),
    (401, errors.AuthenticationError),
    (402, errors.PaymentRequiredError),
    (403, errors.PermissionDeniedError),
    (404, errors.NotFoundError),
    (408, errors.RequestTimeoutError),
    (409, errors.ConflictError),
    (413, errors.RequestTooLargeError),
    (418, errors.APIStatusError),
    (422, errors.UnprocessableEntityError),
    (429, errors.RateLimitError),
    (500, errors.InternalServerError),
    (502, errors.InternalServerError),
    (503, errors.ServiceUnavailableError),
    (504, errors.DeadlineExceededError),
    (529, errors.OverloadedError),
]


@pytest.mark.parametrize(("status", "expected"), STATUSES)
async def test_an_error_status_raises_its_class_with_the_vendors_words(
    server: WireServer, opened: Opener, status: int, expected: type[errors.APIStatusError]
) -> None:
    server.script(failure(status, "in its own words", {"Retry-After": "7", "Location": "/x"}))
    hold = RecordingHold()
    with pytest.raises(errors.APIStatusError) as raised:
        await opened().send(call(), hold)
    error = raised.value
    assert type(error) is expected
    assert (error.status, error.message) == (status, "in its own words")
    assert error.headers["retry-after"] == "7"
    assert orjson.loads(error.body)["error"]["type"] == "some_error"
    assert [(a.status, a.request_id, a.charged) for a in hold.attempts] == [
        (status, "req_1", False)
    ]
    assert len(server.requests) == 1


async def test_an_overload_is_retried_and_nothing_more_is_held(
    server: WireServer, opened: Opener
) -> None:
    server.script(
        failure(529, headers={"retry-after-ms": "1"}),
        failure(429, headers={"retry-after-ms": "1"}),
        whole(),
    )
    hold = RecordingHold()
    reply = await opened(max_attempts=3).send(call(), hold)
    assert reply.message_id == "msg_1"
    assert hold.outcomes == [(529, "OverloadedError"), (429, "RateLimitError"), (200, None)]
    assert hold.held == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_a_refusal_is_not_retried(server: WireServer, opened: Opener, status: int) -> None:
    server.script(failure(status))
    hold = RecordingHold()
    with pytest.raises(errors.APIStatusError):
        await opened(max_attempts=3).send(call(), hold)
    assert len(server.requests) == 1


async def test_a_reset_may_have_been_billed_so_another_bound_is_held(
    server: WireServer, opened: Opener
) -> None:
    server.script(reset, whole())
    hold = RecordingHold()
    reply = await opened(max_attempts=2).send(call(), hold)
    assert reply.message_id == "msg_1"
    assert hold.held == 1
    assert [(a.status, a.error, a.charged) for a in hold.attempts] == [
        (None, "APIResponseValidationError", True),
        (200, None, False),
    ]


async def test_without_room_for_another_bound_there_is_no_retry(
    server: WireServer, opened: Opener
) -> None:
    server.script(reset, whole())
    hold = RecordingHold(room=0)
    with pytest.raises(errors.UncertainError):
        await opened(max_attempts=3).send(call(), hold)
    assert len(server.requests) == 1
    assert [a.charged for a in hold.attempts] == [False]


TRUNCATED = head(200, {"Content-Length": "500"}) + b'{"id": "msg_1", '
NO_USAGE = {name: value for name, value in MESSAGE.items() if name != "usage"}
UNREADABLE: list[tuple[str, Answer]] = [
    ("a reset", reset),
    ("nothing at all", raw(b"")),
    ("a truncated body", raw(TRUNCATED)),
    ("a truncated chunk", raw(head(200, {"Transfer-Encoding": "chunked"}) + b"50\r\n{")),
    ("no HTTP", raw(b"what is this?\r\n\r\n")),
    ("a bad header", raw(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")),
    ("broken JSON", whole(b'{"id": "msg_1", ')),
    ("no JSON", whole(b"<html>hello</html>", headers={"Content-Type": "text/html"})),
    ("invalid UTF-8", whole(b'{"id": "\xff"}')),
    ("another object", whole({"object": "chat.completion"})),
    ("an array", whole([])),
    ("no usage", whole(NO_USAGE)),
    ("a negative count", whole({**MESSAGE, "usage": {"input_tokens": -1, "output_tokens": 1}})),
    ("a broken gzip", whole(b"not gzip at all", headers={"Content-Encoding": "gzip"})),
    ("a body that is too large", raw(head(200, {"Content-Length": str(2**30)}) + b"{")),
]


# Of all others the head has come: their status and ids are known, for whoever asks the vendor.
WITHOUT_A_HEAD = {"a reset", "nothing at all", "no HTTP", "a bad header"}


@pytest.mark.parametrize(("name", "answer"), UNREADABLE, ids=[n for n, _ in UNREADABLE])
async def test_an_answer_that_cannot_be_read_may_have_been_billed(
    server: WireServer, opened: Opener, name: str, answer: Answer
) -> None:
    server.script(answer)
    hold = RecordingHold()
    with pytest.raises(errors.APIResponseValidationError) as raised:
        await opened().send(call(), hold)
    status = None if name in WITHOUT_A_HEAD else 200
    assert [(a.status, a.error) for a in hold.attempts] == [(status, "APIResponseValidationError")]
    assert API_KEY not in _told(raised.value)


async def test_no_answer_in_time_is_a_timeout(server: WireServer, opened: Opener) -> None:
    server.script(hang)
    with pytest.raises(errors.APITimeoutError) as raised:
        await opened(total_timeout_s=0.5).send(call(), RecordingHold())
    assert API_KEY not in _told(raised.value)
    await asyncio.wait_for(server.left.wait(), 2)


async def test_half_an_answer_in_time_is_a_timeout(server: WireServer, opened: Opener) -> None:
    async def half(connection: Connection) -> None:
        await connection.write(TRUNCATED)
        await hang(connection)

    server.script(half)
    with pytest.raises(errors.APITimeoutError):
        await opened(total_timeout_s=0.5).send(call(), RecordingHold())


async def test_what_never_connected_is_not_billed(opened: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hold = RecordingHold()
    with pytest.raises(errors.APIConnectionError) as raised:
        await opened(base_url=f"http://127.0.0.1:{port}").send(call(), hold)
    assert hold.outcomes == [(None, "APIConnectionError")]
    assert hold.held == 0
    assert API_KEY not in _told(raised.value)


async def test_a_name_that_does_not_resolve_is_not_billed(opened: Opener) -> None:
    upstream = opened(base_url="http://no-such-host.invalid")
    with pytest.raises(errors.APIConnectionError):
        await upstream.send(call(), RecordingHold())


async def test_a_failed_tls_handshake_is_not_billed(opened: Opener) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(400, {"Content-Length": "0"}))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(errors.APIConnectionError):
            await opened(base_url=f"https://127.0.0.1:{port}").send(call(), RecordingHold())


@pytest.mark.parametrize("timeouts", [{"connect_timeout_s": 0.2}, {"total_timeout_s": 2.0}])
async def test_a_connect_timeout_is_not_billed(opened: Opener, timeouts: dict[str, Any]) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):  # the queue is full: the next SYN stays unanswered
            waiting.setblocking(False)  # noqa: FBT003
            waiting.connect_ex(full.getsockname())
        upstream = opened(base_url=f"http://127.0.0.1:{full.getsockname()[1]}", **timeouts)
        with pytest.raises(errors.APIConnectionError):
            await upstream.send(call(), RecordingHold())


async def test_an_error_whose_body_breaks_off_is_an_error_all_the_same(
    server: WireServer, opened: Opener
) -> None:
    server.script(raw(head(400, {"Content-Length": "500"}) + b'{"type": "er'))
    with pytest.raises(errors.BadRequestError) as raised:
        await opened().send(call(), RecordingHold())
    assert raised.value.body == b'{"type": "er'


async def test_redirects_are_not_followed_and_cookies_not_kept(
    server: WireServer, opened: Opener
) -> None:
    server.script(
        failure(307, headers={"location": f"{server.url}/elsewhere", "set-cookie": "a=b"}),
        whole(headers={"set-cookie": "c=d"}),
        whole(),
    )
    upstream = opened()
    with pytest.raises(errors.APIStatusError):
        await upstream.send(call(), RecordingHold())
    await upstream.send(call(), RecordingHold())
    await upstream.send(call(), RecordingHold())
    assert [received.path for received in server.requests] == ["/v1/messages"] * 3
    assert all("cookie" not in received.headers for received in server.requests)


async def test_calls_in_a_row_share_a_connection(server: WireServer, opened: Opener) -> None:
    server.script(whole())
    upstream = opened()
    for _ in range(3):
        await upstream.send(call(), RecordingHold())
    assert (len(server.requests), server.connections) == (3, 1)


async def test_no_call_waits_for_another_ones_connection(
    server: WireServer, opened: Opener
) -> None:
    together = asyncio.Event()

    async def when_all_are_here(connection: Connection) -> None:
        if len(server.requests) == 150:
            together.set()
        await together.wait()
        await whole()(connection)

    server.script(when_all_are_here)
    upstream = opened(total_timeout_s=30)
    replies = await asyncio.gather(*(upstream.send(call(), RecordingHold()) for _ in range(150)))
    assert len(replies) == 150


async def test_a_large_prompt_arrives_whole(server: WireServer, opened: Opener) -> None:
    server.script(whole())
    text = "x" * 3_000_000
    await opened().send(call(messages=({"role": "user", "content": text},)), RecordingHold())
    assert orjson.loads(server.requests[0].body)["messages"][0]["content"] == text


async def test_tokens_are_counted_without_what_only_a_message_takes(
    server: WireServer, opened: Opener
) -> None:
    server.script(whole({"input_tokens": 2095}))
    options = {"temperature": 1, "tool_choice": {"type": "auto"}, "stop_sequences": ["x"]}
    tokens = (await opened().count_tokens(call(options=options, stream=True))).tokens
    assert tokens == 2095
    received = server.requests[0]
    assert received.path == "/v1/messages/count_tokens"
    assert orjson.loads(received.body) == {
        "model": HAIKU,
        "tool_choice": {"type": "auto"},
        "messages": [{"role": "user", "content": "Hi"}],
    }


async def test_a_count_is_not_retried_and_not_guessed(server: WireServer, opened: Opener) -> None:
    server.script(failure(529, headers={"retry-after-ms": "1"}), whole({"input_tokens": None}))
    upstream = opened(max_attempts=3)
    with pytest.raises(errors.OverloadedError):
        await upstream.count_tokens(call())
    with pytest.raises(errors.APIResponseValidationError):
        await upstream.count_tokens(call())
    assert len(server.requests) == 2


async def test_a_caller_that_leaves_takes_the_attempt_along(
    server: WireServer, opened: Opener
) -> None:
    server.script(hang)
    hold = RecordingHold()
    task = asyncio.create_task(opened(max_attempts=3).send(call(), hold))
    await asyncio.wait_for(server.asked.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.left.wait(), 2)
    assert hold.outcomes == [(None, "CancelledError")]


def _told(error: BaseException) -> str:
    """All that a log could say about an error and its causes."""
    return "".join(traceback.format_exception(error)) + f"{error!r} {error.__cause__!r}"
