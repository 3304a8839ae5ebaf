"""What real clients send is made fit rather than refused, and the vendor takes it."""

from __future__ import annotations

from typing import Any

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
