"""What is made fit in a history is made fit in the same way whatever follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.core.request import Message, Request
from app.dialects.openai_chat.request import parse

TEXTS = st.sampled_from(["", " ", "Hi", "Well. \n", "  so"])


def calls(ids: list[str]) -> list[dict[str, Any]]:
    """A turn of calls with their results."""
    made = [
        {"id": call_id, "type": "function", "function": {"name": "a.b", "arguments": '{"q": "pa'}}
        for call_id in ids
    ]
    results = [{"role": "tool", "tool_call_id": call_id, "content": "ok"} for call_id in ids]
    return [{"role": "assistant", "content": None, "tool_calls": made}, *results]


steps = st.one_of(
    TEXTS.map(lambda text: [{"role": "user", "content": text}]),
    TEXTS.map(lambda text: [{"role": "assistant", "content": text}]),
    st.lists(st.sampled_from(["call_0", "call_1", "é"]), min_size=1, max_size=3).map(calls),
)


def conversation(messages: Sequence[Message]) -> Request:
    return parse(orjson.dumps({"model": "auto", "messages": messages})).request


def blocks(turns: Sequence[Message]) -> list[tuple[str, Any]]:
    return [
        (turn["role"], block)
        for turn in turns
        for block in (
            [{"type": "text", "text": turn["content"]}]
            if isinstance(turn["content"], str)
            else turn["content"]
        )
    ]


@given(before=st.lists(steps, min_size=1, max_size=6), after=st.lists(steps, max_size=4))
def test_a_later_turn_never_changes_an_earlier_one(
    before: list[list[Message]], after: list[list[Message]]
) -> None:
    system = {"role": "system", "content": "Be brief."}
    begun = [system, *(message for step in before for message in step)]
    whole = [*begun, *(message for step in after for message in step)]
    earlier, later = conversation(begun), conversation(whole)
    assert blocks(later.messages)[: len(blocks(earlier.messages))] == blocks(earlier.messages)
    assert later.system == earlier.system


@given(steps=st.lists(steps, min_size=1, max_size=8))
def test_whatever_was_said_becomes_a_conversation_that_the_vendor_takes(
    steps: list[list[Message]],
) -> None:
    system = {"role": "system", "content": "Be brief."}
    turns = conversation([system, *(message for step in steps for message in step)]).messages
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2) + [
        "user"
    ] * (len(turns) % 2)
    ids = [block["id"] for _, block in blocks(turns) if block["type"] == "tool_use"]
    assert len(set(ids)) == len(ids)
    assert all(text == text.rstrip() for text in texts(turns, "assistant"))


def texts(turns: Sequence[Message], role: str) -> list[str]:
    return [
        block["text"] for said, block in blocks(turns) if said == role and block["type"] == "text"
    ]
