"""What the golden dialogues leave open: money, thinking there and back, streams that fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from openai.types.responses import Response, ResponseErrorEvent, ResponseFailedEvent

from app.core.usage import Usage
from app.dialects.openai_responses.reply import reply_bytes
from app.dialects.openai_responses.request import parse
from app.dialects.openai_responses.stream import EventWriter
from app.dialects.openai_responses.thinking import sealed, unsealed
from tests.dialects.openai_responses.dialogues import CALL, OPENING, RECEIPT, SEALED, reply

REPLY = reply('{"id":"msg_01","model":"m","content":[],"stop_reason":"end_turn"}')
START = {"type": "message_start", "message": {"id": "msg_01"}}
THINKING = {"type": "thinking", "thinking": "Ümlaut \n", "signature": "c2ln"}


def written(stream: bytes) -> list[dict[str, Any]]:
    texts = stream.decode().strip("\n").split("\n\n")
    return [orjson.loads(text.split("\ndata: ")[1]) for text in texts]


def text(index: int, piece: str) -> list[dict[str, Any]]:
    delta = {"type": "text_delta", "text": piece}
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": "text"}},
        {"type": "content_block_delta", "index": index, "delta": delta},
    ]


def test_the_cost_is_a_number_with_every_digit() -> None:
    answer = reply_bytes(REPLY, replace(RECEIPT, total_nano_usd=123_456_789_123_456_789), CALL)
    assert b'"cost":123456789.123456789,' in answer


def test_input_tokens_are_uncached_written_and_read() -> None:
    usage = Usage(
        input_tokens=1,
        cache_write_5m_tokens=20,
        cache_write_1h_tokens=300,
        cache_read_tokens=4_000,
        output_tokens=7,
        fast=True,
    )
    answer = orjson.loads(reply_bytes(REPLY, replace(RECEIPT, usage=usage), CALL))
    assert answer["usage"]["input_tokens"] == 4_321
    assert answer["usage"]["input_tokens_details"] == {
        "cached_tokens": 4_000,
        "cache_write_tokens": 320,
    }
    assert answer["usage"]["total_tokens"] == 4_328
    assert answer["service_tier"] == "fast"


def test_a_stop_reason_of_tomorrow_is_an_end() -> None:
    answer = orjson.loads(reply_bytes(replace(REPLY, stop_reason="tired"), RECEIPT, CALL))
    assert answer["status"] == "completed"


def test_an_answer_s_items_may_be_sent_back_as_they_are() -> None:
    content = (
        THINKING,
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "toolu_1", "name": "crm__go", "input": {"b": 1, "a": 2}},
    )
    answer = reply_bytes(replace(REPLY, content=content, stop_reason="tool_use"), RECEIPT, SEALED)
    items = orjson.loads(answer)["output"]
    output = {"type": "function_call_output", "call_id": "toolu_1", "output": "ok"}
    asked = {"role": "user", "content": "Look."}
    again = parse(orjson.dumps({"model": "auto", "input": [asked, *items, output]})).request
    assert orjson.dumps(again.messages[1]["content"]) == orjson.dumps(content)


KEPT_BACK: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "x", "signature": ""},
    {"type": "thinking", "thinking": "x"},
    {"type": "thinking", "thinking": 1, "signature": "c2ln"},
    {"type": "redacted_thinking", "data": ""},
    {"type": "text", "text": "x"},
    {"type": ["thinking"]},
    {},
]


@pytest.mark.parametrize("block", KEPT_BACK)
def test_what_the_vendor_would_not_take_back_is_not_handed_out(block: dict[str, Any]) -> None:
    assert sealed(block) is None


def test_sealed_thinking_is_opened_again_and_nothing_else_is() -> None:
    whole = sealed(THINKING) or ""
    assert unsealed(whole) == (THINKING, [])
    wished = sealed(THINKING, ["Go."]) or ""
    assert unsealed(wished) == (THINKING, ["Go."])
    others: list[object] = [whole[:-4], "=" + whole, "%" * 8, "ü", "", "W10=", "bnVsbA==", 7, None]
    for broken in others:
        assert unsealed(broken) is None


def test_a_failed_stream_ends_with_an_error_and_a_failed_response() -> None:
    writer = EventWriter(OPENING, CALL)
    before = written(writer.feed([START, *text(0, "Hel")]))
    raw = writer.fail('cut "off"', "upstream_rate_limited", "rate_limit_error")
    error, failed = written(raw)
    assert error == {
        "type": "error",
        "sequence_number": len(before),
        "code": "upstream_rate_limited",
        "message": 'cut "off"',
        "param": None,
    }
    ResponseErrorEvent.model_validate(error, strict=True)
    assert failed["sequence_number"] == len(before) + 1
    assert failed["response"] == {
        "id": "resp_01",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": "claude-sonnet-4-6",
        "status": "failed",
        "error": {
            "code": "rate_limit_exceeded",
            "message": 'cut "off"',
            "type": "rate_limit_error",
        },
        "incomplete_details": None,
        "output": [],
        "usage": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    assert raw.startswith(b"event: error\ndata: ")
    ResponseFailedEvent.model_validate_json(orjson.dumps(failed), strict=True)


def test_a_stream_that_fails_at_once_still_has_a_beginning() -> None:
    events = written(EventWriter(OPENING, CALL).fail("no", "upstream_error", "api_error"))
    kinds = ["response.created", "response.in_progress", "error", "response.failed"]
    assert [event["type"] for event in events] == kinds
    assert events[0]["response"]["id"] == events[-1]["response"]["id"] == "resp_req_7"
    assert events[-1]["response"]["error"]["code"] == "server_error"


def test_items_that_were_done_stay_in_a_failed_response() -> None:
    writer = EventWriter(OPENING, CALL)
    call = {"type": "tool_use", "id": "toolu_1", "name": "go", "input": {}}
    start = {"type": "content_block_start", "index": 1, "content_block": call}
    writer.feed([START, *text(0, "Done."), {"type": "content_block_stop", "index": 0}, start])
    failed = written(writer.fail("no", "upstream_error", "api_error"))[-1]
    assert [item["id"] for item in failed["response"]["output"]] == ["msg_01_0"]


def test_blocks_that_were_never_stopped_are_ended_with_the_answer() -> None:
    writer = EventWriter(OPENING, CALL)
    events = written(writer.feed([START, *text(0, "Hi")]) + writer.finish(RECEIPT))
    assert [event["type"] for event in events[-4:]] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Hi"


ODD: list[dict[str, Any]] = [
    {},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "x"}},
    {"type": "content_block_stop", "index": 9},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "server_tool_use"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta"}},
    {"type": "message_delta", "delta": {"stop_reason": None}},
    {"type": "message_delta"},
    {"type": "message_stop"},
]


@pytest.mark.parametrize("event", ODD)
def test_events_that_say_nothing_to_the_caller_write_nothing(event: dict[str, Any]) -> None:
    writer = EventWriter(OPENING, CALL)
    writer.feed([START, ODD[4]])
    assert writer.feed([event]) == b""


def test_a_stream_s_last_response_is_the_whole_answer() -> None:
    writer = EventWriter(OPENING, CALL)
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    writer.feed([START, *text(0, "Hello"), {"type": "content_block_stop", "index": 0}, end])
    last = written(writer.finish(RECEIPT))[-1]["response"]
    whole = replace(REPLY, content=({"type": "text", "text": "Hello"},))
    assert last == orjson.loads(reply_bytes(whole, RECEIPT, CALL))
    Response.model_validate_json(orjson.dumps(last), strict=True)
