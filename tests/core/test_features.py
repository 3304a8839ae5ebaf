from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.config.weights import shipped_weights
from app.core.features import Lexicon, clipped, counted, words_of
from app.core.measure import measure
from app.core.request import Block, Request

TOOL = {"name": "f", "input_schema": {"type": "object"}}


def user(content: object) -> Block:
    return {"role": "user", "content": content}


def asks(*messages: Block) -> Request:
    return Request(model="auto", messages=messages)


def count(request: Request) -> dict[str, int]:
    weights = shipped_weights()
    return counted(request, measure(request), weights.turn_words, weights.system_words)


TURNS = [
    ("hi", {"words": 1}),
    ("What? Why, though?", {"words": 3, "asked": 2, "commas": 1, "reasoning": 1}),
    ("x = y^2 and \\frac{1}{2}", {"words": 5, "notation": 3, "joined": 1}),
    ("$x + y$ is not $12 or $15", {"words": 8, "notation": 1, "exclusions": 1}),
    ("a_b = f(); `c`", {"words": 4, "notation": 1, "code": 2}),
    ("- one\n* two\n3. three", {"words": 6, "asked": 3}),
    ("from Paris, France to Rome", {"words": 5, "names": 3, "commas": 1}),
    ("两个素数", {"words": 3}),  # one run of characters, and two words more
]


@pytest.mark.parametrize(("text", "expected"), TURNS)
def test_what_stands_in_the_last_user_turn_is_counted(text: str, expected: dict[str, int]) -> None:
    assert count(asks(user(text))) == expected


WORDS = [
    ("It isn't 2nd_place:\tDo,it", ["it", "isn", "t", "nd", "place", "do", "it"]),
    (
        "D\u00c9J\u00c0 vu\u2014na\u00efve\u00b2 \u0663x",
        ["d\u00e9j\u00e0", "vu", "na\u00efve\u00b2", "x"],
    ),
    ("\u8bc1\u660e it", ["\u8bc1\u660e", "it"]),
    ("1_2", []),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_a_word_is_a_run_of_letters(text: str, words: list[str]) -> None:
    assert words_of(text) == words


SOME_TEXT = st.text(st.one_of(st.sampled_from("aZ _-.9\n\x1c\x85\u0130"), st.characters()))


@given(SOME_TEXT)
def test_words_are_the_same_in_every_alphabet(text: str) -> None:
    assert words_of(text) == re.findall(r"[^\W\d_]+", text.lower())


@given(st.text(st.sampled_from("aB, _(){}=!>-:;`\ndefclassimport ")))
@example("a B C, D")
@example("a_b\ndef f();\n    def g")
@example("```a !== b => c::d")
def test_names_and_code_are_counted_wherever_they_stand(text: str) -> None:
    pieces = ["```", "()", "==", "!=", "->", "=>", "::", ";\n", "{\n", "\ndef ", "\n    def "]
    code = sum(text.count(piece) for piece in (*pieces, "\nclass ", "\nimport "))
    found = count(asks(user(text)))
    assert found.get("code", 0) == code + len(re.findall("_[a-z]", text))
    assert found.get("names", 0) == len(re.findall("(?<=[a-z,] )[A-Z]", text))


def test_the_words_of_a_system_prompt_are_counted_alike_each_time() -> None:
    turn, system = Lexicon({"why": ("reasons",)}), Lexicon({"be": ("role", "being")})
    for text, times in (("Be, be", 2), ("Be, be", 2), ("be", 1), ("Be, be", 2)):
        request = replace(asks(user("Why?")), system=({"type": "text", "text": text},))
        found = counted(request, measure(request), turn, system)
        assert found == {"reasons": 1, "words": 1, "asked": 1, "role": times, "being": times}
        found.clear()


def test_the_last_user_turn_with_a_text_counts_behind_results_of_tools() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "why", "is_error": True}
    request = asks(
        user("hello"),
        {"role": "assistant", "content": "yes?"},
        user([{"type": "text", "text": "prove it"}]),
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
        },
        user([result]),
    )
    assert count(request) == {"words": 2, "proof": 1, "turns": 4, "failed_results": 1}


def test_tools_count_by_their_number_and_by_what_is_asked_of_them() -> None:
    request = replace(asks(user("Book it and pay, then call")), tools=(TOOL, TOOL, TOOL))
    assert count(request) == {
        "words": 6,
        "commas": 1,
        "joined": 1,
        "steps": 1,
        "tools": 2,
        "schema_bytes": 135,
        "tool_calls": 1,
        "several_calls": 3,
    }
    assert "tools" not in count(replace(request, tools=(TOOL,)))


def test_an_answer_that_breaks_off_is_told_from_one_that_ends() -> None:
    def after(answer: str) -> dict[str, int]:
        return count(asks(user("x"), {"role": "assistant", "content": answer}, user("go on")))

    assert "cut_answers" in after("word " * 100)
    assert "cut_answers" not in after("word " * 100 + "end.")
    assert "cut_answers" not in after("a short one")


def test_the_answer_that_is_asked_for_counts() -> None:
    request = asks(user("x"))
    assert "short_answer" in count(replace(request, max_tokens=64))
    assert "short_answer" not in count(replace(request, max_tokens=65))
    assert "asked_effort" in count(replace(request, reasoning_effort="high"))
    assert "asked_effort" not in count(replace(request, reasoning_effort="low"))
    thinks = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
    assert "asked_effort" in count(replace(request, options=thinks))
    assert "asked_effort" not in count(replace(request, options={"thinking": {"type": "disabled"}}))


def test_of_a_long_turn_its_beginning_and_its_end_are_read() -> None:
    assert clipped(["a" * 4_000]) == "a" * 4_000
    long = clipped(["a" * 2_000, "b" * 90_000, "c" * 500])
    assert long == "a" * 2_000 + "\n" + "b" * 999 + "\n" + "b" * 499 + "\n" + "c" * 500
    assert clipped([]) == ""


ODD = [
    "$" * 1_000_000,
    "$a" * 500_000,
    "\n" * 1_000_000,
    " \t" * 500_000,
    "1.1" * 300_000,
    "a_" * 500_000,
    "\\" * 1_000_000,
    "`" * 1_000_000,
    "- " * 500_000,
    "Ü, " * 300_000,
    "\u3042" * 1_000_000,
]


@pytest.mark.parametrize("text", ODD, ids=lambda text: repr(text[:3]))
def test_no_prompt_takes_long(text: str) -> None:
    request = asks(user(text))
    size, weights = measure(request), shipped_weights()
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        counted(request, size, weights.turn_words, weights.system_words)
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.02  # some 0.5 ms on an idle machine
