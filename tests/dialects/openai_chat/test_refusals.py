"""Bodies that can't be honoured: each is refused by name, none breaks the parser."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest, UnsupportedParameter
from app.core.request import Request
from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_chat.request import ChatCall, parse

USER = {"role": "user", "content": "Hi"}
GO = {"type": "function", "function": {"name": "go"}}
OTHER_GO = {"type": "function", "function": {"name": "go", "description": "Go."}}
CALL = {"id": "c1", "type": "function", "function": {"name": "go", "arguments": "{}"}}


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def ask(**fields: object) -> ChatCall:
    return parse(orjson.dumps({"model": "auto", "messages": [USER], **fields}))


def refusal(**fields: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(**fields)
    return caught.value


UNREADABLE = {
    "empty": b"",
    "cut": b'{"model":"auto"',
    "not UTF-8": b'{"model":"\xff"}',
    "half a surrogate pair": b'{"model":"auto","messages":[{"role":"user","content":"\\ud800"}]}',
    "not a number": b'{"model":"auto","temperature":NaN}',
    "an array": b"[]",
    "null": b"null",
    "a bomb of arrays": b"[" * 100_000,
    "a closed bomb": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_body_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^the body (is not valid JSON|must be a JSON object)"):
        parse(body)


UNSUPPORTED: list[tuple[str, Any]] = [
    ("n", 2),
    ("n", 0),
    ("n", True),
    ("logprobs", True),
    ("top_logprobs", 3),
    ("logit_bias", {"50256": -100}),
    ("frequency_penalty", 0.5),
    ("presence_penalty", -1),
    ("presence_penalty", False),
    ("audio", {"voice": "alloy", "format": "mp3"}),
    ("modalities", ["text", "audio"]),
    ("modalities", []),
    ("web_search_options", {}),
    ("service_tier", "flex"),
    ("service_tier", "scale"),
    ("service_tier", "priority"),
]


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED)
def test_a_parameter_that_cannot_be_honoured_is_refused(name: str, value: object) -> None:
    error = refusal(**{name: value})
    assert type(error) is UnsupportedParameter
    assert error.param == name
    assert error.message.startswith(f"{name}: ")


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, "model"),
    ({"model": 4}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_tokens": "10"}, "max_tokens"),
    ({"max_completion_tokens": 5, "max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": []}, "max_completion_tokens"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 1.01}, "top_p"),
    ({"stop": 1}, "stop"),
    ({"stop": ["a", None]}, "stop[1]"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": True}, "stream_options"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"reasoning_effort": "extreme"}, "reasoning_effort"),
    ({"reasoning_effort": 3}, "reasoning_effort"),
    ({"service_tier": "gold"}, "service_tier"),
    ({"user": 7}, "user"),
    ({"user": "u" * 513}, "user"),
    ({"user": "a\0b"}, "user"),
    ({"safety_identifier": {}}, "safety_identifier"),
    ({"metadata": "x"}, "metadata"),
    ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
    ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    ({"prompt_cache_options": {"mode": "off"}}, "prompt_cache_options.mode"),
    ({"prompt_cache_options": []}, "prompt_cache_options"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
    ),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ({"tools": {}}, "tools"),
    ({"tools": ["go"]}, "tools[0]"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"functions": [{"name": 1}]}, "functions[0].name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "maybe"}, "tool_choice"),
    ({"tool_choice": {"type": "any"}, "tools": [GO]}, "tool_choice.type"),
    ({"tool_choice": GO}, "tool_choice.function.name"),
    ({"tool_choice": {"type": "function"}, "tools": [GO]}, "tool_choice.function"),
    ({"function_call": {"name": "x"}, "tools": [GO]}, "function_call.function.name"),
    ({"tools": [GO, tool("a b")]}, "tools[1].function.name"),
    ({"tools": [tool("é")]}, "tools[0].function.name"),
    ({"tools": [tool("n" * 129)]}, "tools[0].function.name"),
    ({"tools": [tool("go\n")]}, "tools[0].function.name"),
    ({"functions": [{"name": "a.b"}]}, "functions[0].name"),
    ({"tools": [GO, tool("stop"), OTHER_GO]}, "tools[2].function.name"),
    ({"functions": [{"name": "go"}, {"name": "go", "strict": True}]}, "functions[1].name"),
    ({"tools": [OTHER_GO], "functions": [{"name": "go"}]}, "functions[0].name"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG_FIELDS)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert type(error) is BadRequest
    assert error.param == param


def part(**fields: object) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [dict(fields)]}]


def assistant(**fields: object) -> list[dict[str, Any]]:
    return [USER, {"role": "assistant", **fields}]


def image(url: object) -> list[dict[str, Any]]:
    return part(type="image_url", image_url={"url": url})


def file(**fields: object) -> list[dict[str, Any]]:
    return part(type="file", file=fields)


def call(**function: object) -> list[dict[str, Any]]:
    return assistant(tool_calls=[{"id": "c1", "type": "function", "function": function}])


CALL_AT = "messages[1].tool_calls[0]"
IMAGE_AT = "messages[0].content[0].image_url"
FILE_AT = "messages[0].content[0].file"
WRONG_MESSAGES: list[tuple[list[Any], str]] = [
    ([1], "messages[0]"),
    ([{"content": "Hi"}], "messages[0].role"),
    ([{"role": "robot", "content": "Hi"}], "messages[0].role"),
    ([{"role": ["user"], "content": "Hi"}], "messages[0].role"),
    ([{"role": "user"}], "messages[0].content"),
    ([{"role": "user", "content": 5}], "messages[0].content"),
    ([{"role": "user", "content": " \n"}], "messages"),
    ([{"role": "user", "content": ["Hi"]}], "messages[0].content[0]"),
    (part(type="video"), "messages[0].content[0].type"),
    (part(type="refusal", refusal="no"), "messages[0].content[0].type"),
    (part(type="text"), "messages[0].content[0].text"),
    (part(type="text", text="a", cache_control="on"), "messages[0].content[0].cache_control"),
    (
        part(type="text", text="a", cache_control={"type": []}),
        "messages[0].content[0].cache_control",
    ),
    (
        part(type="text", text="a", prompt_cache_breakpoint=True),
        "messages[0].content[0].prompt_cache_breakpoint",
    ),
    (
        part(type="text", text="a", prompt_cache_breakpoint={"ttl": "1y"}),
        "messages[0].content[0].prompt_cache_breakpoint.ttl",
    ),
    (part(type="image_url"), IMAGE_AT),
    (image(None), f"{IMAGE_AT}.url"),
    (image("ftp://example.com/a.png"), f"{IMAGE_AT}.url"),
    (image("file:///etc/passwd"), f"{IMAGE_AT}.url"),
    (image("data:image/png,raw"), f"{IMAGE_AT}.url"),
    (image("data:image/png;base64,"), f"{IMAGE_AT}.url"),
    (image("data:image/png;base64,@@@@"), f"{IMAGE_AT}.url"),
    (image("data:image/png;base64,iVBORw0"), f"{IMAGE_AT}.url"),
    (image("data:image/png;base64,iVBO\nRw0="), f"{IMAGE_AT}.url"),
    (image("data:image/png;base64,iVBO-_0="), f"{IMAGE_AT}.url"),
    (image("data:image/png;base64,iV=ORw0="), f"{IMAGE_AT}.url"),
    (image("data:image/png;base64,===="), f"{IMAGE_AT}.url"),
    (image("data:image/tiff;base64,iVBORw0="), f"{IMAGE_AT}.url"),
    (part(type="file"), FILE_AT),
    (file(), f"{FILE_AT}.file_data"),
    (file(file_data="data:application/zip;base64,UEsDBBQAAAA="), f"{FILE_AT}.file_data"),
    (file(file_data="data:text/plain;base64,/w=="), f"{FILE_AT}.file_data"),
    (file(file_data="JVBERi0x", filename=1), f"{FILE_AT}.filename"),
    (file(file_data="JVBERi0x!"), f"{FILE_AT}.file_data"),
    (file(file_data="data:application/pdf;base64,%PDF"), f"{FILE_AT}.file_data"),
    ([{"role": "system", "content": [{"type": "image_url"}]}, USER], "messages[0].content[0].type"),
    (assistant(), "messages[1].content"),
    (assistant(refusal=1), "messages[1].refusal"),
    (assistant(tool_calls={}), "messages[1].tool_calls"),
    (assistant(tool_calls=[1]), CALL_AT),
    (assistant(tool_calls=[{"function": {}}]), f"{CALL_AT}.id"),
    (assistant(tool_calls=[{"id": "c1"}]), f"{CALL_AT}.function"),
    (call(arguments="{}"), f"{CALL_AT}.function.name"),
    (call(name="go", arguments='{"a":' * 101 + "1" + "}" * 101), f"{CALL_AT}.function.arguments"),
    (assistant(tool_calls=[CALL]), "messages[1].tool_calls"),
    (assistant(function_call="go"), "messages[1].function_call"),
    ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
    ([{"role": "tool", "tool_call_id": "c1", "content": "x"}], "messages[0].tool_call_id"),
    ([{"role": "function", "name": "go", "content": "x"}], "messages[0].name"),
    (
        [
            *assistant(function_call={"name": "go", "arguments": ""}),
            {"role": "function", "name": "stop", "content": "x"},
        ],
        "messages[2].name",
    ),
    (
        [*assistant(tool_calls=[CALL]), {"role": "tool", "tool_call_id": "c1"}],
        "messages[2].content",
    ),
    (
        [
            *assistant(tool_calls=[CALL]),
            {"role": "system", "content": "Wait."},
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
        ],
        "messages[1].tool_calls",
    ),
    (
        [
            *assistant(tool_calls=[CALL]),
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
            {"role": "tool", "tool_call_id": "c1", "content": "y"},
        ],
        "messages[3].tool_call_id",
    ),
]


@pytest.mark.parametrize(("messages", "param"), WRONG_MESSAGES)
def test_a_wrong_message_is_named_by_its_path(messages: list[Any], param: str) -> None:
    error = refusal(messages=messages)
    assert type(error) is BadRequest
    assert error.param == param
    assert error.message.startswith(f"{param}: ")


AUDIO = part(type="input_audio", input_audio={"data": "", "format": "wav"})
UNSUPPORTED_INSIDE: list[tuple[dict[str, Any], str]] = [
    ({"messages": AUDIO}, "messages[0].content[0]"),
    ({"messages": assistant(audio={"id": "a"})}, "messages[1].audio"),
    (
        {"messages": assistant(tool_calls=[{"id": "c", "type": "custom", "custom": {}}])},
        f"{CALL_AT}.type",
    ),
    ({"tools": [{"type": "custom", "custom": {"name": "sql"}}]}, "tools[0]"),
    ({"tools": [GO, {"type": "web_search"}]}, "tools[1]"),
    ({"tools": [GO], "tool_choice": {"type": "custom", "custom": {}}}, "tool_choice"),
]


@pytest.mark.parametrize(("fields", "param"), UNSUPPORTED_INSIDE)
def test_an_unsupported_part_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert type(error) is UnsupportedParameter
    assert error.param == param


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def test_a_schema_may_nest_to_a_hundred_levels_and_no_deeper() -> None:
    def tools(levels: int) -> list[dict[str, Any]]:
        function = {"name": "go", "strict": True, "parameters": nested(levels)}
        return [{"type": "function", "function": function}]

    assert ask(tools=tools(49)).request.tools[0]["input_schema"]["type"] == "object"
    assert refusal(tools=tools(51)).param == "tools[0].function.parameters"
    format_ = {"type": "json_schema", "json_schema": {"name": "x", "schema": nested(51)}}
    assert refusal(response_format=format_).param == "response_format.json_schema.schema"


def test_parameters_of_a_function_are_an_object() -> None:
    tool = {"type": "function", "function": {"name": "go", "parameters": {"type": "array"}}}
    assert refusal(tools=[tool]).param == "tools[0].function.parameters.type"


def allowed(**fields: object) -> BadRequest:
    choice = {"type": "allowed_tools", "allowed_tools": fields}
    return refusal(tools=[GO], tool_choice=choice)


def test_a_wrong_selection_of_tools_is_named() -> None:
    where = "tool_choice.allowed_tools"
    assert allowed(tools=[GO]).param == f"{where}.mode"
    assert allowed(mode="auto").param == f"{where}.tools"
    assert allowed(mode="auto", tools=[]).param == f"{where}.tools"
    assert allowed(mode="auto", tools=[1]).param == f"{where}.tools[0]"
    stranger = {"type": "function", "function": {"name": "x"}}
    assert allowed(mode="auto", tools=[GO, stranger]).param == f"{where}.tools[1].function.name"
    hosted = allowed(mode="auto", tools=[{"type": "mcp"}])
    assert type(hosted) is UnsupportedParameter
    assert hosted.param == f"{where}.tools[0]"


WORDS = """role content type text user assistant system tool function tool_calls tool_call_id id
name arguments image_url url file file_data data:image/png;base64,AAAA refusal cache_control ttl 12h
parameters properties items mode required allowed_tools json_schema schema explicit {} auto
prompt_cache_breakpoint ephemeral"""
WORD = st.sampled_from(WORDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**63 - 1) | st.floats(-2, 2) | WORD | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORD, inner, max_size=5),
    max_leaves=25,
)
ROLE = st.sampled_from(["user", "assistant", "system", "tool", "function"])
MESSAGE = st.fixed_dictionaries(
    {"role": ROLE},
    optional=dict.fromkeys(("content", "tool_calls", "name", "cache_control", "refusal"), JSON),
)


def outcome(**fields: object) -> Request | BadRequest:
    try:
        return ask(**fields).request
    except BadRequest as error:
        return error


@given(fields=st.dictionaries(st.sampled_from(sorted(PARAMETERS)) | st.text(), JSON, max_size=6))
def test_no_field_of_any_shape_breaks_the_parser(fields: dict[str, Any]) -> None:
    found = outcome(**fields)
    if isinstance(found, BadRequest):
        assert found.message
        return
    orjson.dumps([*found.messages, *found.tools, dict(found.options)])


@given(messages=st.lists(MESSAGE, max_size=5), tools=st.lists(JSON, max_size=2))
def test_no_message_or_tool_of_any_shape_breaks_the_parser(
    messages: list[Any], tools: list[Any]
) -> None:
    found = outcome(messages=messages, tools=tools)
    if isinstance(found, BadRequest):
        assert found.param
        return
    roles = [message["role"] for message in found.messages]
    assert set(roles) <= {"user", "assistant", "system"}
    assert all(before != after for before, after in pairwise(roles))
    assert all(message["content"] for message in found.messages)


@given(body=st.binary(max_size=60))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body)
