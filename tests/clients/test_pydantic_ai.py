from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import (
    ModelAuthenticationError,
    ModelNotFoundError,
    ModelQuotaExceededError,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from tests.running import Gateway, Simulated

Speak = Callable[..., Awaitable[Model]]
# What this client believes about a Claude depends on its name.
FULL_NAMES = {"haiku": "claude-haiku-4-5", "sonnet": "claude-sonnet-4-6"}
SHORT: ModelSettings = {"max_tokens": 1_000}


class Person(BaseModel):
    name: str
    age: int


def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sunny in {city}, 21 degrees"


@pytest.fixture(params=["chat", "responses", "messages"])
async def speak(
    request: pytest.FixtureRequest, served: Gateway, secret: str
) -> AsyncIterator[Speak]:
    """A model of this client in each of the dialects that it speaks."""
    async with AsyncExitStack() as opened:

        async def made(name: str = "haiku", key: str = secret) -> Model:
            if request.param == "messages":
                theirs = AsyncAnthropic(api_key=key, base_url=served.url)
                await opened.enter_async_context(theirs)
                full_name = FULL_NAMES.get(name, name)
                return AnthropicModel(
                    full_name, provider=AnthropicProvider(anthropic_client=theirs)
                )
            client = AsyncOpenAI(api_key=key, base_url=f"{served.url}/v1")
            await opened.enter_async_context(client)
            provider = OpenAIProvider(openai_client=client)
            if request.param == "chat":
                return OpenAIChatModel(name, provider=provider)
            return OpenAIResponsesModel(name, provider=provider)

        yield made


async def test_a_run_answers_with_usage(speak: Speak, upstream: Simulated) -> None:
    agent = Agent(await speak(), instructions="Be brief.", model_settings=SHORT)
    answer = await agent.run("Hello")
    assert answer.output
    usage = answer.usage
    assert usage.requests == 1
    # $1 and $5 per million tokens
    nano_usd = usage.input_tokens * 1_000 + usage.output_tokens * 5_000
    assert upstream.billed_nano_usd() == nano_usd
    sent = upstream.messages()[0]["body"]
    assert sent["max_tokens"] == 1_000


async def test_a_stream_adds_up_to_the_whole_answer(speak: Speak) -> None:
    agent = Agent(await speak(), model_settings=SHORT)
    whole = await agent.run("Hello")
    async with agent.run_stream("Hello") as streamed:
        parts = [part async for part in streamed.stream_text(delta=True, debounce_by=None)]
        usage = streamed.usage
    assert len(parts) > 2
    assert "".join(parts) == whole.output
    assert usage.output_tokens == whole.usage.output_tokens


async def test_a_tool_loop_ends_with_the_tools_own_words(speak: Speak, upstream: Simulated) -> None:
    agent = Agent(await speak(), tools=[get_weather], model_settings=SHORT)
    answer = await agent.run('Use get_weather for "Oslo".')
    assert "sunny in Oslo, 21 degrees" in answer.output
    assert answer.usage.requests == len(upstream.messages()) == 2
    assert answer.usage.tool_calls == 1


@pytest.mark.parametrize("name", ["haiku", "sonnet"])
async def test_an_output_type_is_filled_by_a_forced_tool(speak: Speak, name: str) -> None:
    agent = Agent(await speak(name), output_type=Person, model_settings=SHORT)
    answer = await agent.run('This is "Ada", aged 36.')
    assert answer.output == Person(name="Ada", age=36)


async def test_an_output_type_is_filled_by_a_schema(speak: Speak) -> None:
    agent = Agent(await speak(), output_type=NativeOutput(Person), model_settings=SHORT)
    answer = await agent.run('This is "Ada", aged 36.')
    assert answer.output == Person(name="Ada", age=36)


async def test_refusals_are_its_own_errors_and_come_at_once(
    speak: Speak, poor: str, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    for model, error, code in (
        (await speak(key="tk-wrong"), ModelAuthenticationError, "invalid_api_key"),
        (await speak(key=poor), ModelQuotaExceededError, "budget_exceeded"),
        (await speak("gpt-5"), ModelNotFoundError, "model_not_found"),
    ):
        with pytest.raises(error):
            await Agent(model, model_settings=SHORT).run("Hello")
        assert refusals(code) == 1
    assert upstream.log() == []
