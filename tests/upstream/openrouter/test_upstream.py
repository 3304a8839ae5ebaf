"""What OpenRouter is sent, and what is made of its answers, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.core import errors
from app.core.models import Limits, Model
from app.core.request import Request
from app.ports import Call
from app.upstream.factory import open_upstream
from app.upstream.openrouter.upstream import OpenRouterUpstream
from app.upstream.options import UpstreamOptions
from tests.upstream.anthropic.wire_server import (
    MESSAGE,
    Answer,
    Connection,
    WireServer,
    failure,
    hang,
    head,
    raw,
    streamed,
    whole,
    wire_server,
)

KEY = "sk-or-v1-very-secret"
HAIKU = "anthropic/claude-haiku-4.5"
MODEL = Model(HAIKU, ("openrouter",), (), Limits(200_000, 64_000, 4_096))
THOUGHT = {
    "role": "assistant",
    "content": [{"type": "thinking", "thinking": "Hm.", "signature": "sealed"}],
}


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as scripted:
        yield scripted


@pytest.fixture
async def upstream(server: WireServer) -> AsyncIterator[OpenRouterUpstream]:
    opened = open_upstream(UpstreamOptions("openrouter", KEY, f"{server.url}/api/v1"))
    assert isinstance(opened, OpenRouterUpstream)
    yield opened
    await opened.close()


def call(model: Model = MODEL, headers: Mapping[str, str] | None = None, **fields: Any) -> Call:
    request = Request(HAIKU, ({"role": "user", "content": "Hi"},), max_tokens=64)
    return Call(replace(request, **fields), model, headers or {})


async def test_it_is_asked_at_its_own_path_with_a_bearer(
    server: WireServer, upstream: OpenRouterUpstream
) -> None:
    usage = {"input_tokens": 12, "output_tokens": 3, "cost": 0.0000297}
    server.script(whole({**MESSAGE, "usage": usage}))
    reply = await upstream.send(call(session_id="\0" + "s" * 300, headers={"anthropic-beta": "b"}))
    received = server.requests[0]
    assert received.path == "/api/v1/messages"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["anthropic-beta"] == "b"
    assert "x-api-key" not in received.headers
    assert orjson.loads(received.body) == {
        "model": HAIKU,
        "max_tokens": 64,
        "session_id": "\\x00" + "s" * 252,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert reply.billed_nano_usd == 29_700


async def test_a_callers_own_bytes_go_up_as_they_are(
    server: WireServer, upstream: OpenRouterUpstream
) -> None:
    server.script(whole())
    body = b'{ "model" : "anthropic/claude-haiku-4.5", "max_tokens":9, "messages":[], "new": {} }'
    await upstream.send(call(original=body))
    assert server.requests[0].body == body


ASKED = [
    # the config's        the caller's             thinking  sent
    (None, None, False, None),
    (None, None, True, {"only": ["anthropic"]}),
    (None, {"sort": "price"}, True, {"sort": "price"}),
    ({"sort": "price"}, None, False, {"sort": "price"}),
    ({"sort": "price"}, None, True, {"sort": "price", "only": ["anthropic"]}),
    ({"only": ["google-vertex"]}, None, True, {"only": ["google-vertex"]}),
    ({"zdr": True}, {"only": ["anthropic"]}, False, {"only": ["anthropic"]}),
]


@pytest.mark.parametrize(("configured", "own", "thinking", "sent"), ASKED)
async def test_signed_thinking_goes_back_to_who_signed_it(
    server: WireServer,
    upstream: OpenRouterUpstream,
    configured: dict[str, Any] | None,
    own: dict[str, Any] | None,
    sent: dict[str, Any] | None,
    *,
    thinking: bool,
) -> None:
    server.script(whole())
    history = ({"role": "user", "content": "Hi"}, *((THOUGHT,) if thinking else ()))
    options = {} if own is None else {"provider": own}
    model = replace(MODEL, provider=configured)
    await upstream.send(call(model, messages=history, options=options, original=None))
    body = orjson.loads(server.requests[0].body)
    assert body.get("provider") == sent
    assert body["messages"] == list(history)


async def test_a_history_with_thinking_in_a_callers_own_bytes_is_written_anew(
    server: WireServer, upstream: OpenRouterUpstream
) -> None:
    server.script(whole())
    await upstream.send(call(messages=(THOUGHT,), original=b"{}"))
    body = orjson.loads(server.requests[0].body)
    assert (body["provider"], body["messages"]) == ({"only": ["anthropic"]}, [THOUGHT])


ERRORS: list[tuple[dict[str, Any], type[errors.APIStatusError], int]] = [
    ({"error": {"code": 402, "message": "no credits"}}, errors.PaymentRequiredError, 402),
    ({"error": {"code": 429, "message": "slow down"}}, errors.RateLimitError, 429),
    ({"error": {"code": 502, "message": "down"}}, errors.InternalServerError, 502),
    ({"error": {"code": "odd", "message": "down"}}, errors.InternalServerError, 500),
    ({"error": {"code": 200, "message": "down"}}, errors.InternalServerError, 500),
    (
        {"type": "error", "error": {"type": "overloaded_error", "message": "busy", "code": 500}},
        errors.OverloadedError,
        529,
    ),
]


@pytest.mark.parametrize(("body", "expected", "status"), ERRORS)
async def test_an_error_inside_a_200_is_that_error(
    server: WireServer,
    upstream: OpenRouterUpstream,
    body: dict[str, Any],
    expected: type[errors.APIStatusError],
    status: int,
) -> None:
    server.script(whole(body))
    with pytest.raises(errors.APIStatusError) as raised:
        await upstream.send(call())
    assert (type(raised.value), raised.value.status) == (expected, status)


@pytest.mark.parametrize(("body", "expected", "status"), ERRORS)
async def test_an_error_that_comes_first_in_a_stream_is_that_error(
    server: WireServer,
    upstream: OpenRouterUpstream,
    body: dict[str, Any],
    expected: type[errors.APIStatusError],
    status: int,
) -> None:
    server.script(streamed(b": OPENROUTER PROCESSING\n\n", b"data: %b\n\n" % orjson.dumps(body)))
    with pytest.raises(errors.APIStatusError) as raised:
        await upstream.stream(call(stream=True)).__aenter__()
    assert (type(raised.value), raised.value.status) == (expected, status)


async def test_our_key_is_in_no_error(server: WireServer, upstream: OpenRouterUpstream) -> None:
    server.script(failure(401, f"no user for {KEY}"))
    with pytest.raises(errors.AuthenticationError) as raised:
        await upstream.send(call())
    assert raised.value.message == "no user for [redacted]"


START = b'data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":9}}}\n\n'
TEXT = (
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
)
END = (
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":3,"cost":0.00012}}\n\n'
)
STOP = b'data: {"type":"message_stop"}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_stream_has_its_cost_whatever_it_is_cut_into(
    server: WireServer, upstream: OpenRouterUpstream, pieces: int
) -> None:
    text = b": OPENROUTER PROCESSING\n\n" + START + TEXT + END + STOP
    size = -(-len(text) // pieces)
    server.script(streamed(*(text[at : at + size] for at in range(0, len(text), size))))
    async with upstream.stream(call(stream=True)) as stream:
        raw = b"".join([part.raw async for part in stream.parts()])
    assert text.startswith(raw)
    assert raw.endswith(b'{"type":"message_stop"}\n\n')
    assert stream.meter.billed_nano_usd == 120_000


async def test_an_error_in_mid_stream_without_a_type_is_one(
    server: WireServer, upstream: OpenRouterUpstream
) -> None:
    error = b'data: {"error":{"code":503,"message":"gone"}}\n\n'
    server.script(streamed(START, TEXT, error))
    async with upstream.stream(call(stream=True)) as stream:
        with pytest.raises(errors.ServiceUnavailableError):
            [part async for part in stream.parts()]


HEAD = head(200, {"Content-Length": "500", "request-id": "req_9", "x-generation-id": "gen-9"})


async def _then_silence(connection: Connection) -> None:
    await connection.write(HEAD + b'{"id": "gen-9", ')
    await hang(connection)


BROKEN = [
    raw(HEAD + b'{"id": "gen-9", '),
    _then_silence,
    whole(b'{"id": "gen-9", ', headers={"request-id": "req_9", "x-generation-id": "gen-9"}),
]


@pytest.mark.parametrize("broken", BROKEN, ids=["broken off", "too late", "unreadable"])
async def test_a_broken_answer_keeps_what_its_bill_is_asked_by(
    server: WireServer, broken: Answer
) -> None:
    server.script(broken)
    options = UpstreamOptions("openrouter", KEY, f"{server.url}/api/v1", total_timeout_s=0.5)
    upstream = open_upstream(options)
    with pytest.raises(errors.UncertainError) as raised:
        await upstream.send(call())
    await upstream.close()
    told = raised.value
    assert (told.status, told.request_id, told.generation_id) == (200, "req_9", "gen-9")


async def test_it_counts_nothing_beforehand(upstream: OpenRouterUpstream) -> None:
    with pytest.raises(errors.NotSupported):
        await upstream.count_tokens(call())
