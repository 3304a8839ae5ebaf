"""What a later turn asks for leaves the marks before it as they were."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.core.request import Block
from app.dialects.openai_chat import request as chat
from app.dialects.openai_responses import request as responses

SHORT: Block = {"type": "ephemeral"}
LONG: Block = {"type": "ephemeral", "ttl": "1h"}
MARKS = [
    # what each turn asks for, the marks, whether a lifetime is reported
    (["30m", "30m"], [SHORT, SHORT], False),
    (["12h", "12h"], [LONG, LONG], False),
    (["12h", "30m"], [LONG, SHORT], False),
    (["30m", "12h"], [SHORT, SHORT], True),
    (["12h", "30m", "12h"], [LONG, SHORT, SHORT], True),
    ([None, "12h"], [SHORT, SHORT], True),
    ([SHORT, "12h"], [SHORT, SHORT], True),
    ([LONG, "12h"], [LONG, LONG], False),
]


@pytest.mark.parametrize(("asked", "marks", "reported"), MARKS)
@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_each_breakpoint_keeps_its_lifetime_whatever_follows(
    dialect: str, asked: list[Any], marks: list[Block], *, reported: bool
) -> None:
    turns: list[dict[str, Any]] = []
    for n, ttl in enumerate(asked):
        own = {"cache_control": ttl} if isinstance(ttl, dict) else {}
        mark = own or {"prompt_cache_breakpoint": {"ttl": ttl} if ttl else {}}
        kind = "text" if dialect == "chat" else "input_text"
        turns += [
            {"role": "user", "content": [{"type": kind, "text": f"Turn {n}", **mark}]},
            {"role": "assistant", "content": "Yes."},
        ]
    for length in range(1, len(asked) + 1):
        given = turns[: 2 * length - 1]
        if dialect == "chat":
            request = chat.parse(orjson.dumps({"model": "auto", "messages": given})).request
        else:
            request = responses.parse(orjson.dumps({"model": "auto", "input": given})).request
        users = [message for message in request.messages if message["role"] == "user"]
        assert [user["content"][0]["cache_control"] for user in users] == marks[:length]
    assert ("prompt_cache_breakpoint.ttl" in request.dropped) is reported
