from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from openai.types.responses import FunctionToolParam, ResponseInputParam
from pydantic import BaseModel

from tests.running import Gateway, Simulated

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(served: Gateway, secret: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=secret) as made:
        yield made


def test_a_response_is_answered_and_priced_in_its_own_types(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    raw = client.responses.with_raw_response.create(
        model="haiku", input="Hello", max_output_tokens=200
    )
    answer = raw.parse()
    assert (answer.object, answer.status) == ("response", "completed")
    assert answer.model == "claude-haiku-4-5-20251001"
    assert answer.output_text
    assert answer._request_id == raw.headers["x-request-id"]
    usage = answer.usage
    assert usage is not None
    assert usage.input_tokens == 6
    assert usage.total_tokens == 6 + usage.output_tokens
    assert usage.input_tokens_details.cached_tokens == 0
    assert usage.input_tokens_details.cache_write_tokens == 0
    assert usage.output_tokens_details.reasoning_tokens == 0
    # $1 and $5 per million tokens
    nano_usd = 6 * 1_000 + usage.output_tokens * 5_000
    assert upstream.billed_nano_usd() == nano_usd
    assert Decimal(str((usage.model_extra or {})["cost"])) * 10**9 == nano_usd


def test_a_streamed_response_adds_up_to_the_whole_one(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "haiku", "input": "Hello", "max_output_tokens": 200}
    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:3] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
    ]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == final.output_text == whole.output_text
    assert final.usage == whole.usage


async def test_the_async_client_answers(served: Gateway, secret: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=secret) as client:
        answer = await client.responses.create(model="haiku", input="Hello", max_output_tokens=200)
        cut = await client.responses.create(model="haiku", input="Hello", max_output_tokens=16)
    assert answer.status == "completed"
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


def test_a_tool_loop_ends_with_the_tools_own_words(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    turns: ResponseInputParam = [{"role": "user", "content": 'Use get_weather for "Oslo".'}]
    first = client.responses.create(
        model="haiku", instructions="Be brief.", input=turns, tools=[WEATHER], store=False
    )
    call = next(item for item in first.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Oslo"})
    replayed: Any = first.output
    turns += replayed
    turns.append(
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny, 21 degrees"}
    )
    with client.responses.stream(
        model="haiku", instructions="Be brief.", input=turns, tools=[WEATHER]
    ) as stream:
        last = stream.get_final_response()
    assert "sunny, 21 degrees" in last.output_text
    sent = upstream.messages()[1]["body"]
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][1]["content"][-1]["input"] == {"city": "Oslo"}


def test_a_streamed_call_arrives_with_its_arguments(client: openai.OpenAI) -> None:
    with client.responses.stream(
        model="haiku", input='Use get_weather for "Oslo".', tools=[WEATHER]
    ) as stream:
        done = [e for e in stream if e.type == "response.function_call_arguments.done"]
        final = stream.get_final_response()
    assert [json.loads(event.arguments) for event in done] == [{"city": "Oslo"}]
    assert [item.type for item in final.output] == ["message", "function_call"]


@pytest.mark.parametrize("model", ["haiku", "sonnet", "claude-sonnet-5-5"])
def test_parse_gives_the_model_that_was_asked_for(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.parse(
        model=model,
        input='This is "Ada", aged 36.',
        text_format=Person,
        max_output_tokens=2_000,
    )
    assert answer.output_parsed == Person(name="Ada", age=36)


def test_what_needs_stored_answers_is_a_bad_request(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="haiku", input="Hello", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="haiku", input="Hello", background=True)
    assert refused.value.param == "background"
    assert upstream.log() == []


def test_an_empty_budget_is_a_402_at_once(
    served: Gateway, upstream: Simulated, poor: str, refusals: Callable[[str], int]
) -> None:
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key=poor) as client,
        pytest.raises(openai.APIStatusError) as refused,
    ):
        client.responses.create(model="haiku", input="Hello", max_output_tokens=1_000)
    assert (refused.value.code, refused.value.status_code) == ("budget_exceeded", 402)
    assert refusals("budget_exceeded") == 1
    assert upstream.log() == []


def test_an_unknown_model_is_not_found_at_once(
    client: openai.OpenAI, refusals: Callable[[str], int]
) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.responses.create(model="gpt-5", input="Hello")
    assert refused.value.code == "model_not_found"
    assert refusals("model_not_found") == 1


def test_a_stream_that_breaks_ends_with_a_failed_response(
    client: openai.OpenAI, upstream: Simulated
) -> None:
    upstream.faults({"kind": "reset_mid_stream", "after_deltas": 3})
    stream = client.responses.create(
        model="haiku", input="Hello", max_output_tokens=200, stream=True
    )
    last = list(stream)[-1]
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error is not None
    assert last.response.error.message
    assert len(upstream.messages()) == 1


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5"])
def test_sealed_reasoning_is_handed_out_and_taken_back(
    client: openai.OpenAI, upstream: Simulated, model: str
) -> None:
    asked: dict[str, Any] = {
        "model": model,
        "tools": [WEATHER],
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "max_output_tokens": 4_000,
    }
    turns: ResponseInputParam = [{"role": "user", "content": 'Use get_weather for "Oslo".'}]
    with client.responses.stream(input=turns, **asked) as stream:
        first = stream.get_final_response()
    assert "function_call" in [item.type for item in first.output]
    thought = first.output[0]
    assert thought.type == "reasoning"
    assert thought.encrypted_content
    assert first.usage is not None
    assert first.usage.output_tokens_details.reasoning_tokens > 0
    replayed: Any = [item.to_dict() for item in first.output]
    call = next(item for item in first.output if item.type == "function_call")
    turns += replayed
    turns.append(
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny, 21 degrees"}
    )
    last = client.responses.create(input=turns, **asked)
    assert "sunny, 21 degrees" in last.output_text
    kinds = [block["type"] for block in upstream.messages()[1]["body"]["messages"][1]["content"]]
    assert kinds[0] == "thinking"
    assert kinds[-1] == "tool_use"
