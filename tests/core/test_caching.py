from __future__ import annotations

import copy
from typing import Any

import pytest

from app.core.caching import CachePlan, CacheRules, marked_1h, plan
from app.core.measure import measure
from app.core.models import Model
from app.core.request import Request
from tests.core.catalogs import HAIKU, SONNET

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
LONG = "word " * 4_000  # 20,000 bytes: above the minimum of either model
SHORT = "hi"


def text(words: str, mark: dict[str, str] | None = None) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": words}
    return block if mark is None else {**block, "cache_control": mark}


def tool(description: str = "", mark: dict[str, str] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": "f",
        "description": description,
        "input_schema": {"type": "object"},
    }
    return made if mark is None else {**made, "cache_control": mark}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def planned(
    request: Request, model: Model = SONNET, rules: CacheRules | None = None
) -> tuple[Request, CachePlan]:
    return plan(request, measure(request), model, rules or CacheRules())


def test_tools_system_and_the_last_turn_are_marked() -> None:
    marked, made = planned(
        Request("m", ({"role": "user", "content": "hi"},), (text(LONG),), (tool(LONG),))
    )
    assert made == CachePlan(("tools", "system", "messages"), 0, "5m", "auto")
    assert marked.tools[-1]["cache_control"] == MARK
    assert marked.system[-1]["cache_control"] == MARK
    assert marked.messages[-1] == {"role": "user", "content": [text("hi", MARK)]}


def test_only_the_last_block_of_each_place_is_marked() -> None:
    marked, _ = planned(
        Request(
            "m",
            (user(text("a")), user(text("b"), text("c"))),
            (text(LONG), text("tail")),
            (tool(LONG), tool()),
        )
    )
    assert ["cache_control" in t for t in marked.tools] == [False, True]
    assert ["cache_control" in s for s in marked.system] == [False, True]
    assert marked.messages[0] == user(text("a"))
    assert marked.messages[1] == user(text("b"), text("c", MARK))


MINIMA = [
    # bytes of system, model, marked?  A mark is placed from four bytes per token on.
    (4_095, SONNET, False),
    (4_096, SONNET, True),
    (16_383, HAIKU, False),
    (16_384, HAIKU, True),
]


@pytest.mark.parametrize(("size", "model", "expected"), MINIMA)
def test_nothing_is_marked_below_the_models_minimum(
    size: int, model: Model, *, expected: bool
) -> None:
    marked, made = planned(Request("m", (), (text("x" * size),)), model)
    assert ("system" in made.placed) is expected
    assert ("cache_control" in marked.system[0]) is expected


def test_a_short_prompt_is_handed_back_as_it_is() -> None:
    request = Request("m", (user(text(SHORT)),), (text(SHORT),), original=b"{}")
    marked, made = planned(request)
    assert marked is request
    assert made == CachePlan(why="below_minimum")


def test_a_changed_request_is_no_longer_the_callers_own_bytes() -> None:
    marked, _ = planned(Request("m", (user(text(LONG)),), original=b"{}"))
    assert marked.original is None


@pytest.mark.parametrize("callers", [1, 2, 3, 4, 5])
def test_at_most_four_marks_with_the_callers_own(callers: int) -> None:
    request = Request(
        "m",
        (user(*(text(f"{n}", MARK) for n in range(callers))), user(text("end"))),
        (text(LONG),),
        (tool(LONG),),
    )
    marked, made = planned(request)
    assert measure(marked).marks == max(4, callers)
    assert made.placed == (("tools", "system", "messages")[callers - 1 :] if callers < 4 else ())


def test_the_callers_request_is_never_written_to() -> None:
    request = Request("m", (user(text(LONG)),), (text(LONG),), (tool(LONG),))
    before = copy.deepcopy((request.messages, request.system, request.tools))
    planned(request)
    assert (request.messages, request.system, request.tools) == before


def test_planning_twice_changes_nothing_more() -> None:
    once, _ = planned(Request("m", (user(text(LONG)),), (text(LONG),), (tool(LONG),)))
    twice, made = planned(once)
    assert twice is once
    assert made.callers == 3


def test_places_that_end_in_a_callers_mark_are_left_alone() -> None:
    marked, made = planned(Request("m", (user(text("hi")),), (text(LONG, HOUR),)))
    assert marked.system[0]["cache_control"] == HOUR
    assert made.placed == ("messages",)


