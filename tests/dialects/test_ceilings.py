"""What is too much in one request is refused by its path, and before it is walked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from app.core.errors import BadRequest
from app.dialects.anthropic import messages as anthropic_messages
from app.dialects.ceilings import check_values
from app.dialects.openai_chat import request as openai_chat
from app.dialects.openai_responses import request as openai_responses

USER = {"role": "user", "content": "Hi"}
TEXT = {"type": "text", "text": "Hi"}
INPUT_TEXT = {"type": "input_text", "text": "Hi"}
GO = {"type": "function", "name": "go"}
CALL = {"id": "c", "type": "function", "function": {"name": "go", "arguments": "{}"}}
Parse = Callable[[bytes], object]

PARSERS: dict[str, tuple[Parse, dict[str, Any]]] = {
    "chat": (openai_chat.parse, {"model": "auto", "messages": [USER]}),
    "responses": (openai_responses.parse, {"model": "auto", "input": "Hi"}),
    "messages": (anthropic_messages.parse, {"model": "m", "max_tokens": 1, "messages": [USER]}),
    "count": (anthropic_messages.parse_count_tokens, {"model": "m", "messages": [USER]}),
}


def refusal(parser: str, fields: dict[str, Any]) -> BadRequest:
    parse, least = PARSERS[parser]
    with pytest.raises(BadRequest) as caught:
        parse(orjson.dumps({**least, **fields}))
    return caught.value


def said(*content: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


TOO_MANY: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"messages": [USER] * 100_001}, "messages"),
    ("chat", said(*[TEXT] * 10_001), "messages[0].content"),
    (
        "chat",
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL] * 10_001}]},
        "messages[1].tool_calls",
    ),
    ("chat", {"tools": [{"type": "function", "function": GO}] * 10_001}, "tools"),
    ("chat", {"functions": [GO] * 10_001}, "functions"),
    ("responses", {"input": [USER] * 100_001}, "input"),
    (
        "responses",
        {"input": [{"role": "user", "content": [INPUT_TEXT] * 10_001}]},
        "input[0].content",
    ),
    ("responses", {"tools": [GO] * 10_001}, "tools"),
    (
        "responses",
        {"tools": [{"type": "namespace", "name": "n", "tools": [GO] * 10_001}]},
        "tools[0].tools",
    ),
    ("messages", {"messages": [USER] * 100_001}, "messages"),
    ("count", {"messages": [USER] * 100_001}, "messages"),
    ("messages", said(*[TEXT] * 10_001), "messages.0.content"),
    (
        "messages",
        said({"type": "tool_result", "content": [TEXT] * 10_001}),
        "messages.0.content.0.content",
    ),
    ("messages", {"system": [TEXT] * 10_001}, "system"),
    ("messages", {"tools": [GO] * 10_001}, "tools"),
]


@pytest.mark.parametrize(("parser", "fields", "param"), TOO_MANY)
def test_a_list_that_is_too_long_is_named(parser: str, fields: dict[str, Any], param: str) -> None:
    error = refusal(parser, fields)
    assert error.param == param
    assert error.message.startswith(f"{param}: must have at most 10")


def test_as_many_as_allowed_are_read() -> None:
    parse, least = PARSERS["chat"]
    parts = [{"role": "user", "content": [TEXT] * 10_000}]
    call = parse(orjson.dumps({**least, "messages": parts}))
    assert isinstance(call, openai_chat.ChatCall)
    assert len(call.request.messages[0]["content"]) == 10_000
    tools = [{"type": "function", "function": {"name": f"t{n}"}} for n in range(10_000)]
    call = parse(orjson.dumps({**least, "tools": tools}))
    assert isinstance(call, openai_chat.ChatCall)
    assert len(call.request.tools) == 10_000


def test_the_greatest_number_of_messages_is_read() -> None:
    parse, least = PARSERS["messages"]
    parse(orjson.dumps({**least, "messages": [USER] * 100_000}))


FLOOD: list[Any] = [[]] * 600_000  # each is a value, and so is each comma before one
FLOODED: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"tools": FLOOD}, "tools"),
    ("chat", {"messages": FLOOD, "tools": []}, "messages"),
    ("responses", {"input": [{"a": FLOOD}]}, "input"),
    ("responses", {'new"one': FLOOD}, 'new\\"one'),
    ("messages", {"system": "[{,", "x": {"y": FLOOD}}, "x"),
    ("count", {"tools": [{"input_schema": {"enum": FLOOD}}]}, "tools"),
]


@pytest.mark.parametrize(("parser", "fields", "param"), FLOODED)
def test_too_many_values_are_refused_by_the_field_that_holds_them(
    parser: str, fields: dict[str, Any], param: str
) -> None:
    error = refusal(parser, fields)
    assert error.param == param
    assert error.message == f"{param}: the request holds more than 1,000,000 JSON values"


def test_values_are_counted_over_all_fields_together() -> None:
    third: list[Any] = [[]] * 200_000  # 400,000 values
    check_values(orjson.dumps({"a": third, "b": third, "c": "x"}))
    with pytest.raises(BadRequest) as caught:
        check_values(orjson.dumps({"a": third, "b": third, "c": third}))
    assert caught.value.param == "c"


def test_a_million_values_are_taken_and_one_more_is_not() -> None:
    # the opening bracket, and a comma for every element but the first
    check_values(b"[1" + b",1" * 999_999 + b"]")
    with pytest.raises(BadRequest) as caught:
        check_values(b"[1" + b",1" * 1_000_000 + b"]")
    assert caught.value.param is None


HARMLESS = {
    "a program in a text": {"text": "if (a[1,2]) {b = [3,4]}" * 200_000},
    "with quotes in it": {"text": '{"a": [1,2,"\\"]}\\\\' * 200_000},
    "in a key": {"[{," * 400_000: 1},
}


@pytest.mark.parametrize("fields", HARMLESS.values(), ids=HARMLESS)
def test_what_stands_in_a_text_is_no_value(fields: dict[str, Any]) -> None:
    check_values(orjson.dumps(fields))


@pytest.mark.parametrize(
    "body",
    [b'"' + b'\\"[{,' * 300_000, b"]" * 500_000 + b"," * 900_000, b'{"' + b"[" * 1_500_000],
    ids=["an open text", "closed too often", "an open key"],
)
def test_text_that_is_no_json_is_left_to_the_reader_of_json(body: bytes) -> None:
    check_values(body)
    with pytest.raises(BadRequest, match="not valid JSON"):
        openai_chat.parse(body)
