from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam
from pydantic import BaseModel

from tests.running import Gateway, Simulated

HELLO: MessageParam = {"role": "user", "content": "Hello"}
HAIKU = "claude-haiku-4-5-20251001"
WORDS = "The quick brown fox jumps over the lazy dog. "
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(served: Gateway, secret: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.url, api_key=secret) as made:
        yield made


def test_a_message_is_answered_and_priced_in_its_own_types(
    client: anthropic.Anthropic, upstream: Simulated
) -> None:
    raw = client.messages.with_raw_response.create(
        model=HAIKU, max_tokens=200, messages=[HELLO], metadata={"user_id": "ada"}
    )
    answer = raw.parse()
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", HAIKU)
    assert answer.stop_reason == "end_turn"
    assert answer.content[0].type == "text"
    assert answer._request_id == raw.headers["request-id"]
    assert answer.usage.input_tokens == 6
    assert answer.usage.cache_creation_input_tokens == 0
    assert answer.usage.cache_read_input_tokens == 0
    # $1 and $5 per million tokens
    nano_usd = 6 * 1_000 + answer.usage.output_tokens * 5_000
    assert upstream.billed_nano_usd() == nano_usd
    assert Decimal(raw.headers["x-tollkeeper-cost-usd"]) * 10**9 == nano_usd
    sent = upstream.messages()[0]
    assert sent["headers"]["anthropic-version"] == "2026-10-21"
    assert sent["body"] == {
        "model": HAIKU,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "Hello"}],
        "metadata": {"user_id": "ada"},
    }


def test_an_auth_token_opens_the_gateway_too(served: Gateway, secret: str) -> None:
    with anthropic.Anthropic(base_url=served.url, auth_token=secret) as client:
        answer = client.messages.create(model="haiku", max_tokens=50, messages=[HELLO])
    assert answer.usage.input_tokens == 6


def test_fields_and_betas_unknown_to_the_gateway_reach_the_upstream(
    client: anthropic.Anthropic, upstream: Simulated
) -> None:
    client.messages.create(
        model=HAIKU,
        max_tokens=50,
        messages=[HELLO],
        extra_body={"temperature": 0.5},
        extra_headers={"anthropic-version": "2023-06-01", "anthropic-beta": "a-beta,another"},
    )
    sent = upstream.messages()[0]
    assert sent["body"]["temperature"] == 0.5
    assert sent["headers"]["anthropic-version"] == "2023-06-01"
    assert sent["headers"]["anthropic-beta"] == "a-beta,another"


def test_a_stream_adds_up_to_the_whole_message(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model=HAIKU, max_tokens=200, messages=[HELLO])
    with client.messages.stream(model=HAIKU, max_tokens=200, messages=[HELLO]) as stream:
        parts = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(parts) > 1
    assert whole.content[0].type == "text"
    assert "".join(parts) == whole.content[0].text
    assert final.usage == whole.usage
    assert final.stop_reason == "end_turn"


async def test_the_async_client_answers_and_streams(served: Gateway, secret: str) -> None:
    async with anthropic.AsyncAnthropic(base_url=served.url, api_key=secret) as client:
        whole = await client.messages.create(model="haiku", max_tokens=200, messages=[HELLO])
        stream = await client.messages.create(
            model="haiku", max_tokens=200, messages=[HELLO], stream=True
        )
        kinds = [event.type async for event in stream]
    assert whole.stop_reason == "end_turn"
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_delta") > 1


def test_counting_agrees_with_the_bill_and_costs_nothing(
    client: anthropic.Anthropic, served: Gateway, secret: str, upstream: Simulated
) -> None:
    asked: dict[str, Any] = {"messages": [HELLO], "tools": [WEATHER], "system": "Be brief."}
    counted = client.messages.count_tokens(model=HAIKU, **asked)
    assert upstream.billed_nano_usd() == 0
    assert served.own_key(secret)["spent_usd"] == "0.00"
    answer = client.messages.create(model=HAIKU, max_tokens=50, **asked)
    assert counted.input_tokens == answer.usage.input_tokens > 6


def test_a_tool_loop_ends_with_the_tools_own_words(client: anthropic.Anthropic) -> None:
    messages: list[MessageParam] = [{"role": "user", "content": 'Use get_weather for "Oslo".'}]
    first = client.messages.create(model=HAIKU, max_tokens=300, messages=messages, tools=[WEATHER])
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert (call.name, call.input) == ("get_weather", {"city": "Oslo"})
    messages += [
        {"role": "assistant", "content": first.content},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": "sunny, 21 degrees"}
            ],
        },
    ]
    with client.messages.stream(
        model=HAIKU, max_tokens=300, messages=messages, tools=[WEATHER]
    ) as stream:
        last = stream.get_final_message()
    assert last.stop_reason == "end_turn"
    assert last.content[0].type == "text"
    assert "sunny, 21 degrees" in last.content[0].text


def test_a_forced_tool_stays_forced_on_the_model_that_was_named(
    client: anthropic.Anthropic, upstream: Simulated
) -> None:
    forced: dict[str, Any] = {
        "max_tokens": 2_000,
        "messages": [HELLO],
        "tools": [WEATHER],
        "tool_choice": {"type": "tool", "name": "get_weather"},
    }
    answer = client.messages.create(model=HAIKU, **forced)
    assert answer.stop_reason == "tool_use"
    with pytest.raises(anthropic.BadRequestError, match="not supported for this model"):
        client.messages.create(model="claude-sonnet-5-5", **forced)
    assert [entry["body"]["tool_choice"] for entry in upstream.messages()] == [
        {"type": "tool", "name": "get_weather"},
        {"type": "tool", "name": "get_weather"},
    ]


