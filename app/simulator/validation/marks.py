"""Cache breakpoints: how many, where, and in which order of lifetimes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.simulator.errors import invalid
from app.simulator.facts import MAX_CACHE_MARKS, TTL_S
from app.simulator.json_values import JsonObject, as_objects, content_blocks
from app.simulator.prompt import mark_ttl_s, marks_of
from app.simulator.validation.asked import Asked, refuse_extra, require_object

_FIELDS: Final = frozenset({"type", "ttl"})


def check_mark(mark: object, where: str) -> None:
    """Raises ApiError unless `mark` is null or a well-formed `cache_control`."""
    if mark is None:
        return
    value = require_object(mark, where)
    refuse_extra(value, _FIELDS, f"{where}.ephemeral.")
    if value.get("type") != "ephemeral":
        raise invalid(f"{where}.type: Input should be 'ephemeral'")
    if value.get("ttl", "5m") not in (None, *TTL_S):
        raise invalid(f"{where}.ephemeral.ttl: Input should be '5m' or '1h'")


def check_marks(asked: Asked) -> None:
    check_mark(asked.body.get("cache_control"), "cache_control")
    marks = [(where, mark) for where, block in _blocks(asked.body) for mark in marks_of(block)]
    for where, mark in marks:
        check_mark(mark, f"{where}.cache_control")
    automatic = asked.body.get("cache_control")
    found = len(marks)
    if automatic is not None:
        found += _automatic_marks(asked.body, automatic)
    if found > MAX_CACHE_MARKS:
        raise invalid(
            f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. "
            f"Found {found}."
        )
    _check_order([(where, mark_ttl_s(mark)) for where, mark in marks])


def _automatic_marks(body: JsonObject, automatic: JsonObject) -> int:
    """1 when the top-level mark takes a slot, 0 when the last block has the same one already."""
    blocks = list(_blocks(body))
    own = list(marks_of(blocks[-1][1])) if blocks else []
    if not own:
        return 1
    if mark_ttl_s(own[0]) != mark_ttl_s(automatic):
        raise invalid(
            "cache_control: the last block already has a cache_control with a different ttl"
        )
    return 0


def _blocks(body: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """All that can carry a mark, in the order in which the prompt is built."""
    for at, tool in enumerate(as_objects(body.get("tools"))):
        yield f"tools.{at}", tool
    for at, block in enumerate(content_blocks(body.get("system"))):
        yield f"system.{at}", block
    for at, message in enumerate(as_objects(body.get("messages"))):
        for inner, block in enumerate(content_blocks(message.get("content"))):
            yield f"messages.{at}.content.{inner}", block


def _check_order(marks: list[tuple[str, int]]) -> None:
    shortest_s = max(TTL_S.values())
    for where, ttl_s in marks:
        if ttl_s > shortest_s:
            raise invalid(
                f"{where}.cache_control.ttl: a ttl='1h' cache_control block must not come after "
                "a ttl='5m' cache_control block. Note that blocks are processed in the following "
                "order: `tools`, `system`, `messages`."
            )
        shortest_s = min(shortest_s, ttl_s)
