from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ChatCompletionUserMessageParam,
)
from pydantic import BaseModel

from tests.running import Gateway, Simulated

HELLO: ChatCompletionUserMessageParam = {"role": "user", "content": "Hello"}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(served: Gateway, secret: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=secret) as made:
        yield made


def test_a_chat_is_answered_and_priced_in_its_own_types(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="haiku", messages=[HELLO], max_completion_tokens=200
    )
    answer = raw.parse()
    assert answer.object == "chat.completion"
    assert answer.model == "claude-haiku-4-5-20251001"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content
    assert answer._request_id == raw.headers["x-request-id"]
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens == 6
    assert usage.total_tokens == 6 + usage.completion_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 0
    assert usage.prompt_tokens_details.cache_write_tokens == 0
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 0
    # $1 and $5 per million tokens
    nano_usd = 6 * 1_000 + usage.completion_tokens * 5_000
    assert upstream.billed_nano_usd() == nano_usd
    assert Decimal(str((usage.model_extra or {})["cost"])) * 10**9 == nano_usd
    assert Decimal(raw.headers["x-tollkeeper-cost-usd"]) * 10**9 == nano_usd


def test_a_stream_adds_up_to_the_whole_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="haiku", messages=[HELLO], max_tokens=200)
    stream = client.chat.completions.create(
        model="haiku",
        messages=[HELLO],
        max_tokens=200,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({c.id for c in chunks}) == 1


def test_the_stream_helper_gathers_text_and_usage(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="haiku", messages=[HELLO], max_tokens=200, stream_options={"include_usage": True}
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert len(deltas) > 1
    assert "".join(deltas) == final.choices[0].message.content
    assert final.usage is not None
    assert final.usage.prompt_tokens == 6


async def test_the_async_client_answers_and_streams(served: Gateway, secret: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=secret) as client:
        whole = await client.chat.completions.create(
            model="haiku", messages=[HELLO], max_tokens=200
        )
        stream = await client.chat.completions.create(
            model="haiku", messages=[HELLO], max_tokens=200, stream=True
        )
        parts = [c.choices[0].delta.content or "" async for c in stream]
        listed = [model.id async for model in client.models.list()]
    assert len(parts) > 2
    assert "".join(parts) == whole.choices[0].message.content
    assert listed[:3] == ["auto", "haiku", "sonnet"]


def test_a_tool_loop_ends_with_the_tools_own_words(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": 'Use get_weather for "Oslo".'},
    ]
    first = client.chat.completions.create(
        model="haiku", messages=messages, tools=[WEATHER], max_tokens=300
    )
    assert first.choices[0].finish_reason == "tool_calls"
    calls = first.choices[0].message.tool_calls or []
    call = calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Oslo"}
    replayed: Any = first.choices[0].message
    messages += [
        replayed,
        {"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 degrees"},
    ]
    last = client.chat.completions.create(
        model="haiku", messages=messages, tools=[WEATHER], max_tokens=300
    )
    assert last.choices[0].finish_reason == "stop"
    assert "sunny, 21 degrees" in (last.choices[0].message.content or "")
    sent = upstream.messages()[1]["body"]
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][1]["content"][-1]["input"] == {"city": "Oslo"}


def test_two_tools_called_at_once_stream_apart(client: openai.OpenAI, upstream: Simulated) -> None:
    called = [
        {"type": "text", "text": "Both."},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"city": "Rome"}},
    ]
    upstream.replies({"content": called})
    with client.chat.completions.stream(
        model="haiku", messages=[HELLO], tools=[WEATHER], max_tokens=300
    ) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("toolu_1", "get_weather", '{"city":"Oslo"}'),
        ("toolu_2", "get_weather", '{"city":"Rome"}'),
    ]
    assert final.choices[0].message.content == "Both."


def test_a_forced_tool_is_called(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="haiku",
        messages=[HELLO],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        max_tokens=300,
    )
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["get_weather"]