def test_parse_gives_the_model_that_was_asked_for(client: anthropic.Anthropic) -> None:
    answer = client.messages.parse(
        model="sonnet",
        max_tokens=1_000,
        messages=[{"role": "user", "content": 'This is "Ada", aged 36.'}],
        output_format=Person,
    )
    assert answer.parsed_output == Person(name="Ada", age=36)


def test_the_callers_own_breakpoints_are_kept_and_honoured(
    client: anthropic.Anthropic, upstream: Simulated
) -> None:
    asked: dict[str, Any] = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 50,
        "system": [
            {
                "type": "text",
                "text": WORDS * 200,
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            }
        ],
        "messages": [HELLO],
    }
    first = client.messages.create(**asked).usage
    second = client.messages.create(**asked).usage
    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens > 1_024
    assert first.cache_creation.ephemeral_5m_input_tokens == 0
    assert second.cache_read_input_tokens == first.cache_creation.ephemeral_1h_input_tokens
    for entry in upstream.messages():
        assert entry["body"]["system"] == asked["system"]


def test_thinking_is_handed_out_and_taken_back(
    client: anthropic.Anthropic, upstream: Simulated
) -> None:
    messages: list[MessageParam] = [{"role": "user", "content": "Why is the sea salty?"}]
    asked: dict[str, Any] = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 3_000,
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
    }
    with client.messages.stream(messages=messages, **asked) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "text"]
    assert first.content[0].type == "thinking"
    assert first.content[0].thinking
    assert first.content[0].signature
    assert first.usage.output_tokens_details is not None
    assert first.usage.output_tokens_details.thinking_tokens > 0
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "And lakes?"},
    ]
    client.messages.create(messages=messages, **asked)
    replayed = upstream.messages()[1]["body"]["messages"][1]["content"][0]
    assert replayed["thinking"] == first.content[0].thinking
    assert replayed["signature"] == first.content[0].signature


def test_the_models_are_listed_and_found_one_by_one(client: anthropic.Anthropic) -> None:
    page = client.models.list(limit=1_000)
    ids = [model.id for model in page.data]
    assert ids[:3] == ["auto", "haiku", "sonnet"]
    assert (page.first_id, page.last_id, page.has_more) == ("auto", ids[-1], False)
    assert [model.id for model in client.models.list()] == ids
    found = client.models.retrieve("claude-haiku-4-5-20251001")
    assert (found.type, found.max_input_tokens, found.max_tokens) == ("model", 200_000, 64_000)
    assert (found.created_at.year, found.created_at.tzinfo is not None) == (2025, True)


def test_a_wrong_key_is_an_authentication_error_at_once(
    served: Gateway, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    with (
        anthropic.Anthropic(base_url=served.url, api_key="tk-wrong") as client,
        pytest.raises(anthropic.AuthenticationError) as refused,
    ):
        client.messages.create(model=HAIKU, max_tokens=50, messages=[HELLO])
    assert refused.value.type == "authentication_error"
    assert refusals("invalid_api_key") == 1
    assert upstream.log() == []


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_budget_is_a_billing_error_at_once(
    served: Gateway,
    upstream: Simulated,
    poor: str,
    refusals: Callable[[str], int],
    stream: bool,  # noqa: FBT001 (parametrized)
) -> None:
    with (
        anthropic.Anthropic(base_url=served.url, api_key=poor) as client,
        pytest.raises(anthropic.APIStatusError) as refused,
    ):
        client.messages.create(model=HAIKU, max_tokens=1_000, messages=[HELLO], stream=stream)
    assert (refused.value.status_code, refused.value.type) == (402, "billing_error")
    body: Any = refused.value.body
    assert body["error"]["budget"]["limit_usd"] == "0.001"
    assert refusals("budget_exceeded") == 1
    assert upstream.log() == []


def test_an_unknown_model_is_not_found_at_once(
    client: anthropic.Anthropic, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    with pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.create(model="gpt-5", max_tokens=50, messages=[HELLO])
    assert refused.value.type == "not_found_error"
    assert refusals("model_not_found") == 1
    assert upstream.log() == []


def test_a_stream_that_breaks_raises_instead_of_ending(
    client: anthropic.Anthropic, upstream: Simulated
) -> None:
    upstream.faults({"kind": "sse_error", "after_deltas": 3})
    with (
        client.messages.stream(model=HAIKU, max_tokens=200, messages=[HELLO]) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        stream.until_done()
    upstream.faults({"kind": "reset_mid_stream", "after_deltas": 3})
    with (
        client.messages.stream(model=HAIKU, max_tokens=200, messages=[HELLO]) as stream,
        pytest.raises(anthropic.APIStatusError),
    ):
        stream.until_done()
    assert len(upstream.messages()) == 2


def test_the_beta_api_passes_its_betas_and_runs_tools(
    client: anthropic.Anthropic, upstream: Simulated
) -> None:
    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        return f"sunny in {city}, 21 degrees"

    runner = client.beta.messages.tool_runner(
        model=HAIKU,
        max_tokens=300,
        tools=[get_weather],
        messages=[{"role": "user", "content": 'Use get_weather for "Oslo".'}],
        betas=["interleaved-thinking-2025-05-14"],
        thread=False,
    )
    last = runner.until_done()
    assert last.content[0].type == "text"
    assert "sunny in Oslo, 21 degrees" in last.content[0].text
    betas = [entry["headers"]["anthropic-beta"] for entry in upstream.messages()]
    assert len(betas) == 2
    assert all("interleaved-thinking-2025-05-14" in beta.split(",") for beta in betas)
