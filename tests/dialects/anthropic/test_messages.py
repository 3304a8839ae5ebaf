from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import BadRequest
from app.core.measure import measure
from app.dialects.anthropic.messages import parse, parse_count_tokens
from app.dialects.anthropic.wire import count_tokens_body, encode

HI = {"role": "user", "content": "Hi"}
LEAST: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [HI]}


def test_a_body_is_read_and_kept_as_it_came() -> None:
    body = (
        b'{ "max_tokens": 9, "model": "claude-haiku-4-5", "stream": true,\n'
        b'  "system": "Be brief.", "messages": [{"role":"user","content":"Hi","x":1}],\n'
        b'  "tools": [{"name":"f"}], "new_field": {"a": [null]},\n'
        b'  "metadata": {"user_id": "u-1"}, "thinking": {"type": "disabled"} }'
    )
    request = parse(body)
    assert request.original is body
    assert (request.model, request.max_tokens, request.stream) == ("claude-haiku-4-5", 9, True)
    assert request.messages == ({"role": "user", "content": "Hi", "x": 1},)
    assert request.system == ({"type": "text", "text": "Be brief."},)
    assert request.tools == ({"name": "f"},)
    assert request.end_user == "u-1"
    assert request.options == {
        "new_field": {"a": [None]},
        "metadata": {"user_id": "u-1"},
        "thinking": {"type": "disabled"},
    }


def test_unknown_fields_survive_a_change() -> None:
    body = orjson.dumps({**LEAST, "brand_new": {"a": 1}, "system": [{"type": "text", "text": "S"}]})
    sent = orjson.loads(encode(parse(body), "claude-haiku-4-5-20251001"))
    assert sent == {
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 9,
        "brand_new": {"a": 1},
        "system": [{"type": "text", "text": "S"}],
        "messages": [HI],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"name": "f"}, {"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [{"type": "mcp_toolset", "mcp_server_name": "s"}]},
        {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "s"}]},
    ],
)
def test_a_forced_tool_may_be_any_that_can_be_there(fields: dict[str, Any]) -> None:
    choice = {"type": "tool", "name": "web_search"}
    request = parse(orjson.dumps({**LEAST, **fields, "tool_choice": choice}))
    assert request.options["tool_choice"] == choice


@pytest.mark.parametrize("model", [{}, {"model": None}])
def test_a_body_that_names_no_model_means_the_default_one(model: dict[str, None]) -> None:
    """And is written again: the upstream has to be told."""
    prompt = {"messages": [HI], "extra": [1]}
    body = orjson.dumps({**model, "max_tokens": 9, **prompt})
    request = parse(body, "claude-haiku-5-5")
    assert request.model == "claude-haiku-5-5"
    assert orjson.loads(encode(request, "claude-haiku-5-5")) == {
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        **prompt,
    }
    assert parse(body).model == "auto"
    counted = parse_count_tokens(orjson.dumps({**model, **prompt}), "claude-haiku-5-5")
    assert orjson.loads(count_tokens_body(counted, "claude-haiku-5-5")) == {
        "model": "claude-haiku-5-5",
        **prompt,
    }


@pytest.mark.parametrize("system", [None, "", []])
def test_no_system_prompt_is_none(system: object) -> None:
    assert parse(orjson.dumps({**LEAST, "system": system, "tools": None})).system == ()


def test_nothing_need_be_written() -> None:
    assert parse(orjson.dumps({**LEAST, "max_tokens": 0})).max_tokens == 0


def test_a_count_needs_no_max_tokens() -> None:
    body = orjson.dumps({"model": "m", "messages": [HI], "tools": [{"name": "f"}]})
    request = parse_count_tokens(body)
    assert (request.max_tokens, request.original) == (None, body)
    assert request.tools == ({"name": "f"},)


@pytest.mark.parametrize("metadata", [None, {}, {"user_id": None}, {"user_id": 7}])
def test_no_user_is_made_up(metadata: object) -> None:
    assert parse(orjson.dumps({**LEAST, "metadata": metadata})).end_user is None


def block(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [fields]}]


