"""Upstreams that keep to the letter of HTTP and to little else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from tests.running import Gateway, gateway
from tests.upstream.anthropic.wire_server import (
    MESSAGE,
    WireServer,
    failure,
    streamed,
    whole,
    wire_server,
)

ASKED = {"model": "haiku", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
ROUTES = {
    "/v1/chat/completions": (ASKED, b"data: [DONE]"),
    "/v1/responses": ({"model": "haiku", "input": "Hello", "store": False}, b"response.completed"),
    "/v1/messages": (ASKED, b"message_stop"),
}
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **fields}) + b"\n\n"


OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Busy"})
REST = b"".join(
    (
        event("message_start", message={**MESSAGE, "content": [], "stop_reason": None}),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello."}),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
        event("message_stop"),
    )
)


@contextmanager
def served_by(upstream: WireServer, folders: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(folders.mktemp("gateway"), upstream.url) as running:
        yield running


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("first", [PING, b": a comment\n\n", b"\r\n"])
async def test_a_stream_that_begins_with_a_ping_may_still_be_refused_and_tried_again(
    first: bytes, path: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body, ending = ROUTES[path]
    async with wire_server() as upstream:
        upstream.script(
            streamed(first, OVERLOADED[:30], OVERLOADED[30:], pause_s=0.02),
            streamed(first, REST, pause_s=0.02),
        )
        with served_by(upstream, tmp_path_factory) as served:
            answer = await asyncio.to_thread(
                served.post, path, served.key(), {**body, "stream": True}
            )
            assert ending in answer.content
            row = served.row(answer.headers["x-request-id"])
    assert [a["status"] for a in row["attempt_details"]] == [529, 200]
    assert (row["cost_source"], row["input_tokens"], row["output_tokens"]) == ("computed", 12, 3)


async def test_a_request_id_that_is_no_text_is_settled_all_the_same(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with wire_server() as upstream:
        upstream.script(whole(headers={"Request-Id": "r\xff\xfe"}))
        with served_by(upstream, tmp_path_factory) as served:
            answer = await asyncio.to_thread(served.chat, served.key(), ASKED)
            assert answer.status_code == 200
            row = served.row(answer.headers["x-request-id"])
    assert (row["state"], row["upstream_request_id"]) == ("settled", "r??")
    assert row["attempt_details"][0]["request_id"] == "r??"


async def test_what_no_header_may_hold_is_replaced_before_it_is_passed_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    odd = {"Request-Id": "\x1b[31mred", "anthropic-organization-id": "a\x01b\x7f"}
    async with wire_server() as upstream:
        upstream.script(whole(headers=odd), failure(400, headers=odd))
        with served_by(upstream, tmp_path_factory) as served:
            for status in (200, 400):
                answer = await asyncio.to_thread(served.post, "/v1/messages", served.key(), ASKED)
                assert answer.status_code == status
                assert answer.headers["request-id"] == "?[31mred"
                if status == 200:
                    assert answer.headers["anthropic-organization-id"] == "a?b?"


async def test_a_status_that_is_no_error_is_not_passed_on_as_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with wire_server() as upstream:
        upstream.script(failure(600), failure(304))
        with served_by(upstream, tmp_path_factory) as served:
            for _ in range(2):
                answer = await asyncio.to_thread(served.post, "/v1/messages", served.key(), ASKED)
                assert answer.status_code == 502
                assert answer.headers["x-request-id"].startswith("req_")


async def test_the_vendors_count_passes_as_it_came(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Its own spelling, fields that nobody here knows, and its headers."""
    counted = b'{ "input_tokens": 14, "context_management": {"original_input_tokens": 1e2} }'
    async with wire_server() as upstream:
        upstream.script(whole(counted, headers={"anthropic-workspace-id": "wrkspc_1"}))
        with served_by(upstream, tmp_path_factory) as served:
            asked = {name: value for name, value in ASKED.items() if name != "max_tokens"}
            answer = await asyncio.to_thread(
                served.post, "/v1/messages/count_tokens", served.key(), asked
            )
    assert (answer.status_code, answer.content) == (200, counted)
    assert answer.headers["anthropic-workspace-id"] == "wrkspc_1"
    assert answer.headers["request-id"] == "req_1"
    assert answer.headers["x-request-id"].startswith("req_")