def test_a_forced_tool_becomes_a_wish_on_a_model_that_refuses_it(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="claude-sonnet-5-5",
        messages=[{"role": "user", "content": 'Use get_weather for "Oslo".'}],
        tools=[WEATHER],
        tool_choice="required",
        max_completion_tokens=2_000,
    )
    calls = raw.parse().choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["get_weather"]
    assert raw.headers["x-tollkeeper-dropped-params"] == "tool_choice"
    sent = upstream.messages()[0]["body"]
    assert sent["tool_choice"] == {"type": "auto"}
    assert "system" not in sent
    assert sent["messages"][-1]["content"][-1]["text"] == "Answer by calling one of the tools."


@pytest.mark.parametrize("model", ["haiku", "sonnet", "claude-sonnet-5-5"])
def test_parse_gives_the_model_that_was_asked_for(
    client: openai.OpenAI, upstream: Simulated, model: str
) -> None:
    answer = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": 'This is "Ada", aged 36.'}],
        response_format=Person,
        max_completion_tokens=2_000,
    )
    assert answer.choices[0].message.parsed == Person(name="Ada", age=36)
    sent = upstream.messages()[0]["body"]["output_config"]["format"]
    assert sent["type"] == "json_schema"
    assert sent["schema"]["required"] == ["name", "age"]


def test_the_models_are_listed_and_found_one_by_one(client: openai.OpenAI) -> None:
    listed = client.models.list()
    ids = [model.id for model in listed]
    assert ids[:3] == ["auto", "haiku", "sonnet"]
    assert "claude-opus-5-5" in ids
    assert not any(name.startswith("anthropic/") for name in ids)
    found = client.models.retrieve("claude-haiku-4-5")
    assert (found.object, found.owned_by) == ("model", "anthropic")
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("gpt-5")
    assert missing.value.code == "model_not_found"


def test_a_wrong_key_is_an_authentication_error_at_once(
    served: Gateway, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key="tk-wrong") as client,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        client.chat.completions.create(model="haiku", messages=[HELLO])
    assert (refused.value.code, refused.value.status_code) == ("invalid_api_key", 401)
    assert refused.value.request_id
    assert refusals("invalid_api_key") == 1
    assert upstream.log() == []


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_budget_is_a_402_at_once(
    served: Gateway,
    upstream: Simulated,
    poor: str,
    refusals: Callable[[str], int],
    stream: bool,  # noqa: FBT001 (parametrized)
) -> None:
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key=poor) as client,
        pytest.raises(openai.APIStatusError) as refused,
    ):
        client.chat.completions.create(
            model="haiku", messages=[HELLO], max_tokens=1_000, stream=stream
        )
    assert (refused.value.code, refused.value.status_code) == ("budget_exceeded", 402)
    body: Any = refused.value.body
    assert body["budget"]["limit_usd"] == "0.001"
    assert refusals("budget_exceeded") == 1
    assert upstream.log() == []


def test_an_unknown_model_is_not_found_at_once(
    client: openai.OpenAI, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gpt-5", messages=[HELLO])
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert refusals("model_not_found") == 1
    assert upstream.log() == []


def test_a_parameter_that_cannot_be_honoured_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="haiku", messages=[HELLO], n=2)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "n")


def test_a_stream_that_breaks_raises_instead_of_ending(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    upstream.faults({"kind": "reset_mid_stream", "after_deltas": 3})
    stream = client.chat.completions.create(
        model="haiku", messages=[HELLO], max_tokens=200, stream=True
    )
    with pytest.raises(openai.APIError):
        list(stream)
    assert len(upstream.messages()) == 1


def test_cached_tokens_show_in_its_own_types(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "The quick brown fox jumps over the lazy dog. " * 200},
        HELLO,
    ]
    details = []
    for _ in range(2):
        answer = client.chat.completions.create(model="sonnet", messages=messages, max_tokens=50)
        assert answer.usage is not None
        assert answer.usage.prompt_tokens_details is not None
        details.append(answer.usage.prompt_tokens_details)
    written, read = details
    assert (written.cached_tokens, read.cache_write_tokens) == (0, 0)
    assert written.cache_write_tokens == read.cached_tokens
    assert (read.cached_tokens or 0) > 1_024


def test_a_picture_reaches_the_upstream_as_an_image_block(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    client.chat.completions.create(
        model="haiku",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            }
        ],
        max_tokens=50,
    )
    assert upstream.messages()[0]["body"]["messages"][0]["content"][1] == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
    }
