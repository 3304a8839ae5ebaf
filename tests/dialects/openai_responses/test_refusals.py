"""Bodies that can't be honoured: each is refused by name, none breaks the parser."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest, UnsupportedParameter
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS
from app.dialects.openai_responses.request import ResponsesCall, parse

GO = {"type": "function", "name": "go"}
CALL = {"type": "function_call", "call_id": "c1", "name": "go", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}


def ask(**fields: object) -> ResponsesCall:
    return parse(orjson.dumps({"model": "auto", "input": "Hi", **fields}))


def refusal(**fields: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(**fields)
    return caught.value


UNREADABLE = {
    "empty": b"",
    "cut": b'{"model":"auto"',
    "not UTF-8": b'{"model":"\xff"}',
    "half a surrogate pair": b'{"model":"auto","input":"\\ud800"}',
    "an array": b"[]",
    "null": b"null",
    "a bomb of arrays": b"[" * 100_000,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_body_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^the body (is not valid JSON|must be a JSON object)"):
        parse(body)


UNSUPPORTED: list[tuple[str, Any]] = [
    ("previous_response_id", "resp_1"),
    ("previous_response_id", ""),
    ("conversation", "conv_1"),
    ("conversation", {"id": "conv_1"}),
    ("background", True),
    ("prompt", {"id": "pmpt_1"}),
    ("top_logprobs", 3),
    ("include", ["message.output_text.logprobs"]),
    ("service_tier", "flex"),
    ("service_tier", "priority"),
]


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED)
def test_a_parameter_that_cannot_be_honoured_is_refused(name: str, value: object) -> None:
    error = refusal(**{name: value}, tools=[GO, {"type": "web_search"}])
    assert type(error) is UnsupportedParameter
    assert error.param == name
    assert error.message.startswith(f"{name}: ")


def space(name: str, *functions: str) -> dict[str, Any]:
    tools = [{"type": "function", "name": function} for function in functions]
    return {"type": "namespace", "name": name, "tools": tools}


BROKEN = "data:image/png;base64,@@@"
FORCED: list[tuple[Any, str]] = [
    ({"type": "web_search_preview"}, "tools.web_search_preview"),
    ({"type": "custom", "name": "apply_patch"}, "tools.custom"),
    ({"type": "mcp", "server_label": "x"}, "tools.mcp"),
    ({"type": "shell"}, "tools.shell"),
    (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
        "tools.web_search",
    ),
    ("required", "tools.web_search"),
]


@pytest.mark.parametrize(("choice", "param"), FORCED)
def test_a_hosted_tool_that_is_forced_is_refused_by_its_kind(choice: object, param: str) -> None:
    tools = [{"type": "web_search"}]
    error = refusal(tool_choice=choice, tools=tools)
    assert type(error) is UnsupportedParameter
    assert error.param == param
    assert error.message.startswith(f"{param}: ")


def test_required_with_one_function_beside_hosted_tools_calls_the_function() -> None:
    call = ask(tool_choice="required", tools=[{"type": "web_search"}, GO])
    assert call.request.options["tool_choice"] == {"type": "any"}
    assert call.request.dropped == ("tools.web_search",)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": 1}, "model"),
    ({"model": ""}, "model"),
    ({"input": None}, "input"),
    ({"input": {}}, "input"),
    ({"input": []}, "input"),
    ({"input": "  "}, "input"),
    ({"input": [1]}, "input[0]"),
    ({"input": [{"type": 1}]}, "input[0].type"),
    ({"input": [{"type": None}]}, "input[0].type"),
    ({"input": [{"type": "dream"}]}, "input[0].type"),
    ({"input": [{"content": "Hi"}]}, "input[0].role"),
    ({"input": [{"role": "tool", "content": "Hi"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": [1]}]}, "input[0].content[0]"),
    ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "input[0].content[0].type"),
    (
        {"input": [{"role": "system", "content": [{"type": "input_image"}]}]},
        "input[0].content[0].type",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
        "input[0].content[0].text",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}]},
        "input[0].content[0].image_url",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
        "input[0].content[0].file_id",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "x"}]}]},
        "input[0].content[0].file_data",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "x"}]}]},
        "input[0].content[0].file_url",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": BROKEN}]}]},
        "input[0].content[0].image_url",
    ),
    ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0]"),
    ({"input": [{**CALL, "call_id": ""}, OUTPUT]}, "input[0].call_id"),
    ({"input": [{**CALL, "name": None}, OUTPUT]}, "input[0].name"),
    ({"input": [{**CALL, "namespace": 1}, OUTPUT]}, "input[0].namespace"),
    ({"input": [CALL, OUTPUT, OUTPUT]}, "input[2].call_id"),
    ({"input": [CALL, {"type": "function_call_output", "output": "ok"}]}, "input[1].call_id"),
    ({"input": [CALL, {**OUTPUT, "output": None}]}, "input[1].output"),
    ({"input": [{"type": "custom_tool_call", "call_id": "c1", "name": "p"}]}, "input[0].input"),
    ({"input": [{"type": "additional_tools"}]}, "input[0].tools"),
    ({"input": [{"type": "additional_tools", "tools": [1]}, OUTPUT]}, "input[1].call_id"),
    ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0]"),
    ({"instructions": ["Be brief."]}, "instructions"),
    ({"stream": "yes"}, "stream"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"tools": {}}, "tools"),
    ({"tools": [1]}, "tools[0]"),
    ({"tools": [{"type": 1}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tools": [{**GO, "parameters": {"type": "array"}}]}, "tools[0].parameters.type"),
    ({"tools": [{**GO, "strict": 1}]}, "tools[0].strict"),
    ({"tools": [{"type": "namespace", "tools": []}]}, "tools[0].name"),
    ({"tools": [{"type": "namespace", "name": "n"}]}, "tools[0].tools"),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [{}]}]}, "tools[0].tools[0].name"),
    ({"tools": [{**GO, "name": "a b"}]}, "tools[0].name"),
    ({"tools": [{**GO, "name": "n" * 129}]}, "tools[0].name"),
    ({"tools": [GO, {**GO, "description": "Go."}]}, "tools[1].name"),
    ({"tools": [space("n" * 126, "go")]}, "tools[0].tools[0].name"),
    ({"tools": [space("crm:eu", "go")]}, "tools[0].tools[0].name"),
    ({"tools": [space("crm", "go"), {**GO, "name": "crm__go"}]}, "tools[1].name"),
    (
        {"tools": [space("crm", "go"), {**space("crm"), "tools": [{**GO, "strict": True}]}]},
        "tools[1].tools[0].name",
    ),
    ({"tool_choice": "any"}, "tool_choice"),
    ({"tool_choice": {}}, "tool_choice.type"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
    ({"tools": [GO], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.mode"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "auto"}}, "tool_choice.tools"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.tools"),
    (
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": 1}]}},
        "tool_choice.tools[0].type",
    ),
    (
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [GO]}},
        "tool_choice.tools[0].name",
    ),
    ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    ({"text": "json"}, "text"),
    ({"text": {"format": "json"}}, "text.format"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ({"text": {"format": {"type": "json_schema", "schema": {}, "name": 1}}}, "text.format.name"),
    ({"reasoning": "high"}, "reasoning"),
    ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
    ({"include": "x"}, "include"),
    ({"include": [1]}, "include[0]"),
    ({"metadata": []}, "metadata"),
    ({"user": 1}, "user"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
def test_a_wrong_value_is_refused_by_its_path(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert error.param == param
    assert error.message.startswith(f"{param}: ")


WORDS = """role content type text user assistant system developer message function_call call_id
c1 function_call_output output reasoning encrypted_content summary name arguments input_image
image_url input_file file_url file_data data:image/png;base64,AAAA refusal cache_control ttl 12h
input_text output_text parameters properties mode required allowed_tools tools json_schema schema
namespace function custom_tool_call input additional_tools {} auto format effort bnVsbA== W10="""
WORD = st.sampled_from(WORDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**63 - 1) | st.floats(-2, 2) | WORD | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORD, inner, max_size=5),
    max_leaves=25,
)
KIND = st.sampled_from(["message", "function_call", "function_call_output", "reasoning"])
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": KIND | WORD,
        "role": st.sampled_from(["user", "assistant", "system"]),
        "call_id": st.sampled_from(["c1", "c2"]),
        "name": WORD,
        "arguments": st.just("{}"),
        "output": WORD | JSON,
        "content": WORD | JSON,
        "encrypted_content": JSON,
        "namespace": JSON,
        "tools": JSON,
    },
)
FIELDS = st.sampled_from(sorted(RESPONSES_PARAMETERS)) | st.text()


def outcome(**fields: object) -> ResponsesCall | BadRequest:
    try:
        return ask(**fields)
    except BadRequest as error:
        return error


@given(fields=st.dictionaries(FIELDS, JSON, max_size=6))
def test_no_field_of_any_shape_breaks_the_parser(fields: dict[str, Any]) -> None:
    found = outcome(**fields)
    if isinstance(found, BadRequest):
        assert found.message
        return
    request = found.request
    orjson.dumps([*request.messages, *request.tools, dict(request.options), dict(found.echo)])


@given(items=st.lists(ITEM, max_size=6), tools=st.lists(JSON, max_size=2))
def test_no_item_or_tool_of_any_shape_breaks_the_parser(items: list[Any], tools: list[Any]) -> None:
    found = outcome(input=items, tools=tools)
    if isinstance(found, BadRequest):
        assert found.param
        return
    roles = [message["role"] for message in found.request.messages]
    assert set(roles) <= {"user", "assistant", "system"}
    assert all(before != after for before, after in pairwise(roles))
    assert all(message["content"] for message in found.request.messages)


SPOKEN: dict[str, dict[str, Any]] = {
    "user": {"role": "user", "content": "More"},
    "said": {"role": "assistant", "content": "Well"},
    "thought": {
        "type": "reasoning",
        "encrypted_content": "eyJ0eXBlIjoicmVkYWN0ZWRfdGhpbmtpbmciLCJkYXRhIjoiY21WayJ9",
    },
}
STEP = st.tuples(st.sampled_from(["call", "call", *SPOKEN]), st.integers(0, 4))


def conversation(steps: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Each step an item; the output of a call comes so many steps after it."""
    items: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    due: list[tuple[int, dict[str, Any]]] = []
    for n, (name, delay) in enumerate(steps):
        items.append(SPOKEN.get(name, {**CALL, "call_id": f"c{n}"}))
        if name == "call":
            due.append((n + delay, {**OUTPUT, "call_id": f"c{n}"}))
        items += [output for at, output in due if at == n]
    return items + [output for at, output in due if at >= len(steps)]


@given(steps=st.lists(STEP, max_size=9))
def test_every_call_of_a_turn_is_answered_in_the_next_one(steps: list[tuple[str, int]]) -> None:
    found = outcome(input=conversation(steps))
    assert isinstance(found, ResponsesCall)
    turns = [*found.request.messages, {"role": "user", "content": []}]
    calls = [name for name, _ in steps if name == "call"]
    assert sum(len(blocks(turn, "tool_use")) for turn in turns) == len(calls)
    for turn, after in pairwise(turns):
        called = [block["id"] for block in blocks(turn, "tool_use")]
        results = blocks(after, "tool_result")
        assert called == [block["tool_use_id"] for block in results]
        assert not called or after["content"][: len(results)] == results
        if turn["role"] == "assistant" and isinstance(turn["content"], list):
            assert turn["content"][-1]["type"] != "redacted_thinking"


def blocks(turn: Any, kind: str) -> list[Any]:
    content = turn["content"]
    return [] if isinstance(content, str) else [block for block in content if block["type"] == kind]


@given(body=st.binary(max_size=60))
def test_no_bytes_break_the_parser(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body)
