"""Where breakpoints go, and where they don't."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from app.core.breakpoints import marks
from app.core.caching import CachePlan, CacheRules, plan
from app.core.fingerprints import fingerprint
from app.core.measure import measure
from app.core.models import Model
from app.core.remembered import SYSTEM, TOOLS, Recalled, Shared, Thread, Tried, Warm
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


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


TALK = (user(text("Hello")), assistant(text("Hi. " * 50)), user(text("And now? " * 20)))


def planned(
    request: Request,
    model: Model = SONNET,
    rules: CacheRules | None = None,
    known: Recalled | None = None,
) -> tuple[Request, CachePlan]:
    rules = rules or CacheRules()
    return plan(request, measure(request), model, model.schedule[0], rules, known)


def where(request: Request) -> list[tuple[int, int]]:
    """The marks along the prompt."""
    return marks(request)[::-1]


def lifetimes(request: Request) -> list[str]:
    blocks = [*request.tools, *request.system]
    for message in request.messages:
        blocks += message["content"] if isinstance(message["content"], list) else []
    found = [block["cache_control"] for block in blocks if "cache_control" in block]
    return [mark.get("ttl", "5m") for mark in found]


def test_a_history_is_marked_at_the_end_of_tools_system_and_the_last_turn() -> None:
    marked, made = planned(Request("m", TALK, (text(LONG),), (tool(LONG),)))
    assert (made.placed, made.lifetimes) == (("tools", "system", "messages"), ("5m",) * 3)
    assert (made.callers, made.ttl, made.why) == (0, "5m", "auto")
    assert marked.tools[-1]["cache_control"] == MARK
    assert marked.system[-1]["cache_control"] == MARK
    assert marked.messages[-1] == user(text("And now? " * 20, MARK))
    assert marked.messages[:-1] == TALK[:-1]


def test_only_the_last_block_of_each_place_is_marked() -> None:
    marked, _ = planned(
        Request(
            "m",
            (*TALK, assistant(text("a")), user(text(LONG), text("c"))),
            (text(LONG), text("tail")),
            (tool(LONG), tool()),
        )
    )
    assert where(marked) == [(TOOLS, 1), (SYSTEM, 1), (4, 1)]


def test_a_question_asked_once_is_not_marked() -> None:
    for request in (
        Request("m", (user(text(LONG)),)),
        Request("m", ({"role": "user", "content": LONG},), (text(SHORT),)),
        Request("m", (user(text(LONG)),), (), (tool(),), options={"tool_choice": {"type": "any"}}),
    ):
        marked, made = planned(request)
        assert marked is request
        assert (made.placed, made.ttl, made.why) == ((), None, "not_expected")


def test_of_a_first_question_with_long_instructions_those_alone_are_marked() -> None:
    """They were made to be used again; nothing says that the conversation goes on."""
    for request, places in (
        (Request("m", (user(text(LONG)),), (text(LONG),)), ("system",)),
        (
            Request(
                "m",
                (user(text(LONG)),),
                (),
                (tool(LONG),),
                options={"tool_choice": {"type": "tool", "name": "f"}},
            ),
            ("tools",),
        ),
    ):
        marked, made = planned(request)
        assert made.placed == places
        assert marked.messages == request.messages


def test_a_first_question_with_tools_to_choose_from_is_an_agents() -> None:
    marked, made = planned(Request("m", (user(text(LONG)),), (text(LONG),), (tool(LONG),)))
    assert made.placed == ("tools", "system", "messages")
    assert lifetimes(marked) == ["5m", "5m", "5m"]


def test_a_turn_of_a_few_words_is_written_with_the_next_one() -> None:
    _, made = planned(Request("m", (*TALK[:2], user(text("Yes."))), (text(LONG),)))
    assert made.placed == ("system", "messages")
    known = recalled(Request("m", TALK[:1], (text(LONG),)), end=(SYSTEM, 0), tokens=5_000)
    _, made = planned(Request("m", TALK[:1], (text(LONG),)), known=known)
    assert made.placed == ("system",)


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


def test_how_many_bytes_a_token_has_is_learned() -> None:
    request = Request("m", TALK, (text("x" * 3_800),))
    assert planned(request)[1].why == "auto"
    assert planned(request)[1].placed == ("messages",)  # the system prompt alone is too short
    dense = Shared(0.0, calls=3, opened=1, bytes_per_token=3.2)
    known = Recalled(10.0, fingerprint(request), shared={SONNET.id: dense})
    assert planned(request, known=known)[1].placed == ("system", "messages")
    wide = replace(dense, bytes_per_token=6.0)
    known = Recalled(10.0, fingerprint(request), shared={SONNET.id: wide})
    assert planned(request, known=known)[1].why == "below_minimum"


def test_a_short_prompt_is_handed_back_as_it_is() -> None:
    request = Request("m", (user(text(SHORT)),), (text(SHORT),), original=b"{}")
    marked, made = planned(request)
    assert marked is request
    assert made == CachePlan(why="below_minimum", prompt_bytes=4)


def test_a_changed_request_is_no_longer_the_callers_own_bytes() -> None:
    marked, _ = planned(Request("m", TALK, (text(LONG),), original=b"{}"))
    assert marked.original is None


@pytest.mark.parametrize("callers", [1, 2, 3, 4, 5])
def test_at_most_four_marks_with_the_callers_own(callers: int) -> None:
    request = Request(
        "m",
        (
            user(*(text(f"{n}", MARK) for n in range(callers))),
            assistant(text("a")),
            user(text(LONG)),
        ),
        (text(LONG),),
        (tool(LONG),),
    )
    marked, made = planned(request)
    assert measure(marked).marks == max(4, callers)
    kept = {1: ("tools", "system", "messages"), 2: ("system", "messages"), 3: ("messages",)}
    assert made.placed == kept.get(callers, ())


def test_the_callers_request_is_never_written_to() -> None:
    request = Request("m", TALK, (text(LONG),), (tool(LONG),))
    before = copy.deepcopy((request.messages, request.system, request.tools))
    planned(request)
    assert (request.messages, request.system, request.tools) == before


def test_planning_twice_changes_nothing_more() -> None:
    once, _ = planned(Request("m", TALK, (text(LONG),), (tool(LONG),)))
    twice, made = planned(once)
    assert twice is once
    assert (made.callers, made.why) == (3, "nothing_to_mark")


def test_places_that_end_in_a_callers_mark_are_left_alone() -> None:
    marked, made = planned(Request("m", TALK, (text(LONG, HOUR),)))
    assert marked.system[0]["cache_control"] == HOUR
    assert made.placed == ("messages",)
    assert made.ttl == "1h"


def test_no_mark_of_the_callers_is_null() -> None:
    unmarked = {**text(LONG), "cache_control": None}
    marked, made = planned(Request("m", TALK, (unmarked,)))
    assert (made.callers, made.placed) == (0, ("system", "messages"))
    assert marked.system[0]["cache_control"] == MARK


def test_lifetimes_only_get_shorter_along_the_prompt() -> None:
    """A 1h mark after a 5m one is an error of the vendor's."""
    late = (*TALK[:2], user(text(LONG, HOUR)))
    hour_late, _ = planned(Request("m", late, (text(LONG),), (tool(LONG),)))
    assert lifetimes(hour_late) == ["1h", "1h", "1h"]
    five_early, _ = planned(
        Request("m", TALK, (text(LONG),), (tool(LONG, MARK),)), rules=CacheRules(ttl="1h")
    )
    assert lifetimes(five_early) == ["5m", "5m", "5m"]


