from __future__ import annotations

from collections.abc import Callable

import anthropic
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import tool
from pydantic import SecretStr

from tests.running import Gateway, Simulated

Chat = Callable[..., ChatAnthropic]


@tool
def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sunny in {city}, 21 degrees"


@pytest.fixture
def chat(served: Gateway, secret: str) -> Chat:
    def made(model: str = "claude-haiku-4-5-20251001", key: str = secret) -> ChatAnthropic:
        return ChatAnthropic(
            model_name=model,
            base_url=served.url,
            api_key=SecretStr(key),
            max_tokens_to_sample=1_000,
            timeout=60,
            stop=None,
        )

    return made


def test_invoke_answers_with_usage(chat: Chat, upstream: Simulated) -> None:
    answer = chat().invoke("Hello")
    usage = answer.usage_metadata
    assert usage is not None
    assert usage["input_tokens"] == 6
    # $1 and $5 per million tokens
    assert upstream.billed_nano_usd() == 6 * 1_000 + usage["output_tokens"] * 5_000
    assert answer.response_metadata["stop_reason"] == "end_turn"


async def test_streams_add_up_to_the_whole_answer(chat: Chat) -> None:
    model = chat()
    whole = await model.ainvoke("Hello")
    parts = [part async for part in model.astream("Hello")]
    await model._async_client.close()
    assert len(parts) > 2
    assert "".join(part.text for part in parts) == whole.text


def test_a_tool_loop_ends_with_the_tools_own_words(chat: Chat) -> None:
    model = chat().bind_tools([get_weather])
    turns: list[BaseMessage] = [HumanMessage('Use get_weather for "Oslo".')]
    first = model.invoke(turns)
    assert [(c["name"], c["args"]) for c in first.tool_calls] == [("get_weather", {"city": "Oslo"})]
    turns += [first, get_weather.invoke(first.tool_calls[0])]
    assert "sunny in Oslo, 21 degrees" in model.invoke(turns).text


def test_its_errors_are_the_vendors_and_come_at_once(
    chat: Chat, poor: str, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        chat(key="tk-wrong").invoke("Hello")
    with pytest.raises(anthropic.APIStatusError) as refused:
        chat(key=poor).invoke("Hello")
    assert refused.value.status_code == 402
    with pytest.raises(anthropic.NotFoundError):
        chat(model="gpt-5").invoke("Hello")
    assert [
        refusals(code) for code in ("invalid_api_key", "budget_exceeded", "model_not_found")
    ] == [1, 1, 1]
    assert upstream.log() == []
