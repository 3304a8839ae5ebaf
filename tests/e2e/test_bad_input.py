"""What callers get wrong is told to them by its path: nothing is held, sent or written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from tests.running import Gateway, Simulated, gateway

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
COUNT = "/v1/messages/count_tokens"
HI = {"role": "user", "content": "Hi"}
LEAST: dict[str, dict[str, Any]] = {
    CHAT: {"model": "haiku", "max_tokens": 50, "messages": [HI]},
    RESPONSES: {"model": "haiku", "max_output_tokens": 50, "input": "Hi"},
    MESSAGES: {"model": "sonnet", "max_tokens": 50, "messages": [HI]},
    COUNT: {"model": "sonnet", "messages": [HI]},
}


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def seen(path: str, data: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{data}"
    if path == CHAT:
        part: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}}
        return {"messages": [{"role": "user", "content": [part]}]}
    return {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}


NAMED = {"type": "tool", "name": "word " * 60_000}
SEARCH = [{"type": "web_search"}]
FUNCTION = {"type": "function", "name": "go"}
OTHER = {"type": "function", "function": {"name": "go", "description": "Go."}}
BAD: list[tuple[str, dict[str, Any], str]] = [
    (CHAT, {"tools": [tool("a b")]}, "tools[0].function.name"),
    (CHAT, {"tools": [tool("n" * 200)]}, "tools[0].function.name"),
    (CHAT, {"tools": [tool("go"), OTHER]}, "tools[1].function.name"),
    (CHAT, {"tools": [tool("go")], "tool_choice": tool("stop")}, "tool_choice.function.name"),
    (CHAT, seen(CHAT, "@@@"), "messages[0].content[0].image_url.url"),
    (CHAT, {"messages": [HI] * 100_001}, "messages"),
    (RESPONSES, {"tools": [{**FUNCTION, "name": "a b"}]}, "tools[0].name"),
    (RESPONSES, {"tools": [FUNCTION, {**FUNCTION, "strict": True}]}, "tools[1].name"),
    (RESPONSES, seen(RESPONSES, "@@@"), "input[0].content[0].image_url"),
    (RESPONSES, {"tools": SEARCH, "tool_choice": SEARCH[0]}, "tools.web_search"),
    (RESPONSES, {"tools": SEARCH, "tool_choice": "required"}, "tools.web_search"),
    (MESSAGES, {"tools": [{"name": "a"}], "tool_choice": NAMED}, "tool_choice.name"),
    (MESSAGES, {"messages": [HI] * 100_001}, "messages"),
    (COUNT, {"tools": [{"name": "a"}], "tool_choice": NAMED}, "tool_choice.name"),
]


@pytest.mark.parametrize(("path", "fields", "param"), BAD)
def test_bad_input_is_named_and_goes_no_further(
    served: Gateway, upstream: Simulated, path: str, fields: dict[str, Any], param: str
) -> None:
    secret = served.key(max_budget_usd="1.00")
    before = len(served.rows())
    answer = served.post(path, secret, {**LEAST[path], **fields})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["message"].startswith(f"{param}: ")
    if path in (CHAT, RESPONSES):
        assert error["param"] == param
    assert upstream.log() == []
    assert len(served.rows()) == before
    assert served.own_key(secret)["reserved_usd"] == "0.00"


@pytest.fixture(scope="module")
def on_sonnet(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("default")
    config = "routing: {default_model: sonnet}\n"
    with gateway(folder, upstream.url, config=config) as running:
        yield running


@pytest.mark.parametrize("path", LEAST)
@pytest.mark.parametrize("model", [{}, {"model": None}], ids=["absent", "null"])
def test_a_body_that_names_no_model_means_the_default_one(
    on_sonnet: Gateway, upstream: Simulated, path: str, model: dict[str, None]
) -> None:
    given = {name: value for name, value in LEAST[path].items() if name != "model"}
    answer = on_sonnet.post(path, on_sonnet.key(), {**given, **model})
    assert answer.status_code == 200, answer.text
    (sent,) = upstream.log()
    assert sent["model"] == "claude-sonnet-4-6"
    if path != COUNT:
        row = on_sonnet.row(answer.headers["x-request-id"])
        assert (row["requested_model"], row["model"]) == ("sonnet", "claude-sonnet-4-6")


DROPPED: list[tuple[str, dict[str, Any], str]] = [
    (CHAT, {"temperature": 1.7}, "temperature"),
    (RESPONSES, {"temperature": 1.7}, "temperature"),
    (CHAT, {"reasoning_effort": "low"}, "reasoning_effort"),
    (RESPONSES, {"reasoning": {"effort": "low"}}, "reasoning.effort"),
]


@pytest.mark.parametrize(("path", "fields", "dropped"), DROPPED)
def test_what_was_changed_is_reported_by_the_caller_s_own_name(
    served: Gateway, path: str, fields: dict[str, Any], dropped: str
) -> None:
    answer = served.post(path, served.key(), {**LEAST[path], **fields})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-tollkeeper-dropped-params"] == dropped


CALLED = {
    "content": [
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
}


def test_functions_are_answered_in_their_own_form(served: Gateway, upstream: Simulated) -> None:
    upstream.replies(CALLED, CALLED)
    asked: dict[str, Any] = {
        "model": "haiku",
        "messages": [{"role": "user", "content": "How is the weather in Oslo?"}],
        "functions": [{"name": "weather", "parameters": {"type": "object", "properties": {}}}],
    }
    secret = served.key()
    with openai.OpenAI(api_key=secret, base_url=f"{served.url}/v1", max_retries=0) as client:
        choice = client.chat.completions.create(**asked).choices[0]
        assert choice.finish_reason == "function_call"
        assert choice.message.tool_calls is None
        call = choice.message.function_call
        assert call is not None
        assert (call.name, call.arguments) == ("weather", '{"city":"Oslo"}')

        name, arguments, reason = "", "", None
        for chunk in client.chat.completions.create(**asked, stream=True):
            delta = chunk.choices[0].delta
            assert delta.tool_calls is None
            if delta.function_call is not None:
                name += delta.function_call.name or ""
                arguments += delta.function_call.arguments or ""
            reason = chunk.choices[0].finish_reason or reason
        assert (name, arguments, reason) == ("weather", '{"city":"Oslo"}', "function_call")
    assert [entry["body"]["tool_choice"] for entry in upstream.messages()] == [
        {"type": "auto", "disable_parallel_tool_use": True}
    ] * 2


def test_a_flood_of_messages_holds_up_nobody_else(served: Gateway) -> None:
    """A million messages of two words, 28 MB: reading them all took seven seconds."""
    body = b'{"messages":[%b]}' % b",".join([b'{"role":"user","content":"a"}'] * 1_000_000)
    headers = {"authorization": f"Bearer {served.key()}"}
    answers: list[httpx2.Response] = []

    def flood() -> None:
        with httpx2.Client(timeout=60) as http:
            answers.append(http.post(f"{served.url}{CHAT}", content=body, headers=headers))

    flooding = threading.Thread(target=flood)
    longest_s = 0.0
    flooding.start()
    while flooding.is_alive():
        asked_s = time.monotonic()
        assert served.http.get(f"{served.url}/health/live").status_code == 200
        longest_s = max(longest_s, time.monotonic() - asked_s)
        time.sleep(0.01)
    (answer,) = answers
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "messages"
    assert longest_s < 4
