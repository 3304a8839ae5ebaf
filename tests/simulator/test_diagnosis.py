"""How the simulator says why its cache missed: as the vendor's schema has it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import HAIKU, SONNET, WEATHER, Simulated, question, text_block

LONG = "s" * 8_000
FIRST = question("Hello", SONNET, system=[text_block(LONG, "5m")], tools=[WEATHER])
LATER = [*FIRST["messages"], {"role": "assistant", "content": "Hi."},
         {"role": "user", "content": "More"}]  # fmt: skip


def told(sim: Simulated, body: dict[str, Any], before: str | None, **more: Any) -> Any:
    asked = {**body, "messages": LATER, "diagnostics": {"previous_message_id": before}}
    return sim.ask(asked | more)["diagnostics"]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"model": HAIKU}, "model_changed"),
        ({"system": [text_block(f"12:01 {LONG}", "5m")]}, "system_changed"),
        ({"tools": []}, "tools_changed"),
        ({"messages": LATER[1:]}, "messages_changed"),
        ({"tool_choice": {"type": "none"}}, "unavailable"),
    ],
)
def test_the_first_part_that_differs_is_named(
    sim: Simulated, changed: dict[str, Any], kind: str
) -> None:
    before = sim.ask(FIRST)
    usage = before["usage"]
    tokens = usage["input_tokens"] + usage["cache_creation_input_tokens"]
    if kind == "messages_changed":
        changed = {"messages": [{"role": "user", "content": "Ho"}, *LATER[1:]]}
    reason = told(sim, FIRST, before["id"], **changed)["cache_miss_reason"]
    counted = {} if kind == "unavailable" else {"cache_missed_input_tokens": tokens}
    assert reason == {"type": kind, **counted}


def test_nothing_is_told_where_nothing_differs_or_nothing_is_asked(sim: Simulated) -> None:
    before = sim.ask(FIRST)
    assert "diagnostics" not in before
    unmarked = {"system": [text_block(LONG)]}
    assert told(sim, FIRST, before["id"]) is None
    assert told(sim, FIRST, before["id"], **unmarked) is None
    assert told(sim, FIRST, None) is None


def test_an_answer_that_is_not_known_and_one_of_another_account_are_not_found(
    sim: Simulated,
) -> None:
    missing = {"cache_miss_reason": {"type": "previous_message_not_found"}}
    assert told(sim, FIRST, "msg_nobody") == missing
    before = sim.ask(FIRST, key="key-1")["id"]
    asked = {**FIRST, "diagnostics": {"previous_message_id": before}}
    assert sim.ask(asked, key="key-2")["diagnostics"] == missing
    assert sim.ask(asked, key="key-1")["diagnostics"] is None


def test_a_stream_tells_it_with_its_beginning(sim: Simulated) -> None:
    before = sim.ask(FIRST)["id"]
    asked = {**FIRST, "tools": [], "diagnostics": {"previous_message_id": before}}
    opening = next(data for name, data in sim.stream(asked) if name == "message_start")
    reason = opening["message"]["diagnostics"]["cache_miss_reason"]
    assert reason["type"] == "tools_changed"


@pytest.mark.parametrize("given", [7, {"previous_message_id": 7}, {"previous": "msg_1"}])
def test_a_question_that_is_none_is_refused(sim: Simulated, given: object) -> None:
    assert sim.send({**FIRST, "diagnostics": given}).status_code == 400
