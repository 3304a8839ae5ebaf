"""Where a page of a report ends: what its last row is sorted by, as a text for the next page."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Row

from app.core.errors import BadRequest
from app.store.database.kinds import MOST_STORED
from app.store.records.fields import clean_text
from app.store.reports.query import GROUPS, TIMES, SpendQuery

BAD_CURSOR: Final = "cursor is not one that this report gave"
PLACE: Final = "place_"  # and a number: what a row is sorted by


def cursor_of(query: SpendQuery, row: Row[Any]) -> str:
    """What leads to the rows behind this one."""
    values = [value for name, value in row._mapping.items() if name.startswith(PLACE)]  # noqa: SLF001
    plain_values = [value if isinstance(value, str) else int(value) for value in values]
    return urlsafe_b64encode(orjson.dumps([_mark(query), *plain_values])).decode().rstrip("=")


def cursor_values(query: SpendQuery) -> Sequence[Any] | None:
    """What the last row that is known is sorted by.  Raises BadRequest."""
    if query.cursor is None:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        mark, *values = orjson.loads(urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError) as error:
        raise BadRequest(BAD_CURSOR, param="cursor") from error
    fits = [type(value) for value in values] == _kinds(query)
    fits = fits and all(isinstance(value, str) or abs(value) <= MOST_STORED for value in values)
    if mark != _mark(query) or not fits:
        raise BadRequest(BAD_CURSOR, param="cursor")
    return [clean_text(value) if isinstance(value, str) else value for value in values]


def _kinds(query: SpendQuery) -> list[type]:
    """What a row's place in the order consists of: hours, days and sums are numbers."""
    sort = (query.sort or "").removeprefix("-")
    times = [name for name in TIMES if name in query.groups]
    names = [sort] if sort else []
    if times and sort not in TIMES:
        names += times[:1]
    numbers = () if times[:1] == ["month"] else TIMES
    return [
        str if name in GROUPS and name not in numbers else int
        for name in (*names, *(name for name in query.groups if name not in TIMES))
    ]


def _mark(query: SpendQuery) -> str:
    return f"{','.join(query.groups)}/{query.sort or ''}"
