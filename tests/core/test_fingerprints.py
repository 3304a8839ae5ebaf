"""What tells two prompts apart, and what does not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.core.fingerprints import SIZE, Fingerprint, fingerprint
from app.core.request import Request

MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {}}}}
OTHER = {"name": "act", "input_schema": {"type": "object"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "4"}]}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
BASE = Request(
    model="auto",
    tools=(TOOL, OTHER),
    system=({"type": "text", "text": "Be brief."},),
    messages=(
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "user", "content": [RESULT]},
    ),
)
PARTS = ("tools", "system", "settings", "turns", "opening")


def changed(**fields: Any) -> tuple[str, ...]:
    """The parts that differ once the request has these fields."""
    before, after = fingerprint(BASE), fingerprint(replace(BASE, **fields))
    return tuple(part for part in PARTS if getattr(before, part) != getattr(after, part))


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"tools": (OTHER, TOOL)}, ("tools",)),
        ({"tools": (TOOL,)}, ("tools",)),
        ({"tools": ()}, ("tools",)),
        ({"system": ({"type": "text", "text": "It is 12:01. Be brief."},)}, ("system",)),
        ({"options": {"speed": "fast"}}, ("system",)),
        ({"options": {"tool_choice": {"type": "any"}}}, ("settings",)),
        ({"options": {"thinking": {"type": "adaptive"}}}, ("settings",)),
        ({"options": {"output_config": {"format": {"type": "json_schema"}}}}, ("settings",)),
        ({"messages": (*BASE.messages, {"role": "user", "content": [PICTURE]})},
         ("settings", "turns")),
        ({"messages": (*BASE.messages[:2], {"role": "user", "content": "Bye"})}, ("turns",)),
        ({"messages": ({"role": "user", "content": "Ho"},)}, ("turns", "opening")),
        ({"messages": ({"role": "assistant", "content": "Hi"}, *BASE.messages[1:])},
         ("turns", "opening")),
    ],
)  # fmt: skip
def test_each_part_changes_alone(fields: dict[str, Any], parts: tuple[str, ...]) -> None:
    assert changed(**fields) == parts


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "haiku", "max_tokens": 9, "stream": True, "end_user": "ann"},
        {"options": {"temperature": 0.5, "output_config": {"effort": "low"}}},
        {"options": {"thinking": {"type": "disabled"}, "tool_choice": None}},
        {"tools": ({**TOOL, **MARK}, OTHER)},
        {"system": ({"type": "text", "text": "Be brief.", **MARK},)},
        {"messages": ({"role": "user", "content": [{"type": "text", "text": "Hi", **MARK}]},
                      {"role": "assistant", "content": "Hello"},
                      {"role": "user", "content": [{**RESULT, **MARK}]})},
        {"messages": (*BASE.messages[:2], {"role": "user", "content": [
            {**RESULT, "content": [{"type": "text", "text": "4", **MARK}]}]})},
    ],
)  # fmt: skip
def test_marks_forms_and_what_the_cache_does_not_read_change_nothing(
    fields: dict[str, Any],
) -> None:
    assert changed(**fields) == ()


def test_how_thinking_is_shown_changes_nothing() -> None:
    shown = replace(BASE, options={"thinking": {"type": "adaptive", "display": "omitted"}})
    hidden = replace(BASE, options={"thinking": {"type": "adaptive"}})
    assert fingerprint(shown) == fingerprint(hidden)


def test_turns_are_compared_from_the_beginning() -> None:
    now = fingerprint(BASE)
    longer = fingerprint(replace(BASE, messages=(*BASE.messages, {"role": "user", "content": ""})))
    edited = fingerprint(replace(BASE, messages=(BASE.messages[0], *BASE.messages[2:])))
    assert (now.length, longer.length, len(now.turns)) == (3, 4, 3 * SIZE)
    assert [longer.begins_with(now, turns) for turns in (0, 1, 3, 4)] == [True, True, True, False]
    assert (longer.shared_turns(now), edited.shared_turns(now)) == (3, 1)
    assert Fingerprint().shared_turns(now) == 0


def test_the_prefix_names_tools_and_system_prompt_together() -> None:
    assert fingerprint(Request(model="auto", messages=BASE.messages)).prefix is None
    named = {
        fingerprint(BASE).prefix,
        fingerprint(replace(BASE, system=())).prefix,
        fingerprint(replace(BASE, tools=())).prefix,
    }
    assert len(named) == 3
    assert all(len(name or "") == 16 for name in named)


def test_the_end_and_the_middle_of_long_data_count_too() -> None:
    def of(data: str) -> Fingerprint:
        picture = {"type": "image", "source": {"type": "base64", "data": data}}
        return fingerprint(Request("auto", ({"role": "user", "content": [picture]},)))

    data = "A" * 100_000
    others = [data + "A", "B" + data[1:], data[:-1] + "B", data[:50_000] + "B" + data[50_001:]]
    assert len({of(each).turns for each in (data, *others)}) == 5


def test_odd_content_is_told_apart_all_the_same() -> None:
    odd: list[Any] = [None, 7, {"type": "text"}, [None], ["x"], [{"n": Decimal("1.50")}], "\ud800"]
    digests = {fingerprint(Request("auto", ({"role": "user", "content": c},))).turns for c in odd}
    assert len(digests) == len(odd)


def test_a_system_prompt_has_one_digest_however_long_it_is_and_however_often_it_comes() -> None:
    for chars in (1, 8_192, 8_193, 100_000):
        text = "x" * chars
        plain: Any = {"type": "text", "text": text}
        first, again, marked = (
            fingerprint(replace(BASE, system=(block,))).system
            for block in (plain, dict(plain), {**plain, **MARK})
        )
        assert first == again == marked
        halves = tuple({"type": "text", "text": half} for half in (text[:-1], text[-1:]))
        assert fingerprint(replace(BASE, system=halves)).system != first
        assert len({first, fingerprint(replace(BASE, system=(plain, plain))).system}) == 2
