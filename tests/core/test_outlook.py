"""What is guessed at first, and what the calls before make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.beginnings import NEW
from app.core.fingerprints import fingerprint
from app.core.outlook import BYTES_PER_TOKEN, Chance, outlook_of
from app.core.remembered import Recalled, Shared, Thread, Tried, Warm
from app.core.request import Request

MODEL = "m"
ASK = {"role": "user", "content": "Hello"}
HISTORY = (ASK, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "And?"})
TOOLS = ({"name": "f"},)
SHAPES: list[tuple[dict[str, Any], Chance]] = [
    # a request, and its turns' chances: a question, an agent, a talk
    ({"messages": (ASK,)}, Chance(0.1, 0.85, 0.97)),
    ({"messages": (ASK,), "tools": TOOLS}, Chance(0.7, 0.95, 0.99)),
    (
        {"messages": (ASK,), "tools": TOOLS, "options": {"tool_choice": {"type": "any"}}},
        Chance(0.1, 0.85, 0.97),
    ),
    (
        {"messages": (ASK,), "tools": TOOLS, "options": {"tool_choice": {"type": "auto"}}},
        Chance(0.7, 0.95, 0.99),
    ),
    ({"messages": HISTORY}, Chance(0.8, 0.85, 0.97)),
    ({"messages": HISTORY, "tools": TOOLS}, Chance(0.8, 0.95, 0.99)),
    # an answer that the caller began is no history
    ({"messages": HISTORY[:2]}, Chance(0.1, 0.85, 0.97)),
]


@pytest.mark.parametrize(("fields", "turns"), SHAPES)
def test_the_shape_of_a_request_is_the_first_guess(fields: dict[str, Any], turns: Chance) -> None:
    outlook = outlook_of(Request(MODEL, **fields), None, MODEL)
    assert outlook.turns == turns
    assert outlook.beginning == Chance(0.5, 0.85, 0.97)
    assert outlook.bytes_per_token == BYTES_PER_TOKEN
    assert (outlook.warm_tokens, outlook.behind, outlook.given_up) == (0, 0, False)


def recalled(request: Request, now_s: float, **fields: Any) -> Recalled:
    return Recalled(now_s, fingerprint(request), **fields)


def test_instructions_that_came_back_are_expected_again() -> None:
    request = Request(MODEL, (ASK,), ({"type": "text", "text": "Be brief."},))
    shared = Shared(100.0, calls=2, opened=2, gaps_s=(60.0,))
    found = outlook_of(request, recalled(request, 160.0, shared={MODEL: shared}), MODEL)
    # (2 x 0.5 + 2) / (2 + 2); pauses of 60 and 60 s; no thread of two went on.
    assert found.beginning == Chance(0.75, (0.85 + 2) / 3, (0.97 + 2) / 3)
    assert found.turns.again == pytest.approx((2 * 0.1 + 0) / 4)
    late = outlook_of(request, recalled(request, 100.0 + 7_200, shared={MODEL: shared}), MODEL)
    assert late.beginning == Chance(0.75, (0.85 + 1) / 3, (0.97 + 1) / 3)


@pytest.mark.parametrize(
    ("opened", "found", "beginning", "turns"),
    [
        (0, 0, 0.5, 0.7),
        (1, 0, 1 / 3, 1.4 / 3),
        (2, 0, 0.25, 0.35),
        (8, 0, 0.1, 0.14),
        (8, 7, 0.5, 0.7),  # never more than is guessed at first
    ],
)
def test_a_key_whose_new_prompts_never_come_again_is_not_expected_to_send_them_again(
    opened: int, found: int, beginning: float, turns: float
) -> None:
    told = {NEW: Shared(0.0, opened=opened, found=found)}
    plain = Request(MODEL, (ASK,), ({"type": "text", "text": "Be brief."},))
    outlook = outlook_of(plain, recalled(plain, 1.0, shared=told), MODEL)
    assert outlook.beginning.again == pytest.approx(beginning)
    assert (outlook.beginning.soon, outlook.beginning.within_hour) == (0.85, 0.97)
    assert outlook.turns.again == pytest.approx(min(0.1, (0.2 + found) / (2 + opened)))
    agent = Request(MODEL, (ASK,), tools=TOOLS)
    shown = outlook_of(agent, recalled(agent, 1.0, shared=told), MODEL)
    assert shown.turns.again == pytest.approx(turns)
    thread = Thread(MODEL, 0.0, {}, calls=1)  # it goes on: that is known better
    gone_on = outlook_of(agent, recalled(agent, 1.0, shared=told, thread=thread), MODEL)
    assert gone_on.turns.again == pytest.approx((2 * 0.8 + 1) / 3)


def test_nothing_is_certain() -> None:
    request = Request(MODEL, (ASK,), ({"type": "text", "text": "Be brief."},))
    shared = Shared(100.0, calls=1_000, opened=500)
    found = outlook_of(request, recalled(request, 160.0, shared={MODEL: shared}), MODEL)
    assert found.beginning.again == 0.95
    assert found.beginning.times == pytest.approx(19)


def test_a_threads_own_pauses_weigh_more_than_those_of_its_like() -> None:
    request = Request(MODEL, HISTORY, ({"type": "text", "text": "Be brief."},))
    shared = Shared(0.0, calls=4, opened=2, turn_gaps_s=(600.0,))
    thread = Thread(MODEL, 0.0, {}, calls=3, gaps_s=(20.0, 30.0))
    known = recalled(request, 40.0, thread=thread, shared={MODEL: shared})
    turns = outlook_of(request, known, MODEL).turns
    # of four calls two went on: (2 x 0.8 + 2) / 6 = 0.6, but a talk is believed to: 0.8.
    assert turns.again == pytest.approx((2 * 0.8 + 3) / 5)
    # guessed (0.85 + 0) / 2, then three pauses below five minutes
    assert turns.soon == pytest.approx((0.425 + 3) / 4)
    assert turns.within_hour == pytest.approx(((0.97 + 1) / 2 + 3) / 4)


def test_what_is_cached_is_told_for_the_model_and_the_moment() -> None:
    request = Request(MODEL, HISTORY, ({"type": "text", "text": "Be brief."},))
    warm = Warm(9_000, 4_000, 300, 0.0, fingerprint(request), (2, 0), "anthropic")
    thread = Thread(MODEL, 0.0, {MODEL: warm})
    known = recalled(request, 60.0, thread=thread)
    soon, other = outlook_of(request, known, MODEL), outlook_of(request, known, "n")
    late = outlook_of(request, replace(known, now_s=1_000.0), MODEL)
    assert (soon.warm_tokens, soon.hour_tokens, soon.warm_beginning, soon.end) == (
        *(9_000, 4_000, True),
        (2, 0),
    )
    assert (late.warm_tokens, late.warm_beginning) == (4_000, True)
    assert (other.warm_tokens, other.warm_beginning, other.end) == (0, False, None)


def test_instructions_that_another_conversation_just_used_are_cached() -> None:
    request = Request(MODEL, (ASK,), ({"type": "text", "text": "Be brief."},))
    for tried, now_s, warm in (
        (Tried((), 0, 900, 0), 60.0, True),
        (Tried((), 0, 0, 900), 60.0, True),
        (Tried((), 0, 0, 0), 60.0, False),
        (Tried((), 0, 900, 0), 290.0, False),
    ):
        shared = {MODEL: Shared(0.0, calls=1, opened=1, tried=tried)}
        known = recalled(request, now_s, shared=shared)
        assert outlook_of(request, known, MODEL).warm_beginning is warm


def test_how_many_messages_change_is_learned_from_the_thread_or_from_its_like() -> None:
    then = Request(MODEL, HISTORY)
    now = replace(then, messages=(*HISTORY[:2], ASK, HISTORY[1], ASK))
    warm = Warm(0, 0, 300, 0.0, fingerprint(then), (-2, -1), "anthropic")
    thread = Thread(MODEL, 0.0, {MODEL: warm})
    shared = {MODEL: Shared(0.0, calls=2, opened=1, behind=2)}
    assert outlook_of(now, recalled(now, 9.0, thread=thread, shared=shared), MODEL).behind == 1
    assert outlook_of(now, recalled(now, 9.0, shared=shared), MODEL).behind == 2
