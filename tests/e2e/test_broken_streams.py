"""What a caller is told, and what a row says, of streams that break and of those that seem to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import orjson
import pytest

from tests.running import Gateway, gateway
from tests.upstream.anthropic.wire_server import (
    MESSAGE,
    Answer,
    WireServer,
    failure,
    streamed,
    whole,
    wire_server,
)

KEY = "sk-ant-upstream-secret-for-tests"
HAIKU = "claude-haiku-4-5-20251001"
CHAT: dict[str, Any] = {
    "model": HAIKU,
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Hello"}],
}
RESPONSES = {"model": HAIKU, "input": "Hello", "store": False, "max_output_tokens": 50}
BODIES = {"/v1/messages": CHAT, "/v1/chat/completions": CHAT, "/v1/responses": RESPONSES}
ENDS = {
    "/v1/messages": b'data: {"type":"message_stop"}\n\n',
    "/v1/chat/completions": b"data: [DONE]\n\n",
    "/v1/responses": b"event: response.completed\n",
}
FAILS = {
    "/v1/messages": b'\n\nevent: error\ndata: {"type":"error","error":{',
    "/v1/chat/completions": b'\n\ndata: {"error":{',
    "/v1/responses": b"\n\nevent: response.failed\n",
}
EVERY_ROUTE = pytest.mark.parametrize("path", BODIES)


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **fields}) + b"\n\n"


PING = event("ping")
START = event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})
OPENS = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello."})
CLOSES = event("content_block_stop", index=0)
COUNT = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
STOP = event("message_stop")
REPLY = START + OPENS + TEXT + CLOSES + COUNT + STOP
OVERLOADED = event("error", error={"type": "overloaded_error", "message": f"Busy, {KEY}"})


@pytest.fixture(scope="module")
def scripted() -> Iterator[WireServer]:
    """A scripted server in a thread of its own."""
    started: list[WireServer] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with wire_server() as server:
            started.append(server)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    yield started[0]
    over.set()
    thread.join()


@pytest.fixture(scope="module")
def served(scripted: WireServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("broken"), scripted.url) as running:
        yield running


@pytest.fixture(scope="module")
def secret(served: Gateway) -> str:
    return served.key()


ENDINGS: list[tuple[str, Answer]] = [
    ("a reset", streamed(REPLY, end="reset")),
    ("no last chunk", streamed(REPLY, end="cut")),
    ("held open", streamed(REPLY, end="hang")),
    ("no blank line", streamed(REPLY[:-1], end="hang")),
    ("[DONE]", streamed(REPLY, b"data: [DONE]\n\n")),
    ("an error", streamed(REPLY + OVERLOADED)),
    ("garbage", streamed(REPLY + b"\xff{{")),
    ("pings", streamed(REPLY, *[PING] * 100, pause_s=0.05)),
]


@EVERY_ROUTE
@pytest.mark.parametrize(("name", "answer"), ENDINGS, ids=[name for name, _ in ENDINGS])
def test_an_answer_that_is_whole_stays_whole_and_is_settled_exactly(
    served: Gateway, scripted: WireServer, secret: str, *, path: str, name: str, answer: Answer
) -> None:
    scripted.script(answer)
    told = served.post(path, secret, {**BODIES[path], "stream": True})
    assert (told.status_code, ENDS[path] in told.content) == (200, True), name
    assert b"error" not in told.content.replace(b'"error":null', b"")
    row = served.row(told.headers["x-request-id"])
    assert (row["state"], row["status"], row["error_code"]) == ("settled", 200, None)
    # 12 at $1 and 3 at $5 per million
    assert (row["cost_source"], row["cost_usd"]) == ("computed", "0.000027")


BREAKS: list[tuple[str, Answer]] = [
    ("inside an event", streamed(START + OPENS + TEXT[:40], end="cut")),
    ("inside an event, by a reset", streamed(START + OPENS, TEXT[:70], end="reset")),
    ("inside a line end", streamed((START + OPENS + TEXT)[:-1], end="cut")),
    ("after text", streamed(START + OPENS + TEXT)),
    ("after its count", streamed(REPLY.removesuffix(STOP))),
    ("by an error", streamed(START + OPENS + TEXT + OVERLOADED)),
    ("by what can't be read", streamed(START + OPENS + TEXT + b"data: {\n\n", end="hang")),
]


@EVERY_ROUTE
@pytest.mark.parametrize(("name", "answer"), BREAKS, ids=[name for name, _ in BREAKS])
def test_an_answer_that_breaks_off_says_so_on_a_line_of_its_own(
    served: Gateway, scripted: WireServer, secret: str, *, path: str, name: str, answer: Answer
) -> None:
    scripted.script(answer)
    told = served.post(path, secret, {**BODIES[path], "stream": True})
    assert (told.status_code, FAILS[path] in told.content) == (200, True), name
    assert ENDS[path] not in told.content
    assert KEY not in told.text
    for line in told.text.splitlines():
        if line.startswith("data: "):
            orjson.loads(line[6:])
    row = served.row(told.headers["x-request-id"])
    assert row["state"] == "settled"
    # 12 at $1 and max_tokens, 50, at $5 per million: less than 64 and what came
    assert (row["cost_source"], row["cost_usd"]) == ("estimated", "0.000262")


def test_anthropics_client_raises_for_a_stream_that_is_cut_inside_an_event(
    served: Gateway, scripted: WireServer, secret: str
) -> None:
    scripted.script(streamed(START + OPENS + TEXT + TEXT[:60], end="cut"))
    client = anthropic.Anthropic(base_url=served.url, api_key=secret, max_retries=0)
    seen: list[str] = []
    with client.messages.stream(**CHAT) as stream, pytest.raises(anthropic.APIStatusError):
        seen.extend(stream.text_stream)
    assert seen == ["Hello."]


@EVERY_ROUTE
def test_content_and_then_an_error_without_a_start_is_not_free(
    served: Gateway, scripted: WireServer, secret: str, path: str
) -> None:
    scripted.script(streamed(OPENS + TEXT + OVERLOADED))
    told = served.post(path, secret, {**BODIES[path], "stream": True})
    assert KEY not in told.text
    row = served.row(told.headers["x-request-id"])
    assert (row["state"], row["cost_source"]) == ("settled", "estimated")
    assert float(row["cost_usd"]) > 0


PAGE = b"<html><body>Bad gateway</body></html>"


@pytest.mark.parametrize("stream", [False, True])
def test_a_page_of_html_keeps_its_kind_for_anthropics_clients_alone(
    served: Gateway, scripted: WireServer, secret: str, *, stream: bool
) -> None:
    kind = {"Content-Type": "text/html; charset=utf-8", "x-should-retry": "false"}
    scripted.script(whole(PAGE, 502, kind))
    for path, body in BODIES.items():
        told = served.post(path, secret, {**body, "stream": stream})
        assert told.status_code == 502
        if path == "/v1/messages":
            assert told.headers["content-type"] == "text/html; charset=utf-8"
            assert told.content == PAGE
        else:
            assert told.headers["content-type"] == "application/json"
            assert told.json()["error"]["code"] == "upstream_error"
        assert served.row(told.headers["x-request-id"])["cost_usd"] == "0.00"


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_repeats_our_key_does_not_hand_it_to_the_caller(
    served: Gateway, scripted: WireServer, secret: str, *, stream: bool
) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": f"no: {KEY}"}}
    for answer in (failure(400, f"no: {KEY}"), whole(error), streamed(event("error", **error))):
        scripted.script(answer)
        for path, body in BODIES.items():
            told = served.post(path, secret, {**body, "stream": stream})
            assert told.status_code in (400, 502)
            assert KEY not in f"{told.text}{told.headers}"
    assert KEY not in served.log_text()
