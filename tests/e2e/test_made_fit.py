"""What real clients send is made fit rather than refused, and the vendor takes it."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import pytest

from tests.running import Gateway, Simulated

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
LEAST: dict[str, dict[str, Any]] = {
    CHAT: {"model": "haiku", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]},
    RESPONSES: {"model": "haiku", "max_output_tokens": 50, "input": "Hi"},
}


def said(*turns: str) -> list[dict[str, Any]]:
    """Turns of user and assistant in alternation."""
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(turns)]


def called(call_id: str, arguments: str = "{}", name: str = "go") -> list[dict[str, Any]]:
    call = {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": "ok"},
    ]


def called_item(call_id: str, arguments: str = "{}", name: str = "go") -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": "ok"},
    ]


HISTORIES: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": [*said("Go"), *called("call_0"), *called("call_0")]}),
    (CHAT, {"messages": [*said("Go"), *called("c1", '{"q": "par', "a.b")]}),
    (CHAT, {"messages": said("Hi", "Welcome!", "Hello")[1:]}),
    (CHAT, {"messages": [{"role": "system", "content": "Write a haiku."}]}),
    (CHAT, {"messages": said("Hi", "Hello.", " ")}),
    (CHAT, {"messages": said("Count.", "One, two, ")}),
    (RESPONSES, {"input": [*said("Go"), *called_item("call_0"), *called_item("call_0")]}),
    (RESPONSES, {"input": [*said("Go"), *called_item("c1", "[1]", "a.b")]}),
    (RESPONSES, {"input": said("Hi", "Welcome!", "Hello")[1:]}),
    (RESPONSES, {"input": [], "instructions": "Write a haiku."}),
    (RESPONSES, {"input": said("Hi", "Hello.", " ")}),
    (RESPONSES, {"input": said("Count.", "One, two, ")}),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("path", "fields"), HISTORIES)
def test_a_history_that_an_agent_sends_is_answered(
    served: Gateway, upstream: Simulated, path: str, fields: dict[str, Any], *, stream: bool
) -> None:
    answer = served.post(path, served.key(), {**LEAST[path], **fields, "stream": stream})
    assert answer.status_code == 200, answer.text
    assert "x-tollkeeper-dropped-params" not in answer.headers
    assert len(upstream.messages()) == 1


def encoded(label: str, content: bytes) -> str:
    return f"data:{label};base64,{base64.b64encode(content).decode()}"


PNG, PDF = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"%PDF-1.7\n"
CHAT_FILES = [
    {"type": "image_url", "image_url": {"url": encoded("image/jpeg", PNG)}},
    {"type": "file", "file": {"file_data": encoded("application/octet-stream", PDF)}},
    {"type": "file", "file": {"file_data": encoded("text/csv", b"a,b"), "filename": "a.csv"}},
]
ITEM_FILES = [
    {"type": "input_image", "image_url": encoded("application/octet-stream", PNG)},
    {"type": "input_file", "file_data": encoded("image/png", PDF), "filename": "a.pdf"},
    {"type": "input_file", "file_data": encoded("text/plain", b"Hi"), "filename": "a.txt"},
]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"messages": [{"role": "user", "content": CHAT_FILES}]}),
        (RESPONSES, {"input": [{"role": "user", "content": ITEM_FILES}]}),
    ],
)
def test_files_go_up_as_what_they_are(
    served: Gateway, upstream: Simulated, path: str, fields: dict[str, Any]
) -> None:
    answer = served.post(path, served.key(), {**LEAST[path], **fields})
    assert answer.status_code == 200, answer.text
    [entry] = upstream.messages()
    sources = [block["source"] for block in entry["body"]["messages"][0]["content"]]
    assert [source["media_type"] for source in sources] == [
        "image/png",
        "application/pdf",
        "text/plain",
    ]


TEXT = {"type": "string"}
LABELS = {"type": "object", "additionalProperties": TEXT}
PERSON = {
    "type": "object",
    "properties": {"name": {**TEXT, "minLength": 1}, "age": {"type": "integer", "minimum": 1}},
    "required": ["name", "age"],
}
NODE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
        }
    },
}
SCHEMAS = [
    # a schema, whether it is enforced
    (PERSON, True),
    ({"type": "object", "properties": {"labels": LABELS}}, False),
    (NODE, False),
    ({"type": "object", "properties": {"filter[id]": TEXT}}, False),
    ({"anyOf": [PERSON, {"type": "object", "properties": {"id": TEXT}}]}, False),
]


@pytest.mark.parametrize(("schema", "enforced"), SCHEMAS)
def test_a_form_is_enforced_or_asked_for(
    served: Gateway, upstream: Simulated, schema: dict[str, Any], *, enforced: bool
) -> None:
    secret = served.key()
    named = {"name": "x", "schema": schema}
    for path, fields, name in (
        (
            CHAT,
            {"response_format": {"type": "json_schema", "json_schema": named}},
            "response_format",
        ),
        (RESPONSES, {"text": {"format": {"type": "json_schema", **named}}}, "text.format"),
    ):
        answer = served.post(path, secret, {**LEAST[path], **fields})
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("x-tollkeeper-dropped-params") == (None if enforced else name)
        body = upstream.messages()[-1]["body"]
        assert ("output_config" in body) == enforced
        last = body["messages"][-1]["content"]
        assert (last == "Hi") == enforced
        assert enforced or "It must fit this JSON schema:" in last[-1]["text"]


@pytest.mark.parametrize(("schema", "enforced"), SCHEMAS)
def test_a_strict_tool_is_enforced_or_sent_as_it_is(
    served: Gateway, upstream: Simulated, schema: dict[str, Any], *, enforced: bool
) -> None:
    secret = served.key()
    function = {"name": "go", "parameters": schema, "strict": True}
    for path, tool in (
        (CHAT, {"type": "function", "function": function}),
        (CHAT, {"type": "function", **function}),
        (RESPONSES, {"type": "function", **function}),
    ):
        answer = served.post(path, secret, {**LEAST[path], "tools": [tool, tool]})
        assert answer.status_code == 200, answer.text
        dropped = answer.headers.get("x-tollkeeper-dropped-params")
        assert dropped == (None if enforced else "tools.strict")
        [sent] = upstream.messages()[-1]["body"]["tools"]
        assert sent.get("strict", False) == enforced


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_more_strict_tools_than_the_vendor_takes_are_fewer(
    served: Gateway, upstream: Simulated, path: str
) -> None:
    tools = [
        {"type": "function", "name": f"f{n}", "parameters": PERSON, "strict": True}
        for n in range(25)
    ]
    answer = served.post(path, served.key(), {**LEAST[path], "tools": tools})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-tollkeeper-dropped-params"] == "tools.strict"
    sent = upstream.messages()[-1]["body"]["tools"]
    assert [tool["name"] for tool in sent if tool.get("strict")] == [f"f{n}" for n in range(20)]


@pytest.mark.parametrize(
    ("model", "level", "sent"),
    [("claude-sonnet-4-6", "xhigh", "high"), ("claude-opus-5-5", "xhigh", "xhigh")],
)
def test_the_nearest_effort_goes_up(
    served: Gateway, upstream: Simulated, model: str, level: str, sent: str
) -> None:
    secret = served.key()
    for path, fields, name in (
        (CHAT, {"reasoning_effort": level}, "reasoning_effort"),
        (CHAT, {"reasoning": {"effort": level}}, "reasoning_effort"),
        (RESPONSES, {"reasoning": {"effort": level}}, "reasoning.effort"),
    ):
        answer = served.post(path, secret, {**LEAST[path], **fields, "model": model})
        assert answer.status_code == 200, answer.text
        dropped = answer.headers.get("x-tollkeeper-dropped-params")
        assert dropped == (None if sent == level else name)
        assert upstream.messages()[-1]["body"]["output_config"] == {"effort": sent}


DIGITS = "123456789012345678901234567890"


@pytest.mark.parametrize("number", [DIGITS, "0.12345678901234567890", "1e400"])
def test_numbers_go_up_with_their_digits(served: Gateway, upstream: Simulated, number: str) -> None:
    parameters = '{"type":"object","properties":{"n":{"type":"number","maximum":NUMBER}}}'.replace(
        "NUMBER", number
    )
    arguments = '"{\\"n\\":NUMBER}"'.replace("NUMBER", number)
    body = (
        '{"model":"haiku","max_tokens":50,"messages":[{"role":"user","content":"Go"},'
        '{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":'
        f'{{"name":"go","arguments":{arguments}}}}}]}},'
        '{"role":"tool","tool_call_id":"c1","content":"ok"}],'
        f'"tools":[{{"type":"function","function":{{"name":"go","parameters":{parameters}}}}}]}}'
    )
    answer = served.http.post(
        f"{served.url}{CHAT}",
        content=body,
        headers={"authorization": f"Bearer {served.key()}", "content-type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    raw = upstream.http.get(f"{upstream.url}/_sim/log?raw=1").json()["entries"][-1]["raw_body"]
    assert f'"input":{{"n":{number}}}' in raw
    assert f'"maximum":{number}' in raw


def completed(answer: httpx2.Response) -> dict[str, Any]:
    """The response object, at the end of a stream too."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        whole: dict[str, Any] = answer.json()
        return whole
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    last: dict[str, Any] = json.loads(events[-1])["response"]
    return last


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_a_forced_tool_in_one_turn_leaves_thinking_valid_in_the_next(
    served: Gateway, upstream: Simulated, choice: Any, *, stream: bool
) -> None:
    secret = served.key()
    parameters = {"type": "object", "properties": {"city": TEXT}}
    fields: dict[str, Any] = {
        "model": "claude-sonnet-5-5",
        "max_output_tokens": 2_000,
        "tools": [{"type": "function", "name": "weather", "parameters": parameters}],
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high"},
        "stream": stream,
    }
    asked = [{"role": "user", "content": "Weather in Oslo?"}]
    first = served.post(RESPONSES, secret, {**fields, "input": asked, "tool_choice": choice})
    assert first.status_code == 200, first.text
    output = completed(first)["output"]
    assert [item["type"] for item in output if item.get("encrypted_content")] == ["reasoning"]
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "rain"}
        for item in output
        if item["type"] == "function_call"
    ]
    later = [*asked, *output, *results, {"role": "user", "content": "And tomorrow?"}]
    second = served.post(RESPONSES, secret, {**fields, "input": later})
    assert second.status_code == 200, second.text
    assert completed(second)["status"] == "completed"
    before, after = (entry["body"] for entry in upstream.messages())
    assert before.get("system") == after.get("system")
    assert before["messages"][0] == after["messages"][0]