WRONG = [
    ({"model": ""}, "model"),
    ({"model": 7}, "model"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": "9"}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_tokens": 10**30}, "max_tokens"),
    ({"stream": "yes"}, "stream"),
    ({"stream": None}, "stream"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": ["Hi"]}, "messages.0"),
    ({"messages": [HI, {"content": "Hi"}]}, "messages.1.role"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages.0.content.0"),
    ({"messages": block(text="Hi")}, "messages.0.content.0.type"),
    ({"messages": block(type=["text"])}, "messages.0.content.0.type"),
    ({"messages": block(type="text")}, "messages.0.content.0.text"),
    ({"messages": block(type="text", text=None)}, "messages.0.content.0.text"),
    ({"messages": block(type="thinking", thinking=1)}, "messages.0.content.0.thinking"),
    ({"messages": block(type="tool_use", name=7)}, "messages.0.content.0.name"),
    ({"messages": block(type="tool_result", content=7)}, "messages.0.content.0.content"),
    ({"messages": block(type="tool_result", content=[7])}, "messages.0.content.0.content.0"),
    ({"messages": block(type="image")}, "messages.0.content.0.source"),
    ({"messages": block(type="document", source="x")}, "messages.0.content.0.source"),
    (
        {"messages": block(type="document", source={"type": "base64", "data": 7})},
        "messages.0.content.0.source.data",
    ),
    (
        {"messages": block(type="document", source={"type": "content", "content": [{}]})},
        "messages.0.content.0.source.content.0.type",
    ),
    (
        {"messages": block(type="document", source={"type": "text"}, title=7)},
        "messages.0.content.0.title",
    ),
    ({"system": 7}, "system"),
    ({"system": ["Hi"]}, "system.0"),
    ({"system": [{"type": "text"}]}, "system.0.text"),
    ({"tools": {}}, "tools"),
    ({"tools": ["f"]}, "tools.0"),
    ({"tools": [{"type": ["custom"]}]}, "tools.0.type"),
    ({"metadata": "u-1"}, "metadata"),
    ({"thinking": True}, "thinking"),
    ({"output_config": []}, "output_config"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "tool", "name": "f"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "tool", "name": "g"}, "tools": [{"name": "f"}]}, "tool_choice.name"),
    (
        {"tool_choice": {"type": "tool", "name": "a b"}, "tools": [{"type": "mcp_toolset"}]},
        "tool_choice.name",
    ),
    ({"cache_control": "ephemeral"}, "cache_control"),
    ({"context_management": []}, "context_management"),
    ({"context_management": {"edits": [7]}}, "context_management.edits.0"),
]


@pytest.mark.parametrize(("fields", "param"), WRONG, ids=[str(fields) for fields, _ in WRONG])
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    body = {**LEAST, **fields}
    if body["max_tokens"] == 10**30:
        encoded = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":1' + (
            b"0" * 30 + b"}"
        )
    else:
        encoded = orjson.dumps(body)
    with pytest.raises(BadRequest) as raised:
        parse(encoded)
    assert raised.value.param == param
    assert raised.value.message.startswith(param)


