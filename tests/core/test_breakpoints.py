"""Where breakpoints stand in the prompt, and how long what they close is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.breakpoints import NOWHERE, lifetimes, marks, outermost_mark, positions
from app.core.caching import Ttl
from app.core.remembered import SYSTEM, TOOLS, Spot
from app.core.request import Request
from app.core.usage import Usage


def text(ttl: Ttl | None = None) -> dict[str, Any]:
    mark = {} if ttl is None else {"cache_control": {"type": "ephemeral", "ttl": ttl}}
    return {"type": "text", "text": "x", **mark}


def ask(*contents: Any, **fields: Any) -> Request:
    return Request("auto", tuple({"role": "user", "content": each} for each in contents), **fields)


TOOL = {"name": "look"}
MARKED_TOOL = {**TOOL, "cache_control": {"type": "ephemeral"}}
INSIDE = {"type": "tool_result", "tool_use_id": "1", "content": [text(), text("5m"), text()]}
UNMARKED = {"type": "text", "text": "x", "cache_control": None}


@pytest.mark.parametrize(
    ("request_", "spot"),
    [
        (ask("hi"), NOWHERE),
        (ask([UNMARKED], system=(UNMARKED,)), NOWHERE),
        (ask("hi", tools=(MARKED_TOOL, TOOL)), (TOOLS, 0)),
        (ask("hi", tools=(MARKED_TOOL,), system=(text(), text("1h"))), (SYSTEM, 1)),
        (ask([text("5m"), text()], "hi", system=(text("1h"),)), (0, 0)),
        (ask([text("5m")], [text(), text("5m")]), (1, 1)),
        (ask("hi", [text(), INSIDE]), (1, 1)),
        (ask("hi", options={"cache_control": {"type": "ephemeral"}}), (0, 0)),
        (ask("hi", [text(), text()], options={"cache_control": {"type": "ephemeral"}}), (1, 1)),
        (ask("hi", options={"cache_control": None}), NOWHERE),
    ],
)
def test_the_last_mark_is_found_wherever_it_stands(request_: Request, spot: Spot) -> None:
    assert outermost_mark(request_) == spot


def test_marks_come_last_first_and_stand_at_their_place_in_the_prompt() -> None:
    request = ask(
        "hi", [text(), text("5m")], [text("5m")], tools=(TOOL, TOOL), system=(text("1h"),)
    )
    assert marks(request) == [(2, 0), (1, 1), (SYSTEM, 0)]
    assert positions(request, [(TOOLS, 1), *marks(request)]) == [1, 6, 5, 2]
    assert positions(ask(), [(0, 0)]) == [0]


MIXED = ask([text("5m")], system=(text("1h"),))
HOURLY = replace(MIXED, messages=ask([text("1h")]).messages)


@pytest.mark.parametrize(
    ("request_", "ttl", "usage", "known", "kept"),
    [
        (ask([text("5m")]), "5m", Usage(0, 100), 0, (300, 0)),
        (ask("hi"), None, Usage(100), 0, (300, 0)),
        (HOURLY, "1h", Usage(0, 0, 70, 30), 0, (3600, 100)),
        (MIXED, "1h", Usage(0, 30, 70), 0, (300, 70)),  # the first call writes both
        (MIXED, "1h", Usage(0, 10, 0, 100), 70, (300, 70)),
        (MIXED, "1h", Usage(0, 30, 0, 60), 70, (300, 60)),
    ],
)
def test_what_is_kept_for_an_hour_is_known_from_what_was_written(
    request_: Request, ttl: Ttl | None, usage: Usage, known: int, kept: tuple[int, int]
) -> None:
    assert lifetimes(request_, ttl, usage, known) == kept