def test_a_lifetime_that_is_configured_is_the_only_one() -> None:
    talked = Request("m", TALK, (text(LONG),))
    slow = recalled(talked, now_s=4_000.0, end=(SYSTEM, 0), gaps_s=(600.0, 600.0, 600.0))
    assert lifetimes(planned(talked, rules=CacheRules(ttl="1h"), known=slow)[0]) == ["1h", "1h"]
    assert lifetimes(planned(talked, rules=CacheRules(ttl="5m"), known=slow)[0]) in (
        [],
        ["5m"],
        ["5m", "5m"],
    )


OFF = [
    (CacheRules(mode="off"), Request("m", TALK, (text(LONG),)), "off"),
    (CacheRules(), Request("m", TALK, (text(LONG),), cache=False), "off"),
    (
        CacheRules(),
        Request("m", TALK, (text(LONG),), options={"cache_control": MARK}),
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
    turn = user(text(LONG), thinking, text(""))
    marked, _ = planned(Request("m", (*TALK[:2], turn)))
    assert marked.messages[-1]["content"] == [text(LONG, MARK), thinking, text("")]


def test_a_turn_of_thinking_alone_is_not_marked() -> None:
    turn = {"role": "assistant", "content": [{"type": "thinking", "thinking": LONG}]}
    request = Request("m", (*TALK[:1], turn, turn))
    marked, made = planned(request)
    assert marked is request
    assert made.why == "nothing_to_mark"


def test_a_deferred_tool_is_not_marked() -> None:
    deferred = {**tool(), "defer_loading": True}
    marked, _ = planned(Request("m", (), (), (tool(LONG), deferred)))
    assert "cache_control" in marked.tools[0]
    assert marked.tools[1] == deferred


def test_marks_inside_tool_results_count() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("x", HOUR)]}
    _, made = planned(Request("m", (user(result),), (text(LONG),)))
    assert made.callers == 1
    assert made.ttl == "1h"


