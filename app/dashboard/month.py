"""Spend of the month so far, day upon day, beside the last month's and the budget over all keys."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from app.core.money import NANO_PER_USD
from app.dashboard.figures import cells, formats
from app.dashboard.figures.projection import LONG_DAYS, month_end
from app.dashboard.figures.tables import Column, Line, Table
from app.dashboard.spending import COST_ALONE
from app.store.reports.query import SpendQuery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.dashboard.page import Visit

COLUMNS: Final = (
    Column("Day, UTC"),
    Column("This month up to it", numeric=True),
    Column("Last month up to it", numeric=True),
)


@dataclass(frozen=True, slots=True)
class Month:
    """What `data-plot` takes, its names, and the same as a table."""

    plot: Mapping[str, Any]
    table: Table
    sentence: str


async def month(visit: Visit) -> Month | None:
    """UTC's months, as budgets and bills have them; None where both are empty."""
    today = visit.now.astimezone(UTC).date()
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    since = min(before, today - timedelta(days=LONG_DAYS))
    report = await visit.store.reports.spend(
        SpendQuery(
            ("day",),
            from_=since.isoformat(),
            **COST_ALONE,
        )
    )
    by_day = {
        date.fromisoformat(row.group["day"] or ""): row.sums.cost_nano_usd for row in report.rows
    }
    if not by_day:
        return None
    now, last = _summed(by_day, first, today.day), _summed(by_day, before, _length(before))
    return Month(
        _plot(visit, by_day, now, last, today),
        _table(visit, first, now, last),
        f"{_beside(now, last)} {_told(by_day, today)}",
    )


def _length(first: date) -> int:
    return calendar.monthrange(first.year, first.month)[1]


def _summed(by_day: Mapping[date, int], first: date, days: int) -> list[int]:
    return list(accumulate(by_day.get(first + timedelta(days=place), 0) for place in range(days)))


def _beside(now: Sequence[int], last: Sequence[int]) -> str:
    """What was spent, beside the same days of the month before."""
    before = last[min(len(now), len(last)) - 1]
    days = "on the first day" if len(now) == 1 else f"in the first {len(now)} days"
    spent, more = formats.total(now[-1]), now[-1] - before
    text = f"{spent} so far, against {formats.total(before)} {days} of last month"
    if not before:
        return f"{text}."
    sign = "+" if more > 0 else ""
    return f"{text}: {sign}{formats.total(more)} ({formats.change(now[-1], before)})."


def _told(by_day: Mapping[date, int], today: date) -> str:
    found = month_end(by_day, today)
    if found is None:
        return "A projection begins on the third whole day of calls."
    return (
        f"About {formats.tile(found.amount)} at its end, between {formats.tile(found.low)} and "
        f"{formats.tile(found.high)}: what was spent, and the mean of the last {found.days} whole "
        "days for each day left."
    )


def _plot(
    visit: Visit, by_day: Mapping[date, int], now: list[int], last: list[int], today: date
) -> dict[str, Any]:
    length = _length(today)
    first = datetime(today.year, today.month, 1, tzinfo=UTC)
    series = [
        _series("This month", "--s1", now, length),
        _series("Last month", "--s3", last, length),
    ]
    found = month_end(by_day, today)
    if found is not None:
        left = length - today.day
        ahead = [None] * (today.day - 1) + [
            now[-1] + (found.amount - now[-1]) * step // max(left, 1) for step in range(left + 1)
        ]
        series.append(_series("At this pace", "--s2", ahead, length))
    budget = visit.store.ledger.global_budget
    if budget.limit_nano_usd is not None and budget.window == "month":
        series.append(_series("Budget", "--bad", [budget.limit_nano_usd] * length, length))
    return {
        "times": [int((first + timedelta(days=place)).timestamp()) for place in range(length)],
        "series": series,
        "tz": "UTC",
        "dates": True,
    }


def _series(label: str, colour: str, values: Sequence[int | None], length: int) -> dict[str, Any]:
    """In dollars, as a chart has them: money that is shown as a figure is never a float."""
    shown = [None if each is None else each / NANO_PER_USD for each in values[:length]]
    return {"label": label, "colour": colour, "values": shown + [None] * (length - len(shown))}


def _table(visit: Visit, first: date, now: list[int], last: list[int]) -> Table:
    largest = formats.largest([*now, *last])
    lines = [
        Line(
            (
                (first + timedelta(days=place)).isoformat(),
                cells.total(now[place], largest),
                cells.total(last[place], largest) if place < len(last) else formats.DASH,
            )
        )
        for place in range(len(now))
    ]
    return Table(
        caption="Spent by the end of each day",
        columns=COLUMNS,
        lines=lines,
        query=visit.query,
        twins=False,
    )
