"""What every upstream does in one attempt, the scripted one of the story's tests too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import pytest

from app.core import errors
from app.core.request import Reply
from app.core.usage import Usage
from app.ports import Part, Upstream, UpstreamStream
from app.upstream.factory import open_upstream
from app.upstream.openrouter.upstream import OpenRouterUpstream
from app.upstream.options import UpstreamOptions
from tests.calls.fakes import After, FixedClock, ScriptedUpstream, says
from tests.upstream.anthropic.calls import API_KEY, HAIKU, call
from tests.upstream.anthropic.wire_server import (
    Answer,
    WireServer,
    failure,
    streamed,
    whole,
    wire_server,
)

START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": HAIKU, "usage": {"input_tokens": 9, "output_tokens": 1}},
}
TEXT = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "Hello."},
}
COUNT = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 3},
}
STOP = {"type": "message_stop"}
OVERLOAD = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


class Scripted(Protocol):
    """An upstream that does next what it is told."""

    @property
    def upstream(self) -> Upstream:
        """The one that is tried."""

    def answers(self) -> None:
        """A whole answer of 12 tokens in and 3 out."""

    def refuses(self, status: int) -> None:
        """An error status."""

    def streams(self, *events: dict[str, Any]) -> None:
        """A stream of these events, and then its end."""

    def counts(self, tokens: int) -> None:
        """A count of the prompt."""


@dataclass
class OnTheWire:
    upstream: Upstream
    server: WireServer

    def answers(self) -> None:
        self.server.script(whole())

    def refuses(self, status: int) -> None:
        self.server.script(failure(status))

    def streams(self, *events: dict[str, Any]) -> None:
        self.server.script(_sse(events))

    def counts(self, tokens: int) -> None:
        self.server.script(whole({"input_tokens": tokens}))


def _sse(events: Sequence[dict[str, Any]]) -> Answer:
    return streamed(
        *(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), orjson.dumps(e)) for e in events)
    )


class InMemory:
    def __init__(self) -> None:
        self.upstream = self.scripted = ScriptedUpstream(FixedClock(), [])

    def answers(self) -> None:
        usage = Usage(input_tokens=12, output_tokens=3)
        headers = {"request-id": "req_1"}
        reply = Reply("msg_1", HAIKU, (), "end_turn", usage, headers=headers)
        self.scripted.script = [After(0.0, reply)]

    def refuses(self, status: int) -> None:
        error = errors.status_error(status)("no", status=status, headers={"request-id": "req_1"})
        self.scripted.script = [After(0.0, error)]

    def streams(self, *events: dict[str, Any]) -> None:
        self.scripted.script = [After(0.0, tuple(says(0.0, event) for event in events))]

    def counts(self, tokens: int) -> None:
        self.scripted.counts = tokens


@pytest.fixture(params=["memory", "aiohttp", "sdk", "openrouter"])
async def scripted(request: pytest.FixtureRequest) -> AsyncIterator[Scripted]:
    if request.param == "memory":
        yield InMemory()
        return
    async with wire_server() as server:
        options = UpstreamOptions(
            kind="openrouter" if request.param == "openrouter" else "anthropic",
            api_key=API_KEY,
            base_url=server.url,
            transport="sdk" if request.param == "sdk" else "aiohttp",
        )
        upstream = open_upstream(options)
        yield OnTheWire(upstream, server)
        await upstream.close()


async def read(stream: UpstreamStream, parts: list[Part]) -> None:
    async for part in stream.parts():
        parts.append(part)  # noqa: PERF401  # kept when it breaks off


def kinds(parts: Sequence[Part]) -> list[str]:
    return [event["type"] for part in parts for event in part.events]


async def answered(upstream: Upstream) -> None:
    await upstream.send(call())


async def begun(upstream: Upstream) -> None:
    async with upstream.stream(call(stream=True)):
        pass


async def test_a_whole_answer_says_what_it_used(scripted: Scripted) -> None:
    scripted.answers()
    reply = await scripted.upstream.send(call())
    assert (reply.message_id, reply.model, reply.stop_reason) == ("msg_1", HAIKU, "end_turn")
    assert reply.usage == Usage(input_tokens=12, output_tokens=3)
    assert reply.headers["request-id"] == "req_1"


@pytest.mark.parametrize("status", [400, 429, 500, 529])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_status_is_raised_as_one_attempts_end(
    scripted: Scripted, status: int, *, stream: bool
) -> None:
    scripted.refuses(status)
    with pytest.raises(errors.APIStatusError) as raised:
        await (begun if stream else answered)(scripted.upstream)
    assert type(raised.value) is errors.status_error(status)
    assert raised.value.status == status
    assert raised.value.headers["request-id"] == "req_1"


async def test_a_stream_yields_its_events_and_meters_them(scripted: Scripted) -> None:
    scripted.streams(START, TEXT, COUNT, STOP)
    parts: list[Part] = []
    async with scripted.upstream.stream(call(stream=True)) as stream:
        await read(stream, parts)
    assert kinds(parts) == ["message_start", "content_block_delta", "message_delta", "message_stop"]
    assert all(part.raw for part in parts)
    meter = stream.meter
    assert (meter.finished, meter.output_is_known) == (True, True)
    assert meter.usage == Usage(input_tokens=9, output_tokens=3)
    assert (meter.message_id, meter.model, meter.stop_reason) == ("msg_1", HAIKU, "end_turn")
    assert "request-id" in stream.headers


async def test_a_stream_that_breaks_off_raises_and_keeps_its_meter(scripted: Scripted) -> None:
    scripted.streams(START, TEXT)
    parts: list[Part] = []
    async with scripted.upstream.stream(call(stream=True)) as stream:
        with pytest.raises(errors.APIResponseValidationError):
            await read(stream, parts)
    assert kinds(parts) == ["message_start", "content_block_delta"]
    assert (stream.meter.finished, stream.meter.visible_bytes) == (False, 6)
    assert stream.meter.usage is not None
    assert stream.meter.usage.input_tokens == 9


async def test_an_error_event_is_passed_on_and_then_raised(scripted: Scripted) -> None:
    scripted.streams(START, TEXT, OVERLOAD)
    parts: list[Part] = []
    async with scripted.upstream.stream(call(stream=True)) as stream:
        with pytest.raises(errors.OverloadedError) as raised:
            await read(stream, parts)
    assert kinds(parts) == ["message_start", "content_block_delta", "error"]
    assert raised.value.status == 529


async def test_a_prompt_is_counted_by_who_counts(scripted: Scripted) -> None:
    scripted.counts(41)
    if isinstance(scripted.upstream, OpenRouterUpstream):
        with pytest.raises(errors.NotSupported):
            await scripted.upstream.count_tokens(call())
        return
    assert (await scripted.upstream.count_tokens(call())).tokens == 41