def test_lifetimes_only_get_shorter_along_the_prompt() -> None:
    """A 1h mark after a 5m one is an error of the vendor's."""
    hour_late, _ = planned(Request("m", (user(text("x", HOUR)),), (text(LONG),), (tool(LONG),)))
    assert hour_late.tools[0]["cache_control"] == HOUR
    assert hour_late.system[0]["cache_control"] == HOUR
    five_early, _ = planned(
        Request("m", (user(text("x")),), (text(LONG),), (tool(LONG, MARK),)),
        rules=CacheRules(ttl="1h"),
    )
    assert five_early.system[0]["cache_control"] == MARK
    assert five_early.messages[0]["content"][0]["cache_control"] == MARK


def test_a_configured_hour_is_used_where_the_caller_has_no_marks() -> None:
    marked, made = planned(Request("m", (), (text(LONG),)), rules=CacheRules(ttl="1h"))
    assert marked.system[0]["cache_control"] == HOUR
    assert made.ttl == "1h"


def test_the_plan_tells_the_longest_lifetime() -> None:
    _, made = planned(Request("m", (user(text("x", MARK)),), (text(LONG, HOUR),)))
    assert made.ttl == "1h"


OFF = [
    (CacheRules(mode="off"), Request("m", (user(text(LONG)),)), "off"),
    (CacheRules(), Request("m", (user(text(LONG)),), cache=False), "off"),
    (
        CacheRules(),
        Request("m", (user(text(LONG)),), options={"cache_control": MARK}),
        "automatic",
    ),
]


@pytest.mark.parametrize(("rules", "request_", "why"), OFF)
def test_switched_off_means_untouched(rules: CacheRules, request_: Request, why: str) -> None:
    marked, made = planned(request_, rules=rules)
    assert marked is request_
    assert made.placed == ()
    assert made.why == why


def test_blocks_that_cannot_carry_a_mark_are_walked_past() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    turn = {"role": "assistant", "content": [text(LONG), thinking, text("")]}
    marked, _ = planned(Request("m", (turn,)))
    assert marked.messages[0]["content"] == [text(LONG, MARK), thinking, text("")]


def test_a_turn_of_thinking_alone_is_not_marked() -> None:
    turn = {"role": "assistant", "content": [{"type": "thinking", "thinking": LONG}]}
    marked, made = planned(Request("m", (turn,)))
    assert marked.messages == (turn,)
    assert made.why == "nothing_to_mark"


def test_a_deferred_tool_is_not_marked() -> None:
    deferred = {**tool(), "defer_loading": True}
    marked, _ = planned(Request("m", (), (), (tool(LONG), deferred)))
    assert "cache_control" in marked.tools[0]
    assert marked.tools[1] == deferred


HOURLY = {"type": "text", "text": "a", "cache_control": HOUR}
RESULT = {"type": "search_result", "source": "s", "title": "t", "content": [HOURLY]}
FETCHED = {"type": "document", "source": {"type": "text", "data": "a"}, "cache_control": HOUR}
DEFINED = {"name": "f", "input_schema": {}, "cache_control": HOUR}
ODD_PLACES: dict[str, list[Any]] = {
    "a search result": [RESULT],
    "a search result as a tool's": [{"type": "tool_result", "content": [RESULT]}],
    "a document's content": [
        {"type": "document", "source": {"type": "content", "content": [HOURLY]}}
    ],
    "what was fetched": [
        {
            "type": "web_fetch_tool_result",
            "content": {"type": "web_fetch_result", "content": FETCHED},
        }
    ],
    "a tool that a message brings along": [
        {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": DEFINED}}
    ],
}


@pytest.mark.parametrize("place", ODD_PLACES)
def test_a_mark_of_an_hour_is_found_wherever_it_stands(place: str) -> None:
    turn = {"role": "user", "content": ODD_PLACES[place]}
    request = Request("m", (turn, {"role": "user", "content": [text(LONG)]}))
    assert marked_1h(request)
    marked, made = planned(request)
    assert (made.callers, made.ttl) == (1, "1h")
    assert marked_1h(marked)


def test_an_advisor_may_write_for_an_hour_too() -> None:
    tool = {"type": "advisor_20260301", "name": "advisor", "model": "m"}
    for caching, expected in ((HOUR, True), ({"type": "ephemeral"}, False), (None, False)):
        assert marked_1h(Request("m", (), tools=({**tool, "caching": caching},))) is expected


def test_what_a_tool_is_called_with_is_no_mark() -> None:
    called = {"type": "tool_use", "id": "x", "name": "f", "input": {"cache_control": HOUR}}
    schema = {"type": "object", "properties": {"cache_control": HOUR}}
    tools = ({"name": "f", "input_schema": schema},)
    assert not marked_1h(Request("m", ({"role": "assistant", "content": [called]},), tools=tools))


def test_marks_inside_tool_results_count() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("x", HOUR)]}
    _, made = planned(Request("m", (user(result),), (text(LONG),)))
    assert made.callers == 1
    assert made.ttl == "1h"