def recalled(  # what one call before taught
    then: Request,
    *,
    end: tuple[int, int],
    tokens: int = 6_000,
    now_s: float = 60.0,
    at_s: float = 0.0,
    gaps_s: tuple[float, ...] = (),
    calls: int = 1,
    unread: int = 0,
    now: Request | None = None,
    shared: Shared | None = None,
) -> Recalled:
    warm = Warm(tokens, 0, 300, at_s, fingerprint(then), end, "anthropic")
    thread = Thread(SONNET.id, at_s, {SONNET.id: warm}, calls, gaps_s, None, unread)
    known = {} if shared is None else {SONNET.id: shared}
    return Recalled(now_s, fingerprint(now or then), None, thread, known)


def turn_of(calls: int) -> tuple[dict[str, Any], dict[str, Any]]:
    uses = [{"type": "tool_use", "id": f"t{n}", "name": "f", "input": {}} for n in range(calls)]
    results = [
        {"type": "tool_result", "tool_use_id": f"t{n}", "content": "r" * 80} for n in range(calls)
    ]
    return assistant(text("I will look."), *uses), user(*results)


@pytest.mark.parametrize(("calls", "bridged"), [(8, False), (9, False), (10, True), (20, True)])
def test_a_turn_of_more_blocks_than_the_vendor_looks_back_gets_a_mark_before_it(
    calls: int, *, bridged: bool
) -> None:
    # 1 + calls + calls blocks are added: from 20 on the mark before is out of sight.
    before = Request("m", (user(text("Fix it. " * 30)),), (text(LONG),), (tool(LONG),))
    after = replace(before, messages=(*before.messages, *turn_of(calls)))
    tail = (2, calls - 1)
    expected = [(0, 0), tail] if bridged else [tail]
    for known in (None, recalled(before, end=(0, 0), tokens=10_060, now=after)):
        marked, made = planned(after, known=known)
        assert where(marked) == [(TOOLS, 0), (SYSTEM, 0), *expected]
        assert made.placed[2:] == ("messages",) * len(expected)


def test_a_bridge_comes_before_all_else_where_the_caller_left_one_slot() -> None:
    before = Request("m", (user(text("Fix it. " * 30, MARK)),), (text(LONG, MARK),), (tool(),))
    mine = user(text("Fix it. " * 30))
    use, results = turn_of(12)
    last = {**results["content"][-1], "cache_control": MARK}
    after = replace(before, messages=(mine, use, user(*results["content"][:-1], last)))
    marked, made = planned(after, known=recalled(before, end=(0, 0), now=after))
    assert where(marked) == [(SYSTEM, 0), (0, 0), (2, 11)]
    assert made.placed == ("messages",)


def test_what_changes_in_each_turn_is_left_out() -> None:
    """Documents found for the last question, which the history then has without them."""
    asked = [user(text(f"Question {n}? " * 20)) for n in range(3)]
    answered = [assistant(text(f"Answer {n}. " * 20)) for n in range(3)]
    found = [user(text(LONG), *turn["content"]) for turn in asked]
    before = Request("m", (asked[0], answered[0], found[1]), (text(LONG),))
    now = replace(before, messages=(asked[0], answered[0], asked[1], answered[1], found[2]))
    known = recalled(before, end=(2, 1), tokens=10_000, now=now)
    marked, made = planned(now, known=known)
    assert where(marked) == [(SYSTEM, 0), (3, 0)]
    assert made.placed == ("system", "messages")


