"""What the holder of a virtual key sees: the own key, read-only, and nothing of anybody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from app.core.errors import NotFound
from app.dashboard import spending
from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Table
from app.dashboard.page import Page, View
from app.dashboard.pages import key_details, receipts
from app.dashboard.pages.requests import COLUMNS, call_lines
from app.store.records.request_table import as_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from app.dashboard.page import Visit
    from app.store.records.pages import Listed
    from app.store.records.request_views import RequestView

PATH: Final = "/ui/me"
RECEIPTS: Final = f"{PATH}/requests"
SHOWN_DAYS: Final = 30
LIMIT: Final = 50
OWN_COLUMNS: Final = COLUMNS[:1] + COLUMNS[2:]
DAY_COLUMNS: Final = (Column("Day, UTC"), Column("Model"), Column("Spent", numeric=True))


async def show(visit: Visit) -> Response:
    """The key's page without what changes it; the twin is `GET /v1/key`'s object."""
    key = await _own(visit)
    if visit.twin == "json":
        return Response(orjson.dumps(key), media_type="application/json")
    if visit.twin:  # all of the own calls
        return await visit.csv(as_csv(visit.store.requests.each({"key_id": key["id"]})))
    calls = await visit.store.requests.listed(
        {"key_id": key["id"]}, cursor=visit.query.given.get("cursor"), limit=LIMIT
    )
    details = await key_details.details(visit, key)
    return await visit.html(
        "me.html",
        **{
            **details,
            "refusal_table": lambda listed: key_details.refusal_table(visit, listed.rows, RECEIPTS),
            "days": await visit.part(_days(visit, key)),
            "calls": _calls(visit, calls),
        },
    )


async def _own(visit: Visit) -> dict[str, Any]:
    """The holder's key.  Raises NotFound for an operator, who has none."""
    if visit.key is None:
        raise NotFound("you are logged in with the master key, which has no page of its own")
    return await visit.store.keys.get(visit.key.id)


async def _days(visit: Visit, key: Mapping[str, Any]) -> dict[str, Any]:
    """Spend by day and model, as a chart and as its table."""
    today = visit.now.date()
    since = today - timedelta(days=SHOWN_DAYS - 1)
    spent = await spending.by_day_and_model(visit.store, key["id"], since)
    models = _ranked(spent)
    days = [since + timedelta(days=place) for place in range(SHOWN_DAYS)]
    bars = [(f"{day.day} {day:%b}", [spent.get((day, m), 0) for m in models]) for day in days]
    largest = formats.largest(spent.values())
    return {
        "chart": charts.stacked_days(bars, models, so_far=True) if spent else None,
        "legend": models,
        "table": Table(
            caption=f"Spend of the last {SHOWN_DAYS} days, by day and model",
            columns=DAY_COLUMNS,
            lines=[
                Line((day.isoformat(), model, cells.total(amount, largest)))
                for (day, model), amount in sorted(spent.items(), reverse=True)
            ],
            query=visit.query,
            twins=False,
        ),
    }


def _ranked(spent: Mapping[tuple[date, str], int]) -> Sequence[str]:
    """The models, dearest first."""
    sums: dict[str, int] = {}
    for (_, model), amount in spent.items():
        sums[model] = sums.get(model, 0) + amount
    return sorted(sums, key=lambda model: (-sums[model], model))


def _calls(visit: Visit, found: Listed[RequestView]) -> Table:
    lines = [
        Line((*line.cells[:1], *line.cells[2:]), href=line.href)
        for line in call_lines(visit, found.rows, {}, RECEIPTS)
    ]
    return Table(
        caption="Your calls, newest first",
        columns=tuple(Column(c.label, c.numeric, hint=c.hint) for c in OWN_COLUMNS),
        lines=lines,
        query=visit.query,
        next_cursor=found.next_cursor,
        empty="No call was made with this key yet.",
    )


PAGE: Final = Page(
    "me",
    "My key",
    (
        View(PATH, show, twins=True),
        View(f"{RECEIPTS}/{{id}}", receipts.show, twins=True),
    ),
    nav=False,
    shortcut="m",
    for_holders=True,
)
