from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import openai
import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from pydantic import BaseModel

from tests.running import Gateway, Simulated

Speak = Callable[..., Awaitable[Model]]
QUIETLY = RunConfig(tracing_disabled=True)
SHORT = ModelSettings(max_tokens=1_000, include_usage=True)


class Person(BaseModel):
    name: str
    age: int


@function_tool
def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sunny in {city}, 21 degrees"


@pytest.fixture(params=["chat", "responses"])
async def speak(
    request: pytest.FixtureRequest, served: Gateway, secret: str
) -> AsyncIterator[Speak]:
    """A model of this client in each of the dialects that it speaks."""
    async with AsyncExitStack() as opened:

        async def made(name: str = "haiku", key: str = secret) -> Model:
            client = openai.AsyncOpenAI(api_key=key, base_url=f"{served.url}/v1")
            await opened.enter_async_context(client)
            if request.param == "chat":
                return OpenAIChatCompletionsModel(name, client)
            return OpenAIResponsesModel(name, client)

        yield made


async def test_a_run_answers_with_usage(speak: Speak, upstream: Simulated) -> None:
    agent = Agent(name="a", instructions="Be brief.", model=await speak(), model_settings=SHORT)
    answer = await Runner.run(agent, "Hello", run_config=QUIETLY)
    assert answer.final_output
    usage = answer.context_wrapper.usage
    assert usage.requests == 1
    # $1 and $5 per million tokens
    nano_usd = usage.input_tokens * 1_000 + usage.output_tokens * 5_000
    assert upstream.billed_nano_usd() == nano_usd
    sent = upstream.messages()[0]["body"]
    assert [block["text"] for block in sent["system"]] == ["Be brief."]


async def test_a_stream_adds_up_to_the_whole_answer(speak: Speak) -> None:
    agent = Agent(name="a", model=await speak(), model_settings=SHORT)
    whole = await Runner.run(agent, "Hello", run_config=QUIETLY)
    streamed = Runner.run_streamed(agent, "Hello", run_config=QUIETLY)
    parts = [
        event.data.delta
        async for event in streamed.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert len(parts) > 2
    assert "".join(parts) == streamed.final_output == whole.final_output
    tokens = whole.context_wrapper.usage.total_tokens
    assert streamed.context_wrapper.usage.total_tokens == tokens > 0


@pytest.mark.parametrize("name", ["haiku", "claude-sonnet-5-5"])
async def test_a_tool_loop_ends_with_the_tools_own_words(
    speak: Speak, upstream: Simulated, name: str
) -> None:
    agent = Agent(name="a", model=await speak(name), tools=[get_weather], model_settings=SHORT)
    answer = await Runner.run(agent, 'Use get_weather for "Oslo".', run_config=QUIETLY)
    assert "sunny in Oslo, 21 degrees" in answer.final_output
    assert answer.context_wrapper.usage.requests == len(upstream.messages()) == 2


async def test_a_streamed_tool_loop_ends_with_the_tools_own_words(speak: Speak) -> None:
    agent = Agent(name="a", model=await speak(), tools=[get_weather], model_settings=SHORT)
    streamed = Runner.run_streamed(agent, 'Use get_weather for "Oslo".', run_config=QUIETLY)
    kinds = [e.name async for e in streamed.stream_events() if e.type == "run_item_stream_event"]
    assert "sunny in Oslo, 21 degrees" in streamed.final_output
    assert [kind for kind in kinds if kind.startswith("tool")] == ["tool_called", "tool_output"]


async def test_one_agent_hands_over_to_another(speak: Speak) -> None:
    expert = Agent(name="Expert", model=await speak(), model_settings=SHORT)
    front = Agent(name="Front", model=await speak(), handoffs=[expert], model_settings=SHORT)
    answer = await Runner.run(front, "Please use transfer_to_expert.", run_config=QUIETLY)
    assert answer.last_agent is expert
    assert answer.final_output


async def test_an_output_type_is_filled_by_a_schema(speak: Speak) -> None:
    agent = Agent(name="a", model=await speak(), output_type=Person, model_settings=SHORT)
    answer = await Runner.run(agent, 'This is "Ada", aged 36.', run_config=QUIETLY)
    assert answer.final_output == Person(name="Ada", age=36)


async def test_refusals_are_the_vendors_errors_and_come_at_once(
    speak: Speak, poor: str, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    for model, error, code in (
        (await speak(key="tk-wrong"), openai.AuthenticationError, "invalid_api_key"),
        (await speak(key=poor), openai.APIStatusError, "budget_exceeded"),
        (await speak("gpt-5"), openai.NotFoundError, "model_not_found"),
    ):
        agent = Agent(name="a", model=model, model_settings=SHORT)
        with pytest.raises(error) as refused:
            await Runner.run(agent, "Hello", run_config=QUIETLY)
        assert refused.value.code == code
        assert refusals(code) == 1
    assert upstream.log() == []
