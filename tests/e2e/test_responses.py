"""The Responses API through OpenAI's own client, against real processes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseReasoningItem
from pydantic import BaseModel

from tests.running import Gateway, Simulated

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "Weather by city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
SEARCH: Any = {"type": "web_search"}
THINKING = {"type": "thinking", "thinking": "Which city?", "signature": "c2lnbmF0dXJl"}
ASK_WEATHER = {
    "content": [
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
}
RAIN = {"content": [{"type": "text", "text": "It rains."}]}


class City(BaseModel):
    name: str
    inhabitants: int
    rivers: list[str]


def client_of(served: Gateway, **fields: Any) -> openai.OpenAI:
    secret = served.key(**fields)
    return openai.OpenAI(api_key=secret, base_url=f"{served.url}/v1", max_retries=0)


@pytest.fixture
def client(served: Gateway) -> Iterator[openai.OpenAI]:
    with client_of(served, max_budget_usd="1.00") as made:
        yield made


def test_an_answer_carries_its_whole_account(
    served: Gateway, upstream: Simulated, client: openai.OpenAI
) -> None:
    raw = client.responses.with_raw_response.create(
        model="haiku", instructions="Be brief.", input="Hello", max_output_tokens=200
    )
    answer = raw.parse()
    assert answer.status == "completed"
    assert answer.output_text
    assert answer.instructions == "Be brief."
    assert raw.headers["x-tollkeeper-model"] == answer.model == "claude-haiku-4-5-20251001"
    assert answer.usage is not None
    # $1 and $5 per million tokens
    billed = upstream.billed_nano_usd()
    assert billed == answer.usage.input_tokens * 1_000 + answer.usage.output_tokens * 5_000
    cost = Decimal(raw.headers["x-tollkeeper-cost-usd"])
    assert cost * 10**9 == billed
    told = answer.usage.to_dict()
    assert Decimal(str(told["cost"])) == cost
    row = served.row(raw.headers["x-request-id"])
    assert (row["dialect"], row["state"]) == ("openai_responses", "settled")
    assert Decimal(row["cost_usd"]) == cost


def test_a_stream_tells_the_same_as_a_whole_answer(
    upstream: Simulated, client: openai.OpenAI
) -> None:
    asked: dict[str, Any] = {"model": "haiku", "input": "Hello", "max_output_tokens": 200}
    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        events = list(stream)
        last = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == whole.output_text == last.output_text
    assert events[-1].type == "response.completed"
    assert last.usage == whole.usage
    assert upstream.billed_nano_usd() == 2 * round(whole.usage.to_dict()["cost"] * 10**9)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_round_of_tools(upstream: Simulated, client: openai.OpenAI, *, streamed: bool) -> None:
    upstream.replies(ASK_WEATHER, RAIN)
    turns: list[Any] = [{"role": "user", "content": "Weather in Oslo?"}]
    first = answered(client, turns, streamed=streamed)
    text, call = first.output
    assert text.type == "message"
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, call.arguments, call.call_id) == ("weather", '{"city":"Oslo"}', "toolu_1")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = answered(client, [*turns, *first.output, result], streamed=streamed)
    assert second.output_text == "It rains."
    sent = upstream.messages()[1]["body"]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == ASK_WEATHER["content"]
    assert sent[2]["content"][0]["tool_use_id"] == "toolu_1"


def answered(client: openai.OpenAI, turns: list[Any], *, streamed: bool) -> Response:
    asked: dict[str, Any] = {"model": "sonnet", "input": turns, "tools": [WEATHER]}
    asked["include"] = ["reasoning.encrypted_content"]
    if not streamed:
        whole: Response = client.responses.create(**asked, store=False)
        return whole
    with client.responses.stream(**asked, store=False) as stream:
        return stream.get_final_response()


@pytest.mark.parametrize("streamed", [False, True])
def test_thinking_comes_back_to_the_vendor_unchanged(
    upstream: Simulated, client: openai.OpenAI, *, streamed: bool
) -> None:
    asked = {**ASK_WEATHER, "content": [THINKING, *ASK_WEATHER["content"]]}
    upstream.replies(asked, RAIN)
    turns: list[Any] = [{"role": "user", "content": "Weather in Oslo?"}]
    first = answered(client, turns, streamed=streamed)
    assert isinstance(first.output[0], ResponseReasoningItem)
    result = {"type": "function_call_output", "call_id": "toolu_1", "output": "rain"}
    answered(client, [*turns, *first.output, result], streamed=streamed)
    sent = upstream.messages()[1]["body"]["messages"]
    assert sent[1]["content"] == asked["content"]


def test_a_schema_is_kept_and_parsed(upstream: Simulated, client: openai.OpenAI) -> None:
    answer = client.responses.parse(model="sonnet", input="Tell me of Oslo", text_format=City)
    assert isinstance(answer.output_parsed, City)
    sent = upstream.messages()[0]["body"]["output_config"]["format"]
    assert sent["type"] == "json_schema"
    assert set(sent["schema"]["properties"]) == {"name", "inhabitants", "rivers"}
    with client.responses.stream(model="sonnet", input="And Rome", text_format=City) as stream:
        assert isinstance(stream.get_final_response().output_parsed, City)


def test_a_cut_answer_says_so(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "haiku", "input": "Hello", "max_output_tokens": 5}
    whole = client.responses.create(**asked)
    last = list(client.responses.create(**asked, stream=True))[-1]
    assert last.type == "response.incomplete"
    for answer in (whole, last.response):
        assert answer.status == "incomplete"
        assert answer.incomplete_details is not None
        assert answer.incomplete_details.reason == "max_output_tokens"
        assert answer.usage is not None
        assert answer.usage.output_tokens == 5


def test_hosted_tools_are_left_out_and_reported(upstream: Simulated, client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(
        model="haiku", input="Hello", tools=[SEARCH, WEATHER], max_tool_calls=3
    )
    assert raw.headers["x-tollkeeper-dropped-params"] == "max_tool_calls,tools.web_search"
    assert [tool["name"] for tool in upstream.messages()[0]["body"]["tools"]] == ["weather"]
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(
            model="haiku", input="Hello", tools=[SEARCH], tool_choice={"type": "web_search_preview"}
        )
    assert (refused.value.code, refused.value.param) == (
        "unsupported_parameter",
        "tools.web_search_preview",
    )
    assert len(upstream.log()) == 1


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"background": True}, "background"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
def test_nothing_that_would_have_to_be_stored_is_taken(
    upstream: Simulated, client: openai.OpenAI, fields: dict[str, Any], param: str
) -> None:
    for stream in (False, True):
        asked: dict[str, Any] = {"model": "haiku", "input": "Hello", "stream": stream, **fields}
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(**asked)
        assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)
    assert upstream.log() == []


def test_a_call_that_does_not_fit_never_arrives(served: Gateway, upstream: Simulated) -> None:
    with client_of(served, max_budget_usd="0.01") as client:
        with pytest.raises(openai.APIStatusError) as refused:
            client.responses.create(model="sonnet", input="Hello", max_output_tokens=1_000)
        assert (refused.value.status_code, refused.value.code) == (402, "budget_exceeded")
        assert upstream.log() == []
        # 5 bytes + 2 x 16 tokens at $3, 659 at $15 per million
        client.responses.create(model="sonnet", input="Hello", max_output_tokens=659)
    assert len(upstream.messages()) == 1


@pytest.mark.parametrize("kind", ["reset_mid_stream", "sse_error"])
def test_a_stream_that_breaks_ends_as_a_failed_response(
    served: Gateway, upstream: Simulated, client: openai.OpenAI, kind: str
) -> None:
    upstream.faults({"kind": kind, "after_deltas": 3})
    raw = client.responses.with_raw_response.create(model="haiku", input="Hello", stream=True)
    events = list(raw.parse())
    error, failed = events[-2:]
    assert error.type == "error"
    assert error.message
    assert failed.type == "response.failed"
    assert failed.response.status == "failed"
    assert failed.response.error is not None
    assert failed.response.error.code == "server_error"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    row = served.row(raw.headers["x-request-id"])
    assert (row["state"], row["cost_source"]) == ("settled", "estimated")
    assert Decimal(row["cost_usd"]) * 10**9 >= upstream.billed_nano_usd() > 0
