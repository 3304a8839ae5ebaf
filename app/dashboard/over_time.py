"""Spend over a range as bars stacked by model, with the same figures as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Table
from app.dashboard.spending import COST_ALONE
from app.store.reports.query import SpendQuery

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from markupsafe import Markup

    from app.dashboard.page import Visit
    from app.dashboard.query import Period
    from app.store.reports.query import SpendRow

HOURS_UP_TO: Final = timedelta(days=2, hours=1)
DAYS_UP_TO: Final = timedelta(days=93)
MOST_BARS: Final = 200
OTHER: Final = "other models"


@dataclass(frozen=True, slots=True)
class Bars:
    """The drawing, the names of its series, and its table."""

    drawn: Markup
    names: Sequence[str]
    table: Table


async def by_model(visit: Visit, filters: Mapping[str, str], period: Period) -> Bars | None:
    """None where nothing was spent.  The six dearest models have a colour, the rest is one."""
    ends = period.filters()
    step = _step(period)
    report = await visit.store.reports.spend(
        SpendQuery(
            (step, "model"),
            from_=ends.get("from"),
            to=ends.get("to"),
            zone=visit.zone.info,
            filters=filters,
            **COST_ALONE,
        )
    )
    if not report.rows:
        return None
    names = _names(report.rows)
    places = {name: place for place, name in enumerate(names)}
    spent: dict[str, list[int]] = {}
    for row in report.rows:
        at = spent.setdefault(row.group[step] or "", [0] * len(names))
        at[places.get(row.group["model"] or "", len(names) - 1)] += row.sums.cost_nano_usd
    bars = _filled(spent, step, period, visit, len(names))
    so_far = period.until is None or period.until > visit.now
    shown = [(_label(text, step), values) for text, values in bars]
    return Bars(
        charts.stacked_days(shown, names, so_far=so_far),
        names,
        _table(visit, step, names, bars),
    )


def _step(period: Period) -> str:
    if period.since is None or period.until is None:
        return "month"
    length = period.until - period.since
    if length <= HOURS_UP_TO:
        return "hour"
    return "day" if length <= DAYS_UP_TO else "month"


def _names(rows: Sequence[SpendRow]) -> list[str]:
    """Models, the dearest first."""
    sums: dict[str, int] = {}
    for row in rows:
        model = row.group["model"] or ""
        sums[model] = sums.get(model, 0) + row.sums.cost_nano_usd
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    if len(ranked) <= charts.MOST_SERIES:
        return ranked
    return [*ranked[: charts.MOST_SERIES], OTHER]


def _filled(
    spent: Mapping[str, list[int]], step: str, period: Period, visit: Visit, series: int
) -> list[tuple[str, list[int]]]:
    ends = [visit.now]
    if period.until is not None:
        ends.append(period.until - timedelta(microseconds=1))
    since = None if period.since is None else visit.zone.at(period.since)
    texts = every_step(step, spent.keys(), since, visit.zone.at(min(ends)))
    return [(text, spent.get(text, [0] * series)) for text in texts[-MOST_BARS:]]


def every_step(
    step: str, known: Collection[str], since: datetime | None, last: datetime
) -> list[str]:
    """Every hour, day or month up to `last` as reports tell them, also those that aren't `known`.

    Months begin with the first that is known. `since` and `last` are in the zone that is shown.
    """
    if step == "month" or since is None:
        every = _months(min(known), last)
    else:
        every = _hours(since, last) if step == "hour" else days(since.date(), last.date())
    return sorted({*every, *known}, key=_begins)


def _begins(text: str) -> datetime:
    return datetime.fromisoformat(text if len(text) > len("2026-01") else f"{text}-01")


def _hours(first: datetime, last: datetime) -> Iterator[str]:
    at = first.replace(minute=0, second=0, microsecond=0)
    while at <= last:
        yield at.isoformat(timespec="seconds").replace("+00:00", "Z")
        at = (at.astimezone(UTC) + timedelta(hours=1)).astimezone(at.tzinfo)


def _months(first: str, last: datetime) -> Iterator[str]:
    begins = _begins(first)
    for place in range(begins.year * 12 + begins.month - 1, last.year * 12 + last.month):
        yield f"{place // 12}-{place % 12 + 1:02}"


def days(first: date, last: date) -> Iterator[str]:
    """Every day of them as text."""
    while first <= last:
        yield first.isoformat()
        first += timedelta(days=1)


def _label(text: str, step: str) -> str:
    if step == "hour":
        return f"{datetime.fromisoformat(text):%H:%M}"
    if step == "day":
        day = date.fromisoformat(text)
        return f"{day.day} {day:%b}"
    return f"{date.fromisoformat(f'{text}-01'):%b %Y}"


def _table(
    visit: Visit, step: str, names: Sequence[str], bars: Sequence[tuple[str, list[int]]]
) -> Table:
    largest = formats.largest(sum(values) for _, values in bars)
    lines = [
        Line((text, cells.total(sum(values), largest), *(cells.total(v, largest) for v in values)))
        for text, values in reversed(bars)
        if any(values)
    ]
    return Table(
        caption=f"Spend by {step} and model",
        columns=(
            Column(step.capitalize()),
            Column("Cost", numeric=True),
            *(Column(name, numeric=True) for name in names),
        ),
        lines=lines,
        query=visit.query,
        twins=False,
    )
