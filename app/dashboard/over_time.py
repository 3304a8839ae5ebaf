"""Spend over a range as bars stacked by model, with the same figures as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Table
from app.store.reports.query import SpendQuery

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
            latencies=False,
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
    """Every hour, day or month up to now, also those without a call."""
    nothing = [0] * series
    if step != "day" or period.since is None or period.until is None:
        return [(text, spent[text]) for text in sorted(spent)][-MOST_BARS:]
    first = visit.zone.at(period.since).date()
    end = min(period.until - timedelta(microseconds=1), visit.now)
    texts = days(first, visit.zone.at(end).date())
    return [(text, spent.get(text, nothing)) for text in texts]


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
