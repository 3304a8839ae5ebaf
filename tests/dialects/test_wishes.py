"""What the gateway says to the model itself stands behind the last breakpoint, turn by turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.core.request import CONTINUE, Block, Message, Request, with_wishes
from app.dialects.anthropic.wire import count_tokens_body, encode
from app.dialects.openai_chat import request as chat
from app.dialects.openai_responses import request as responses
from tests.core.catalogs import MODERN
from tests.core.test_preparation import ready
from tests.dialects.openai_chat.dialogues import OPENING

TEXT: Block = {"type": "text", "text": "Hi"}
WISH: Block = {"type": "text", "text": "Go."}
MARKED: Block = {**TEXT, "cache_control": {"type": "ephemeral"}}
RESULT: Block = {"type": "tool_result", "tool_use_id": "t", "content": "4"}
SAID: Message = {"role": "assistant", "content": "Yes,"}
PLACES: list[tuple[list[Message], list[Message]]] = [
    ([{"role": "user", "content": "Hi"}], [{"role": "user", "content": [TEXT, WISH]}]),
    ([{"role": "user", "content": [MARKED]}], [{"role": "user", "content": [MARKED, WISH]}]),
    ([{"role": "user", "content": [RESULT]}], [{"role": "user", "content": [RESULT, WISH]}]),
    (
        [{"role": "user", "content": "Hi"}, SAID],
        [{"role": "user", "content": [TEXT, WISH]}, SAID],
    ),
    (
        [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Hi"}],
        [{"role": "user", "content": "Hi"}, {"role": "system", "content": [TEXT, WISH]}],
    ),
    ([SAID], [SAID, {"role": "user", "content": [WISH]}]),
]


@pytest.mark.parametrize(("given", "sent"), PLACES)
def test_a_wish_ends_the_last_turn_that_is_not_the_assistants(
    given: list[Message], sent: list[Message]
) -> None:
    before = orjson.dumps(given)
    assert with_wishes(given, ["Go."]) == sent
    assert orjson.dumps(given) == before


def sent(request: Request) -> dict[str, Any]:
    planned = ready(replace(request, model=MODERN.id))
    body: dict[str, Any] = orjson.loads(encode(planned.request, MODERN.id))
    counted = orjson.loads(count_tokens_body(planned.request, MODERN.id))
    assert counted["messages"] == body["messages"]
    return body


FUNCTION = {"name": "go", "parameters": {"type": "object", "properties": {}}}
LONG = "Read this well. " * 400
WAYS = [
    # what the first turn asks for
    {"tool_choice": "required"},
    {"tool_choice": {"type": "function", "function": {"name": "go"}}},
    {"response_format": {"type": "json_object"}},
    {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
]


@pytest.mark.parametrize("asked", WAYS)
def test_what_one_turn_asks_for_leaves_the_prompt_of_the_next_as_it_was(
    asked: dict[str, Any],
) -> None:
    opening: list[dict[str, Any]] = [
        {"role": "system", "content": LONG},
        {"role": "user", "content": LONG},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "go", "arguments": "{}"}}
    later = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]
    fields = {"model": "auto", "max_tokens": 9, "tools": [{"type": "function", **FUNCTION}]}
    first = sent(chat.parse(orjson.dumps({**fields, "messages": opening, **asked})).request)
    second = sent(chat.parse(orjson.dumps({**fields, "messages": [*opening, *later]})).request)
    assert first["tools"] == second["tools"]
    assert first["system"] == second["system"]
    *_, marked, wish = first["messages"][0]["content"]
    assert marked["text"] == second["messages"][0]["content"] == LONG
    assert marked["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in wish


def test_on_responses_a_wish_travels_within_the_sealed_thinking_that_it_led_to() -> None:
    fields: dict[str, Any] = {
        "model": "auto",
        "max_output_tokens": 9,
        "tools": [{"type": "function", **FUNCTION}],
        "include": ["reasoning.encrypted_content"],
    }
    question = {"role": "user", "content": "Hi"}
    forced = responses.parse(
        orjson.dumps({**fields, "input": [question], "tool_choice": "required"})
    )
    opening = replace(OPENING, dropped=("tool_choice",))
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    history = [
        question,
        {"type": "reasoning", "summary": [], "encrypted_content": forced.seal(thinking, opening)},
        {"type": "function_call", "call_id": "c1", "name": "go", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "ok"},
    ]
    free = responses.parse(orjson.dumps({**fields, "input": history}))
    first, second = sent(forced.request), sent(free.request)
    wished = {"type": "text", "text": "Answer by calling one of the tools."}
    assert first["messages"][0]["content"] == [TEXT, wished]
    assert second["messages"][0] == first["messages"][0]
    assert second["messages"][1]["content"][0] == thinking
    assert len(second["messages"][2]["content"]) == 1
    assert first.get("system") == second.get("system")


BEGUN: list[dict[str, Any]] = [
    {"role": "user", "content": LONG},
    {"role": "assistant", "content": "The answer is"},
]
ASKED_ON: Message = {"role": "user", "content": [{"type": "text", "text": CONTINUE}]}


def test_an_answer_that_was_begun_is_asked_to_go_on_in_a_turn_of_its_own() -> None:
    fields = {"model": "auto", "max_tokens": 9, "response_format": {"type": "json_object"}}
    call = chat.parse(orjson.dumps({**fields, "messages": BEGUN}))
    body = sent(call.request)
    question, begun, asked_on = body["messages"]
    assert question["content"] == LONG
    assert begun["content"] == "The answer is"
    assert [block["text"] for block in asked_on["content"]] == [*call.request.wishes, CONTINUE]


def test_on_responses_the_thinking_on_a_begun_answer_finds_what_it_was_asked() -> None:
    fields: dict[str, Any] = {
        "model": "auto",
        "max_output_tokens": 9,
        "include": ["reasoning.encrypted_content"],
    }
    first = responses.parse(orjson.dumps({**fields, "input": BEGUN}))
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    seal = first.seal(thinking, replace(OPENING, dropped=("prefill",)))
    history = [
        *BEGUN,
        {"type": "reasoning", "summary": [], "encrypted_content": seal},
        {"role": "assistant", "content": "42."},
        {"role": "user", "content": "Sure?"},
    ]
    second = sent(responses.parse(orjson.dumps({**fields, "input": history})).request)
    assert sent(first.request)["messages"][-1] == ASKED_ON
    roles = [message["role"] for message in second["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert second["messages"][2] == ASKED_ON
    assert second["messages"][3]["content"][0] == thinking
