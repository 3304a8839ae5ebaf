"""On which block a breakpoint is set, and the lifetimes that the vendor takes there."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.marking import legal_ttl, marked, marked_1h
from app.core.measure import measure
from app.core.remembered import SYSTEM, TOOLS
from app.core.request import Request

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
LONG = "word " * 4_000


def text(words: str, mark: dict[str, str] | None = None) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": words}
    return block if mark is None else {**block, "cache_control": mark}


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
    assert measure(request).ttl == "1h"
    assert legal_ttl(request, SYSTEM, "5m") == "1h"
    assert legal_ttl(request, 1, "1h") == "1h"


def test_an_advisor_may_write_for_an_hour_too() -> None:
    tool = {"type": "advisor_20260301", "name": "advisor", "model": "m"}
    for caching, expected in ((HOUR, True), ({"type": "ephemeral"}, False), (None, False)):
        assert marked_1h(Request("m", (), tools=({**tool, "caching": caching},))) is expected


def test_what_a_tool_is_called_with_is_no_mark() -> None:
    called = {"type": "tool_use", "id": "x", "name": "f", "input": {"cache_control": HOUR}}
    schema = {"type": "object", "properties": {"cache_control": HOUR}}
    tools = ({"name": "f", "input_schema": schema},)
    assert not marked_1h(Request("m", ({"role": "assistant", "content": [called]},), tools=tools))


ORDER = [
    # where the caller has a mark, where another is set, and what is left of what was wanted
    (("tools", "5m"), TOOLS, "1h", "5m"),
    (("tools", "5m"), SYSTEM, "1h", "5m"),
    (("tools", "5m"), 0, "1h", "5m"),
    (("tools", "1h"), 0, "5m", "5m"),
    (("tools", "1h"), 0, "1h", "1h"),
    (("system", "1h"), TOOLS, "5m", "1h"),
    (("system", "5m"), TOOLS, "1h", "1h"),
    (("turn", "1h"), SYSTEM, "5m", "1h"),
    (("turn", "1h"), 0, "5m", "5m"),
    (("turn", "5m"), 1, "1h", "5m"),
    (("top", "1h"), 1, "5m", "1h"),
    (("top", "5m"), 1, "1h", "1h"),
]


@pytest.mark.parametrize(("callers", "turn", "wanted", "legal"), ORDER)
def test_lifetimes_may_only_get_shorter_along_the_prompt(
    callers: tuple[str, str], turn: int, wanted: Any, legal: str
) -> None:
    place, ttl = callers
    mark = HOUR if ttl == "1h" else MARK
    request = Request(
        "m",
        (
            {"role": "user", "content": [text("a", mark if place == "turn" else None)]},
            {"role": "user", "content": "b"},
        ),
        (text("s", mark if place == "system" else None),),
        ({"name": "f", **({"cache_control": mark} if place == "tools" else {})},),
        options={"cache_control": mark} if place == "top" else {},
    )
    assert legal_ttl(request, turn, wanted) == legal


def test_a_mark_is_set_at_the_end_of_a_turn_or_on_a_block_of_it() -> None:
    turn = {"role": "user", "content": [text("a"), text("b"), text("")]}
    request = Request("m", ({"role": "user", "content": "hi"}, turn), original=b"{}")
    last, first, alone = (
        marked(request, 1, "5m"),
        marked(request, 1, "1h", 0),
        marked(request, 0, "5m"),
    )
    assert last is not None
    assert last.messages[1]["content"] == [text("a"), text("b", MARK), text("")]
    assert last.original is None
    assert first is not None
    assert first.messages[1]["content"] == [text("a", HOUR), text("b"), text("")]
    assert alone is not None
    assert alone.messages[0] == {"role": "user", "content": [text("hi", MARK)]}
    assert marked(last, 1, "5m") is None
    assert [marked(request, turn, "5m") for turn in (TOOLS, SYSTEM, 2)] == [None, None, None]
