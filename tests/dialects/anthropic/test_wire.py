from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.core.errors import APIResponseValidationError, BadRequest
from app.core.request import Request
from app.core.usage import Usage
from app.dialects.anthropic.stream import StreamTap
from app.dialects.anthropic.wire import (
    count_tokens_body,
    counted_tokens,
    encode,
    error_inside,
    error_message,
    reply_from,
    status_of_error,
    wire_headers,
)

HAIKU = "claude-haiku-4-5-20251001"
HI = ({"role": "user", "content": "Hi"},)
REPLY: dict[str, Any] = {
    "id": "msg_1",
    "model": HAIKU,
    "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "stop_details": {"category": "x"},
    "usage": {"input_tokens": 7, "output_tokens": 2},
}


def test_a_request_becomes_compact_json_in_a_fixed_order() -> None:
    request = Request(
        model="auto",
        messages=HI,
        system=({"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},),
        tools=({"name": "f", "input_schema": {"type": "object"}},),
        max_tokens=64,
        stream=True,
        options={"thinking": {"type": "disabled"}, "stop_sequences": ["x"]},
    )
    assert encode(request, HAIKU) == (
        b'{"model":"claude-haiku-4-5-20251001","max_tokens":64,"stream":true,'
        b'"thinking":{"type":"disabled"},"stop_sequences":["x"],'
        b'"tools":[{"name":"f","input_schema":{"type":"object"}}],'
        b'"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],'
        b'"messages":[{"role":"user","content":"Hi"}]}'
    )


def test_what_is_not_set_is_not_sent() -> None:
    assert orjson.loads(encode(Request("auto", HI, max_tokens=0), HAIKU)) == {
        "model": HAIKU,
        "max_tokens": 0,
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_the_callers_bytes_go_out_unless_the_model_has_another_name() -> None:
    body = b'{ "model": "haiku" }'
    request = Request("haiku", HI, max_tokens=9, original=body, options={"new_field": [1]})
    assert encode(request, "haiku") is body
    assert orjson.loads(encode(request, HAIKU)) == {
        "model": HAIKU,
        "max_tokens": 9,
        "new_field": [1],
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_a_request_without_max_tokens_is_not_sent() -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        encode(Request("auto", HI), HAIKU)


def test_what_json_cannot_carry_is_refused() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    for content in (deep, "\ud800"):
        with pytest.raises(BadRequest):
            encode(Request("auto", ({"role": "user", "content": content},), max_tokens=9), HAIKU)


@pytest.mark.parametrize(
    ("options", "version"),
    [
        ({}, "2026-10-21"),
        ({"stop_sequences": ["x"]}, "2026-10-21"),
        ({"temperature": 1}, "2023-06-01"),
        ({"top_p": 0.5}, "2023-06-01"),
        ({"top_k": 3}, "2023-06-01"),
    ],
)
def test_sampling_parameters_need_the_older_version(options: dict[str, Any], version: str) -> None:
    assert wire_headers(Request("auto", HI, options=options)) == {"anthropic-version": version}


def test_a_count_asks_for_the_prompt_alone() -> None:
    options = {
        "temperature": 1,
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "stop_sequences": ["x"],
        "tool_choice": {"type": "auto"},
        "context_management": {"edits": []},
    }
    request = Request("auto", HI, max_tokens=9, stream=True, options=options, original=b"{}")
    assert orjson.loads(count_tokens_body(request, "auto")) == {
        "model": "auto",
        "tool_choice": {"type": "auto"},
        "context_management": {"edits": []},
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_a_callers_own_count_goes_out_as_it_came() -> None:
    body = b'{ "model" : "auto" }'
    assert count_tokens_body(Request("auto", HI, original=body), "auto") is body
    assert count_tokens_body(Request("auto", HI, original=body), HAIKU) != body


def test_a_reply_is_read_whole() -> None:
    body = orjson.dumps(REPLY)
    reply = reply_from(body, {"request-id": "req_1"})
    assert (reply.message_id, reply.model, reply.stop_reason) == ("msg_1", HAIKU, "tool_use")
    assert reply.content == tuple(REPLY["content"])
    assert reply.stop_details == {"category": "x"}
    assert reply.usage == Usage(input_tokens=7, output_tokens=2)
    assert (reply.body, reply.headers["request-id"]) == (body, "req_1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b'{"id": "\xff"}',
        b'{"id": "\\ud800"}',
        b"[" * 100_000,
        *(
            orjson.dumps({k: v for k, v in REPLY.items() if k != name})
            for name in ("id", "model", "content", "usage")
        ),
        orjson.dumps({**REPLY, "content": ["text"]}),
        orjson.dumps({**REPLY, "stop_reason": 7}),
        orjson.dumps({"type": "error", "error": {"type": "api_error", "message": "no"}}),
    ],
)
def test_an_unreadable_reply_raises(body: bytes) -> None:
    with pytest.raises(APIResponseValidationError):
        reply_from(body)


def test_a_count_is_read_or_raises() -> None:
    assert counted_tokens(b'{"input_tokens": 2095}') == 2095
    for body in (b"{}", b'{"input_tokens": -1}', b'{"input_tokens": 1.5}', b"[]", b"x"):
        with pytest.raises(APIResponseValidationError):
            counted_tokens(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"type":"error","error":{"type":"x","message":"Too long."}}', "Too long."),
        (b'{"error":"in a string"}', "in a string"),
        (b'{"error":{"message":""}}', '{"error":{"message":""}}'),
        (b'{"error":{"message":7}}', '{"error":{"message":7}}'),
        (b"[1]", "[1]"),
        (b"<html>502 Bad Gateway</html>\n", "<html>502 Bad Gateway</html>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
        (b"x" * 9_000, "x" * 500),
    ],
)
def test_an_errors_words_are_found(body: bytes, message: str) -> None:
    assert error_message(body) == message


@pytest.mark.parametrize(("marked", "written"), [(True, (0, 40)), (False, (40, 0))])
def test_writes_without_their_lifetimes_live_as_long_as_the_request_asked(
    *, marked: bool, written: tuple[int, int]
) -> None:
    usage = {**REPLY["usage"], "cache_creation_input_tokens": 40}
    body = orjson.dumps({**REPLY, "usage": usage})
    told = reply_from(body, marked_1h=lambda: marked).usage
    assert (told.cache_write_5m_tokens, told.cache_write_1h_tokens) == written


def test_nobody_asks_for_the_marks_of_a_request_whose_writes_are_told() -> None:
    def asked() -> bool:
        raise AssertionError

    split = {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 0}
    usage = {**REPLY["usage"], "cache_creation_input_tokens": 40, "cache_creation": split}
    told = reply_from(orjson.dumps({**REPLY, "usage": usage}), marked_1h=asked).usage
    assert told.cache_write_5m_tokens == 40


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"type":"error","error":{"type":"api_error"}}', {"type": "api_error"}),
        (b'{"error":{"message":"no"}}', {"message": "no"}),
        (b'{"type":"error","error":"no"}', {"type": "error", "error": "no"}),
        (b'{"error":{},"content":[]}', None),
        (b'{"type":"message"}', None),
        (b"[]", None),
        (b"<html>", None),
    ],
)
def test_an_error_is_told_from_an_answer_by_its_body(body: bytes, error: object) -> None:
    assert error_inside(body) == error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"type": "overloaded_error"}, 529),
        ({"type": "rate_limit_error"}, 429),
        ({"type": ["x"]}, 500),
        ({}, 500),
        ("no", 500),
        (None, 500),
    ],
)
def test_an_error_inside_a_stream_has_the_vendors_status(error: object, status: int) -> None:
    assert status_of_error(error) == status


@pytest.mark.parametrize(
    ("diagnostics", "told"),
    [
        (None, None),
        ({}, None),
        ({"cache_miss_reason": None}, None),  # not yet known
        ({"cache_miss_reason": {"type": "tools_changed", "cache_missed_input_tokens": 9}},
         "tools_changed"),
        ({"cache_miss_reason": {"type": "unavailable"}}, "unavailable"),
        ({"cache_miss_reason": {"type": 7}}, None),
        ({"cache_miss_reason": "tools_changed"}, None),
        ("tools_changed", None),
    ],
)  # fmt: skip
def test_why_the_cache_missed_is_read_whole_and_streamed(
    diagnostics: object, told: str | None
) -> None:
    message = {**REPLY, "diagnostics": diagnostics}
    assert reply_from(orjson.dumps(message)).cache_miss == told
    tap = StreamTap()
    tap.feed([{"type": "message_start", "message": message}], 0.0)
    assert tap.meter.cache_miss == told
