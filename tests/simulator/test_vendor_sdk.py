"""The vendor's own client is the judge of the shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.simulator.client import HAIKU, WEATHER, Simulated


@pytest.fixture
def client(sim: Simulated) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="sdk-key", base_url=sim.url, max_retries=0) as found:
        yield found


def test_a_tool_loop_ends_with_the_tools_own_words(client: anthropic.Anthropic) -> None:
    messages: list[Any] = [{"role": "user", "content": 'Use get_weather for "Oslo", 2 days.'}]
    tools: list[Any] = [WEATHER]
    first = client.messages.create(model=HAIKU, max_tokens=300, messages=messages, tools=tools)
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert call.input == {"city": "Oslo", "days": 2}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny, 21 degrees"}
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    last = client.messages.create(model=HAIKU, max_tokens=300, messages=messages, tools=tools)
    assert last.stop_reason == "end_turn"
    text = next(block for block in last.content if block.type == "text")
    assert "sunny, 21 degrees" in text.text


def test_its_stream_ends_with_the_whole_message(client: anthropic.Anthropic) -> None:
    asked: dict[str, Any] = {
        "model": HAIKU,
        "max_tokens": 3000,
        "messages": [{"role": "user", "content": "Why is the sea salty?"}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert [block.to_dict() for block in final.content] == [
        block.to_dict() for block in whole.content
    ]
    assert final.usage == whole.usage
    assert text == next(block.text for block in final.content if block.type == "text")


def test_it_counts_what_it_is_billed_for(client: anthropic.Anthropic) -> None:
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    counted = client.messages.count_tokens(model=HAIKU, messages=messages)
    answer = client.messages.create(model=HAIKU, max_tokens=50, messages=messages)
    assert counted.input_tokens == answer.usage.input_tokens == 6


def test_it_lists_the_models(client: anthropic.Anthropic) -> None:
    names = {model.id for model in client.models.list(limit=5)}
    assert len(names) == 18
    assert client.models.retrieve("claude-sonnet-5-5").max_tokens == 128_000


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ({"kind": "status", "status": 429}, anthropic.RateLimitError),
        ({"kind": "overloaded"}, anthropic.InternalServerError),
        ({"kind": "error500"}, anthropic.InternalServerError),
        ({"kind": "status", "status": 403}, anthropic.PermissionDeniedError),
        ({"kind": "reset"}, anthropic.APIConnectionError),
        ({"kind": "drop_after_generation"}, anthropic.APIConnectionError),
    ],
)
def test_it_raises_what_it_raises_for_the_vendor(
    sim: Simulated,
    client: anthropic.Anthropic,
    fault: dict[str, Any],
    raised: type[Exception],
) -> None:
    sim.faults(fault)
    with pytest.raises(raised):
        client.messages.create(
            model=HAIKU, max_tokens=50, messages=[{"role": "user", "content": "Hello"}]
        )


def test_it_retries_an_overloaded_vendor_and_succeeds(
    sim: Simulated, client: anthropic.Anthropic
) -> None:
    sim.faults({"kind": "overloaded", "retry_after": "0"}, {"kind": "reset"})
    patient = client.with_options(max_retries=2)
    answer = patient.messages.create(
        model=HAIKU, max_tokens=50, messages=[{"role": "user", "content": "Hello"}]
    )
    assert answer.type == "message"
    assert [entry["status"] for entry in sim.log()] == [529, None, 200]
