"""Lists, newest first: a page and the cursor to the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Row, tuple_

from app.core.errors import BadRequest
from app.store.database.kinds import MOST_STORED

DEFAULT_LIMIT = 50
MOST_LIMIT = 1_000
BY_TIME = "created_us"

Page = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A page of a list, and the cursor to the next one, if there is one."""

    rows: Sequence[T]
    next_cursor: str | None

    def page(self, shown: Callable[[T], dict[str, Any]]) -> Page:
        """As the admin API answers it."""
        return {"data": [shown(row) for row in self.rows], "next_cursor": self.next_cursor}


def checked_limit(limit: int) -> int:
    """Raises BadRequest unless between 1 and MOST_LIMIT."""
    if not 1 <= limit <= MOST_LIMIT:
        raise BadRequest(f"limit must be between 1 and {MOST_LIMIT}", param="limit")
    return limit


def before(
    cursor: str | None, order: Column[int], row_id: Column[str]
) -> list[ColumnElement[bool]]:
    """The condition that continues after `cursor`; none for the first page.  Raises BadRequest.

    `order` is what the list is sorted by, greatest first; a cursor of another order is refused.
    """
    if cursor is None:
        return []
    head, _, last_id = cursor.partition("-")
    mark = _mark(order)
    number = head.removeprefix(mark)
    if (
        not head.startswith(mark)
        or not number.isdecimal()
        or not number.isascii()
        or len(number) > 19
        or not last_id
    ):
        raise BadRequest("cursor is not one that this list gave", param="cursor")
    return [tuple_(order, row_id) < tuple_(min(int(number), MOST_STORED), last_id)]


def page(rows: Sequence[Row[Any]], limit: int, shown: Callable[[Row[Any]], dict[str, Any]]) -> Page:
    """`rows` hold one more than `limit` when there is a next page; sorted by when."""
    return listed(rows, limit, shown).page(dict)


def listed(
    rows: Sequence[Row[Any]],
    limit: int,
    made: Callable[[Row[Any]], T],
    by: Column[int] | None = None,
) -> Listed[T]:
    """The same as values that are `made` of the rows; sorted by when, or `by`."""
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    name = BY_TIME if by is None else by.name
    mark = "" if by is None else _mark(by)
    cursor = None if last is None else f"{mark}{getattr(last, name)}-{last.id}"
    return Listed([made(row) for row in rows[:limit]], cursor)


def _mark(order: Column[int]) -> str:
    return "" if order.name == BY_TIME else f"{order.name}:"