def test_turns_ten_minutes_apart_are_kept_for_an_hour() -> None:
    request = Request("m", TALK, (text(LONG),))
    before = replace(request, messages=TALK[:1])
    known = recalled(before, end=(0, 0), now_s=600.0, now=request)
    marked, made = planned(request, known=known)
    assert lifetimes(marked) == ["1h", "1h"]
    assert (made.ttl, made.lifetimes) == ("1h", ("1h", "1h"))


def test_quick_turns_are_kept_for_five_minutes() -> None:
    request = Request("m", (*TALK[:2], user(text(LONG))), (text("word " * 1_000),))
    before = replace(request, messages=TALK[:1])
    known = recalled(before, end=(0, 0), tokens=1_250, now=request, gaps_s=(60.0,) * 5)
    assert lifetimes(planned(request, known=known)[0]) == ["5m", "5m"]


def test_turns_hours_apart_are_not_kept() -> None:
    request = Request("m", TALK, (text(LONG),))
    before = replace(request, messages=TALK[:1])
    gaps_s = (9_000.0,) * 5
    shared = Shared(0.0, calls=6, opened=1, gaps_s=gaps_s, turn_gaps_s=gaps_s)
    known = recalled(before, end=(0, 0), now_s=9_000.0, now=request, shared=shared, gaps_s=gaps_s)
    marked, made = planned(request, known=known)
    assert marked is request
    assert made.why == "not_expected"


def test_what_was_written_twice_and_never_read_is_dropped_and_tried_again_much_later() -> None:
    request = Request("m", TALK, (text(LONG),))
    for calls, why in ((2, "given_up"), (15, "given_up"), (16, "auto"), (17, "given_up")):
        known = recalled(request, end=(2, 0), unread=2, calls=calls)
        assert planned(request, known=known)[1].why == why
    shared = Shared(50.0, calls=2, opened=2, unread=2)
    fresh = Recalled(60.0, fingerprint(request), shared={SONNET.id: shared})
    assert planned(request, known=fresh)[1].why == "given_up"


def test_a_thread_that_reads_goes_on_whatever_others_do() -> None:
    request = Request("m", TALK, (text(LONG),))
    shared = Shared(50.0, calls=9, opened=2, writes=9, saved_nano_usd=-1, unread=3)
    known = recalled(request, end=(2, 0), shared=shared)
    assert planned(request, known=known)[1].why == "given_up"
    assert known.thread is not None
    known = replace(known, thread=replace(known.thread, tried=Tried((), 0, 0, 6_000)))
    assert planned(request, known=known)[1].why == "auto"


def test_a_prompt_that_loses_money_by_it_is_left_alone() -> None:
    request = Request("m", TALK, (text(LONG),))
    shared = Shared(50.0, calls=8, opened=2, writes=6, saved_nano_usd=-1)
    known = Recalled(60.0, fingerprint(request), shared={SONNET.id: shared})
    assert planned(request, known=known)[1].why == "given_up"
    for kept in (replace(shared, saved_nano_usd=1), replace(shared, writes=5)):
        known = replace(known, shared={SONNET.id: kept})
        assert planned(request, known=known)[1].why == "auto"


def test_another_model_has_learned_nothing() -> None:
    request = Request("m", TALK, (text(LONG),))
    known = recalled(
        request, end=(2, 0), unread=0, shared=Shared(50.0, 9, writes=9, saved_nano_usd=-9)
    )
    assert planned(request, known=known)[1].why == "given_up"
    assert planned(request, HAIKU, known=known)[1].why == "auto"


def test_instructions_that_many_share_are_read_though_a_conversation_only_begins() -> None:
    request = Request("m", (user(text(LONG)),), (text(LONG),))
    tried = Tried(("system",), 0, 0, 5_000)
    shared = Shared(50.0, calls=30, opened=30, reads=29, gaps_s=(9.0,) * 5, tried=tried)
    known = Recalled(60.0, fingerprint(request), shared={SONNET.id: shared})
    marked, made = planned(request, known=known)
    assert where(marked) == [(SYSTEM, 0)]
    assert made.expected_reads == (19.0, 0.01)
