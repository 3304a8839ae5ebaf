"""All sums of one page's rows, once it is known which rows those are: read for no other row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select

from app.core.zones import Clock
from app.store.reports.sources import TIME, Asked
from app.store.reports.stretches import begins_us, ends_us

Grouped = Callable[[Connection, Asked], Select[Any]]


def add(
    connection: Connection, asked: Asked, rows: Sequence[dict[Any, Any]], grouped: Grouped
) -> None:
    """Put the sums that are `asked` for into `rows`, which have their groups."""
    names = [*([] if asked.time is None else [TIME]), *asked.by]
    wanted = replace(
        asked,
        clock=_within(asked, [row[TIME] for row in rows] if asked.time is not None else ()),
        only={name: sorted({row[name] for row in rows}) for name in asked.by},
    )
    by_group = {tuple(row[name] for name in names): row for row in rows}
    for found in connection.execute(grouped(connection, wanted)).mappings():
        row = by_group.get(tuple(found[name] for name in names))
        if row is not None:
            row.update(found)


def _within(asked: Asked, times: Sequence[Any]) -> Clock:
    """The range from the first of these times to the end of the last."""
    if not times or asked.time is None:
        return asked.clock
    whole, zone = asked.clock, asked.clock.zone
    from_us = max(begins_us(asked.time, min(times), zone), whole.from_us)
    before_us = min(ends_us(asked.time, max(times), zone), whole.before_us)
    return replace(whole, from_us=from_us, before_us=before_us)
