"""Lists, newest first: a page and the cursor to the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, tuple_

from app.core.errors import BadRequest

DEFAULT_LIMIT = 50
MOST_LIMIT = 1_000

Page = dict[str, Any]


def checked_limit(limit: int) -> int:
    """Raises BadRequest unless between 1 and MOST_LIMIT."""
    if not 1 <= limit <= MOST_LIMIT:
        raise BadRequest(f"limit must be between 1 and {MOST_LIMIT}", param="limit")
    return limit


def before(
    cursor: str | None, moment: ColumnElement[int], row_id: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    """The condition that continues after `cursor`; none for the first page.  Raises BadRequest."""
    if cursor is None:
        return []
    us, _, last_id = cursor.partition("-")
    if not us.isdecimal() or not us.isascii() or len(us) > 18 or not last_id:
        raise BadRequest("cursor is not one that this list gave", param="cursor")
    return [tuple_(moment, row_id) < tuple_(int(us), last_id)]


def page(rows: Sequence[Row[Any]], limit: int, shown: Callable[[Row[Any]], dict[str, Any]]) -> Page:
    """`rows` hold one more than `limit` when there is a next page."""
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return {
        "data": [shown(row) for row in rows[:limit]],
        "next_cursor": None if last is None else f"{last.created_us}-{last.id}",
    }
