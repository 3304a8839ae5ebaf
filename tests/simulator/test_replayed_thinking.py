"""A thought goes back as it came, in the conversation that it was thought in, or it is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.simulator.client import WEATHER, Json, Simulated, question, text_block


def conversation(sim: Simulated) -> Json:
    """Two turns, with the thought of the first one replayed."""
    body = question(
        "Use get_weather.",
        "claude-opus-5-5",
        tools=[WEATHER],
        system="Be brief.",
        output_config={"effort": "low"},
    )
    first = sim.ask(body)
    result = {"type": "tool_result", "tool_use_id": first["content"][-1]["id"], "content": "12"}
    body["messages"] += [
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [result]},
    ]
    return body


def change_system(body: Json) -> None:
    body["system"] = "Be long."


def change_tools(body: Json) -> None:
    body["tools"] = [WEATHER | {"description": "Another."}]


def change_question(body: Json) -> None:
    body["messages"][0]["content"] = "Use get_weather!"


def change_signature(body: Json) -> None:
    body["messages"][1]["content"][0]["signature"] += "0"


@pytest.mark.parametrize("change", [change_system, change_tools, change_question, change_signature])
def test_a_change_before_a_replayed_thought_is_refused(
    sim: Simulated, change: Callable[[Json], None]
) -> None:
    body = conversation(sim)
    change(body)
    answer = sim.send(body)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message.startswith("messages.1.content.0: Invalid `signature` in `thinking` block")


def add_marks(body: Json) -> None:
    body["system"] = [text_block("Be brief.", "5m")]
    body["messages"][0]["content"] = [text_block("Use get_weather.", "5m")]


def change_result(body: Json) -> None:
    body["messages"][2]["content"][0]["content"] = "13"


def drop_thought(body: Json) -> None:
    del body["messages"][1]["content"][0]


def foreign_signature(body: Json) -> None:
    body["messages"][1]["content"][0]["signature"] = "EqQBCkYI"


@pytest.mark.parametrize("change", [add_marks, change_result, drop_thought, foreign_signature])
def test_breakpoints_and_what_comes_later_may_change(
    sim: Simulated, change: Callable[[Json], None]
) -> None:
    body = conversation(sim)
    unchanged = copy.deepcopy(body)
    change(body)
    assert sim.send(body).status_code == 200
    assert sim.send(unchanged).status_code == 200


def test_the_thought_of_a_second_turn_can_be_replayed_too(sim: Simulated) -> None:
    body = conversation(sim)
    second = sim.ask(body)
    assert second["content"][0]["type"] == "thinking"
    body["messages"] += [
        {"role": "assistant", "content": second["content"]},
        {"role": "user", "content": "Thanks. And tomorrow?"},
    ]
    assert sim.send(body).status_code == 200
