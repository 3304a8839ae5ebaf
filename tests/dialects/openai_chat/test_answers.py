"""What the golden dialogues leave open: money in an answer, and streams that fail."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from app.core.pricing import Cost
from app.core.usage import Usage
from app.dialects.openai_chat.reply import reply_bytes
from app.dialects.openai_chat.stream import ChunkWriter
from tests.dialects.openai_chat.dialogues import OPENING, RECEIPT, reply

REPLY = reply('{"id":"msg_01","model":"m","content":[],"stop_reason":"end_turn"}')


AMOUNTS = [
    # nano-USD, as it stands in the body
    (0, b'"cost":0.00,'),
    (1, b'"cost":0.000000001,'),
    (1_230_000_000, b'"cost":1.23,'),
    # more digits than a float has
    (123_456_789_123_456_789, b'"cost":123456789.123456789,'),
]


@pytest.mark.parametrize(("nano_usd", "text"), AMOUNTS)
def test_the_cost_is_a_number_with_every_digit(nano_usd: int, text: bytes) -> None:
    answer = reply_bytes(REPLY, replace(RECEIPT, total_nano_usd=nano_usd))
    assert text in answer


def test_every_category_of_the_cost_is_a_text_in_usd() -> None:
    cost = Cost(
        input=1,
        cache_write_5m=20,
        cache_write_1h=300,
        cache_read=4_000,
        output=50_000,
        server_tools=10_000_000,
    )
    details = {
        "input": "0.000000001",
        "cache_write_5m": "0.00000002",
        "cache_write_1h": "0.0000003",
        "cache_read": "0.000004",
        "output": "0.00005",
        "server_tools": "0.01",
    }
    receipt = replace(RECEIPT, cost=cost, total_nano_usd=10_054_321)
    answer = orjson.loads(reply_bytes(REPLY, receipt))
    assert answer["usage"]["cost_details"] == details
    kept = replace(receipt, total_nano_usd=10_054_321 + 5_000)
    answer = orjson.loads(reply_bytes(REPLY, kept))
    assert answer["usage"]["cost_details"] == {**details, "other": "0.000005"}


def test_prompt_tokens_are_uncached_written_and_read() -> None:
    usage = Usage(
        input_tokens=1,
        cache_write_5m_tokens=20,
        cache_write_1h_tokens=300,
        cache_read_tokens=4_000,
        output_tokens=7,
        fast=True,
    )
    answer = orjson.loads(reply_bytes(REPLY, replace(RECEIPT, usage=usage)))
    assert answer["usage"]["prompt_tokens"] == 4_321
    assert answer["usage"]["prompt_tokens_details"] == {
        "cached_tokens": 4_000,
        "cache_write_tokens": 320,
    }
    assert answer["usage"]["total_tokens"] == 4_328
    assert answer["service_tier"] == "fast"


def test_a_stop_reason_of_tomorrow_is_a_stop() -> None:
    answer = orjson.loads(reply_bytes(replace(REPLY, stop_reason="tired"), RECEIPT))
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_failed_stream_ends_with_an_error_and_no_done() -> None:
    writer = ChunkWriter(OPENING, include_usage=True)
    writer.feed([{"type": "message_start", "message": {"id": "msg_01"}}])
    assert writer.fail('cut "off"', "upstream_error", "api_error") == (
        b'data: {"error":{"message":"cut \\"off\\"","type":"api_error","param":null,'
        b'"code":"upstream_error"}}\n\n'
    )


def test_a_stream_without_an_id_is_named_after_the_call() -> None:
    chunk = ChunkWriter(OPENING, include_usage=False).feed([{"type": "message_start"}])
    assert orjson.loads(chunk.removeprefix(b"data: "))["id"] == "chatcmpl-req_7"


def test_each_stream_counts_its_own_tool_calls() -> None:
    started = {"type": "content_block_start", "index": 0}
    event = {**started, "content_block": {"type": "tool_use", "id": "t", "name": "a"}}
    for _ in range(2):
        chunk = ChunkWriter(OPENING, include_usage=False).feed([event])
        delta = orjson.loads(chunk.removeprefix(b"data: "))["choices"][0]["delta"]
        assert delta["tool_calls"][0]["index"] == 0