BROKEN = {
    "empty": b"",
    "cut": b'{"model": ',
    "no object": b"[]",
    "invalid UTF-8": b'{"model": "\xff"}',
    "a lone surrogate": b'{"model": "\\ud800"}',
    "not a number": b'{"max_tokens": NaN}',
    "a depth bomb": b"[" * 1_000_000,
    "too deep to be written again": (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"x":'
        + b"[" * 400
        + b"]" * 400
        + b"}"
    ),
    "too deep in a tool": (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"tools":[{"x":'
        + b'{"a":' * 400
        + b"1"
        + b"}" * 402
    ),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_the_callers_fault(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "source", "data", "role", "name", "input", "edits"]
            ),
            inner | st.sampled_from(["text", "document", "tool_use", "tool_result", "thinking"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["messages", "system", "tools", "thinking", "tool_choice", "metadata"]),
        JSON | st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": JSON})),
    )
)
def test_whatever_is_accepted_can_be_measured_and_sent(fields: dict[str, Any]) -> None:
    body = orjson.dumps({**LEAST, **fields})
    try:
        request = parse(body)
    except BadRequest:
        return
    assert measure(request).messages == len(request.messages)
    assert orjson.loads(encode(request, "other"))["model"] == "other"


SAID_TWICE = [
    # in the body, what is written of it
    (b'"model":"a","model":"m"', b'"model":"m"'),
    (b'"model":"a","mod\\u0065l":"m"', b'"model":"m"'),
    (b'"model":"m","max_tokens":5,"max_tokens":1', b'"max_tokens":1'),
    (b'"model":"m","new":1, "new": 2', b'"new":2'),
    (b'"model":"m","speed":"fast","speed":null', b'"speed":null'),
    (b'"model":"m","tools":[],"tools":[{"name":"f"}]', b'"tools":[{"name":"f"}]'),
    (
        b'"model":"m","tools":[{"name":"f","max_uses":9,"max_uses":1}]',
        b'"tools":[{"name":"f","max_uses":1}]',
    ),
    (
        b'"model":"m","tools":[{"name":"f","type":"advisor_20260301","t\\u0079pe":"custom"}]',
        b'"tools":[{"name":"f","type":"custom"}]',
    ),
    (
        b'"model":"m","thinking":{"type":"enabled","budget_tokens":1,"budget_tokens":2}',
        b'"thinking":{"type":"enabled","budget_tokens":2}',
    ),
    (b'"model":"m","a":{"b":[{"c":{"d":1,"d":2}}]}', b'"a":{"b":[{"c":{"d":2}}]}'),
    (b'"model":"m","a":{"":1,"":12345678901234567890123}', b'"a":{"":12345678901234567890123}'),
]


@pytest.mark.parametrize(("said", "written"), SAID_TWICE)
def test_a_body_that_says_a_name_twice_is_written_anew(said: bytes, written: bytes) -> None:
    """Whoever reads it after us must not find another value in it than we held for."""
    rest = b"" if b"max_tokens" in said else b',"max_tokens":1'
    request = parse(b"{" + said + rest + b',"messages":[{"role":"user","content":"x"}]}')
    assert (request.model, request.original) == ("m", None)
    assert written in encode(request, "m")


def test_a_message_that_says_a_name_twice_is_written_anew() -> None:
    said = b'[{"role":"user","content":"x","content":[{"type":"text","text":"a","text":"b"}]}]'
    request = parse(b'{"model":"m","max_tokens":1,"messages":' + said + b"}")
    assert request.original is None
    assert b'[{"role":"user","content":[{"type":"text","text":"b"}]}]' in encode(request, "m")
    assert parse_count_tokens(b'{"model":"m","messages":' + said + b"}").original is None


SAID_ONCE = [
    b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}',
    b'{"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}',
    b'\n{"messages":[{"role":"user","content":"\\"model\\": \\u0061"}],"model":"m","max_tokens":1}',
    (
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"tools"}],'
        b'"tools":[{"name":"tools","input_schema":{"tools":1.50}}]}'
    ),
    b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"n":[1e400,-0.0]}',
    b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"n":'
    + b"9" * 5_000
    + b"}",
]


@pytest.mark.parametrize("body", SAID_ONCE)
def test_a_body_that_says_each_name_once_stays_as_it_is_written(body: bytes) -> None:
    request = parse(body)
    assert request.original is body
    assert encode(request, "m") is body


USERS = [
    # told, kept
    ("u-1", "u-1"),
    ("x" * 257, "x" * 256),
    ("x" * 8_388_608, "x" * 256),
    ('{"device_id":"d","account_uuid":"a","session_id":"s"}', "a"),
    ('{"device_id":"d","account_uuid":"","session_id":"s"}', "d"),
    ('{"device_id":"d","session_id":"s"}', "d"),
    ('{"device_id":7,"account_uuid":null}', '{"device_id":7,"account_uuid":null}'),
    ('{"session_id":"s"}', '{"session_id":"s"}'),
    ('{"account_uuid":', '{"account_uuid":'),
    ('{"account_uuid":"' + "a" * 300 + '"}', "a" * 256),
    ("{" * 5_000, "{" * 256),
    ("user_" + "0f" * 32 + "_account_12-ab_session_34-cd", "12-ab"),
    ("user_" + "0f" * 32 + "_account__session_34-cd", "0f" * 32),
    ("user_12_account_34_session_56", "user_12_account_34_session_56"),
]


@pytest.mark.parametrize(("told", "kept"), USERS)
def test_a_user_is_kept_short_and_without_the_session(told: str, kept: str) -> None:
    request = parse(orjson.dumps({**LEAST, "metadata": {"user_id": told}}))
    assert request.end_user == kept
    assert request.options["metadata"]["user_id"] == told  # the vendor gets it as it is
