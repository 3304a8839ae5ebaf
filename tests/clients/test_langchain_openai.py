from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.running import Gateway, Simulated

Chat = Callable[..., ChatOpenAI]
Method = Literal["json_schema", "function_calling"]


class Person(BaseModel):
    """Someone."""

    name: str
    age: int


@tool
def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sunny in {city}, 21 degrees"


@pytest.fixture
def chat(served: Gateway, secret: str) -> Iterator[Chat]:
    with httpx2.Client(timeout=60) as http:

        def made(model: str = "haiku", key: str = secret, **options: Any) -> ChatOpenAI:
            return ChatOpenAI(
                model=model,
                base_url=f"{served.url}/v1",
                api_key=SecretStr(key),
                max_completion_tokens=1_000,
                http_client=http,
                **options,
            )

        yield made


def test_invoke_answers_with_usage(chat: Chat, upstream: Simulated) -> None:
    answer = chat().invoke([SystemMessage("Be brief."), HumanMessage("Hello")])
    assert answer.text
    assert answer.response_metadata["model_name"] == "claude-haiku-4-5-20251001"
    assert answer.response_metadata["finish_reason"] == "stop"
    usage = answer.usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    # $1 and $5 per million tokens
    nano_usd = usage["input_tokens"] * 1_000 + usage["output_tokens"] * 5_000
    assert upstream.billed_nano_usd() == nano_usd
    sent = upstream.messages()[0]["body"]
    assert sent["max_tokens"] == 1_000
    assert [block["text"] for block in sent["system"]] == ["Be brief."]


async def test_streams_add_up_to_the_whole_answer(chat: Chat) -> None:
    async with httpx2.AsyncClient(timeout=60) as http:
        model = chat(stream_usage=True, http_async_client=http)
        whole = await model.ainvoke("Hello")
        parts = [part async for part in model.astream("Hello")]
    assert len(parts) > 2
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert total.text == whole.text
    assert total.usage_metadata == whole.usage_metadata
    assert whole.usage_metadata is not None


@pytest.mark.parametrize("responses", [False, True])
def test_a_tool_loop_ends_with_the_tools_own_words(
    chat: Chat,
    responses: bool,  # noqa: FBT001 (parametrized)
) -> None:
    model = chat(use_responses_api=responses).bind_tools([get_weather])
    turns: list[BaseMessage] = [HumanMessage('Use get_weather for "Oslo".')]
    first = model.invoke(turns)
    assert isinstance(first, AIMessage)
    assert [(c["name"], c["args"]) for c in first.tool_calls] == [("get_weather", {"city": "Oslo"})]
    turns += [first, get_weather.invoke(first.tool_calls[0])]
    last = model.invoke(turns)
    assert "sunny in Oslo, 21 degrees" in last.text
    assert last.tool_calls == []


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("model", ["haiku", "sonnet"])
def test_structured_output_has_the_asked_type(chat: Chat, model: str, method: Method) -> None:
    structured = chat(model).with_structured_output(Person, method=method)
    assert structured.invoke('This is "Ada", aged 36.') == Person(name="Ada", age=36)


def test_its_errors_are_the_vendors_and_come_at_once(
    chat: Chat, poor: str, upstream: Simulated, refusals: Callable[[str], int]
) -> None:
    with pytest.raises(openai.AuthenticationError):
        chat(key="tk-wrong").invoke("Hello")
    with pytest.raises(openai.APIStatusError) as refused:
        chat(key=poor).invoke("Hello")
    assert (refused.value.status_code, refused.value.code) == (402, "budget_exceeded")
    with pytest.raises(openai.NotFoundError):
        chat(model="gpt-5").invoke("Hello")
    assert [
        refusals(code) for code in ("invalid_api_key", "budget_exceeded", "model_not_found")
    ] == [1, 1, 1]
    assert upstream.log() == []
