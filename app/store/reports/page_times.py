"""How long the calls of one page's rows took: their many counts are read for no other row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Select

from app.core.zones import US_PER_HOUR, Clock, clock, day_start_us
from app.store.database.rollup_tables import LATENCY_COLUMNS, TTFT_COLUMNS
from app.store.reports.sources import TIME, Asked

Grouped = Callable[[Connection, Asked], Select[Any]]


def add(
    connection: Connection, asked: Asked, rows: Sequence[dict[Any, Any]], grouped: Grouped
) -> None:
    """Put the counts of latencies into `rows`, which have the sums of all that was asked for."""
    names = [*([] if asked.time is None else [TIME]), *asked.by]
    wanted = replace(
        asked,
        sums=(*LATENCY_COLUMNS, *TTFT_COLUMNS),
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
    if not times:
        return asked.clock
    zone = asked.clock.zone
    first, last = min(times), max(times)
    if asked.time == "hour":
        from_us, before_us = int(first), int(last) + US_PER_HOUR
    elif asked.time == "day":
        from_us = day_start_us(date.fromisoformat(first), zone)
        before_us = day_start_us(date.fromisoformat(last) + timedelta(days=1), zone)
    else:
        from_us = day_start_us(date.fromisoformat(f"{first}-01"), zone)
        month_after = (date.fromisoformat(f"{last}-01") + timedelta(days=32)).replace(day=1)
        before_us = day_start_us(month_after, zone)
    return clock(zone, max(from_us, asked.clock.from_us), min(before_us, asked.clock.before_us))
