"""What was spent, by whose it was, what it was for and when; and why it changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from app.core.errors import BadRequest
from app.core.spend_change import FACTORS, effects
from app.dashboard import over_time
from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Records, Table, options
from app.dashboard.page import Page, View
from app.dashboard.pages.spend_lines import NUMBERS, others, spend_cells, with_group
from app.dashboard.spending import COST_ALONE
from app.store.database.moments import moment
from app.store.records.model_names import meant_model
from app.store.records.ranges import Range, range_of
from app.store.reports.query import GROUPS, SPEND_FILTERS, TIMES, SpendQuery
from app.store.reports.spend_views import row_json, spend_csv, sums_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from starlette.responses import Response

    from app.dashboard.page import Visit
    from app.dashboard.query import Period
    from app.store.reports.query import SpendReport, Sums

PATH: Final = "/ui/spend"
LIMIT: Final = 100
TWIN_LIMIT: Final = 1_000
DEFAULT_RANGE: Final = "30d"
DEFAULT_SORT: Final = "-cost_usd"
COMPARED: Final = "prev"
TITLES: Final = {
    "key": "Key",
    "team": "Team",
    "model": "Model",
    "day": "Day",
    "hour": "Hour",
    "month": "Month",
    "user": "End user",
    "tag": "Tag",
    "conversation": "Conversation",
}
CHANGE: Final = {
    "calls": ("Calls", "more or fewer of them"),
    "size": ("Size", "longer or shorter prompts and answers"),
    "mix": ("Mix", "other models"),
    "cache": ("Cache", "another share of the prompts written to it or read from it"),
    "price": ("Price", "the same tokens at other rates"),
    "other": ("Other", "searches, attempts without an answer, corrections"),
}
CHANGE_COLUMNS: Final = (
    Column("Because of"),
    Column("That is"),
    Column("Changed the sum by", numeric=True),
)


async def show(visit: Visit) -> Response:
    """The report, or its twin: the admin API's own rows."""
    groups, period = _groups(visit), visit.query.period(visit.now, DEFAULT_RANGE)
    query = _asked(visit, groups, period)
    if visit.twin == "csv":
        return await visit.csv(_pieces(visit, replace(query, cursor=None)))
    if visit.twin:
        report = await visit.store.reports.spend(replace(query, limit=TWIN_LIMIT))
        rows = [row_json(row) for row in report.rows]
        totals = {"totals": sums_json(report.totals)}
        return visit.records(Records(rows, report.next_cursor, totals))
    before = period.moved(-1) if visit.query["compare"] == COMPARED else None
    return await visit.html(
        "spend.html",
        period=period,
        before=before,
        can_compare=period.moved(-1) is not None,
        groups=[{"value": name, "label": TITLES[name]} for name in TITLES],
        chosen=groups,
        fields=_fields(visit),
        chart=await visit.part(over_time.by_model(visit, query.filters, period)),
        table=await visit.part(_table(visit, query, before)),
        why=await _why(visit, before, period),
    )


def _groups(visit: Visit) -> tuple[str, ...]:
    """One or two; the second is `and`, or stands in `by` behind a comma.  Raises BadRequest."""
    given = [*visit.query["by"].split(","), visit.query["and"]]
    groups = tuple(dict.fromkeys(name.strip() for name in given if name.strip())) or ("key",)
    for name in groups:
        if name not in GROUPS:
            raise BadRequest(f"by must be of {', '.join(TITLES)}", param="by")
    if len(groups) > 2:
        raise BadRequest("by: two groups are as many as a page shows", param="by")
    return groups


def _asked(visit: Visit, groups: tuple[str, ...], period: Period) -> SpendQuery:
    ends = period.filters()
    return SpendQuery(
        groups,
        from_=ends.get("from"),
        to=ends.get("to"),
        zone=visit.zone.info,
        filters=_filters(visit),
        sort=visit.query["sort"] or _usual_order(groups),
        limit=LIMIT,
        cursor=visit.query.given.get("cursor"),
    )


def _usual_order(groups: tuple[str, ...]) -> str:
    """Times run backwards, everything else begins with the dearest."""
    return f"-{groups[0]}" if groups[0] in ("hour", "day", "month") else DEFAULT_SORT


def _filters(visit: Visit) -> dict[str, str]:
    given = visit.query.only(SPEND_FILTERS)
    if "model" in given:
        given["model"] = meant_model(given["model"], visit.running.gateway.policy.catalog)
    return given


async def _pieces(visit: Visit, query: SpendQuery) -> AsyncIterator[str]:
    """All rows, whatever the page shows."""
    report = await visit.store.reports.spend(replace(query, limit=None))
    for piece in spend_csv(report):
        yield piece


async def _table(visit: Visit, query: SpendQuery, before: Period | None) -> Table:
    report = await visit.store.reports.spend(query)
    earlier: SpendReport | None = None
    if before is not None:
        ends = before.filters()
        earlier = await visit.store.reports.spend(
            replace(
                query,
                **{"sort": None, "limit": None, "cursor": None, **COST_ALONE, "totals": True},
                from_=ends["from"],
                to=ends["to"],
                only={
                    name: list(dict.fromkeys(row.group[name] for row in report.rows))
                    for name in query.groups
                    if name not in TIMES
                },
            )
        )
    known: Mapping[tuple[str | None, ...], Sums] = (
        {} if earlier is None else {tuple(row.group.values()): row.sums for row in earlier.rows}
    )
    compared = earlier is not None
    largest = formats.largest(row.sums.cost_nano_usd for row in report.rows)
    lines = [
        with_group(
            visit, row, spend_cells(row.sums, report.totals, largest), known, compared=compared
        )
        for row in report.rows
    ]
    rest = others(report, first_page=query.cursor is None)
    if rest is not None:
        blank = [""] * (len(query.groups) - 1)
        tail = [""] if compared else []
        lines.append(
            Line(("all others", *blank, *spend_cells(rest, report.totals, largest), *tail))
        )
    return Table(
        caption="Spend by " + " and ".join(TITLES[name].lower() for name in query.groups),
        columns=_columns(query.groups, compared=compared),
        lines=lines,
        query=visit.query,
        sort=query.sort or "",
        footer=_footer(query.groups, report, earlier) if report.rows else (),
        next_cursor=report.next_cursor,
        note=_note(report),
        empty=await _empty(visit),
        empty_href=visit.query.link(PATH, range="30d", from_=None, to=None),
        empty_link="The last 30 days",
        hide_caption=True,
    )


def _columns(groups: Sequence[str], *, compared: bool) -> tuple[Column, ...]:
    times = ("hour", "day", "month")
    heads = [
        Column(
            TITLES[name],
            sorts=(f"-{name}", name) if name in times else (name, f"-{name}"),
        )
        for name in groups
    ]
    change = [Column("Change", numeric=True, hint="Against the range before")] if compared else []
    return (*heads, *NUMBERS, *change)


def _footer(
    groups: Sequence[str], report: SpendReport, earlier: SpendReport | None
) -> tuple[str, ...]:
    blank = [""] * (len(groups) - 1)
    totals = report.totals
    figures = spend_cells(totals, totals, totals.cost_nano_usd, exact=True)
    change = []
    if earlier is not None:
        change = [formats.change(totals.cost_nano_usd, earlier.totals.cost_nano_usd)]
    return ("Total, exact", *blank, *figures, *change)


def _note(report: SpendReport) -> str:
    told = formats.counted(len(report.rows), "row")
    told += "." if report.next_cursor is None else " of many."
    if "tag" in report.groups:
        told += " A call with several tags stands in several rows, and once in the total."
    return told


async def _empty(visit: Visit) -> str:
    if visit.query.only(SPEND_FILTERS):
        return "No finished call matches in this range."
    latest = await visit.store.requests.listed({}, limit=1)
    if not latest.rows:
        return "No call was made yet."
    ago = formats.relative(moment(latest.rows[0].created_us), visit.now)
    return f"No finished call in this range. The latest one was {ago}."


async def _why(visit: Visit, before: Period | None, period: Period) -> Any:  # noqa: ANN401
    """The change by what caused it; None where nothing is compared or something is left out."""
    if before is None or _filters(visit):
        return None
    return await visit.part(_change(visit, before, period))


async def _change(visit: Visit, before: Period, after: Period) -> dict[str, Any]:
    earlier, later = (_bounds(each) for each in (before, after))
    sums = await visit.store.spend_changes.both(earlier, later)
    by_factor = effects(*sums)
    then, now = (sum(spent.total_nano_usd for spent in each.values()) for each in sums)
    lines = [Line((*CHANGE[name], cells.difference(by_factor[name]))) for name in FACTORS]
    table = Table(
        caption="What changed the sum, in the order in which it is reckoned",
        columns=CHANGE_COLUMNS,
        lines=lines,
        query=visit.query,
        footer=("All together, exact", "", cells.difference(now - then, exact=True)),
        twins=False,
    )
    return {"before": formats.exact(then), "after": formats.exact(now), "table": table}


def _bounds(period: Period) -> Range:
    ends = period.filters()
    return range_of(ends["from"], ends["to"])


def _fields(visit: Visit) -> list[dict[str, Any]]:
    catalog = visit.running.gateway.policy.catalog
    return [
        {"name": "key_id", "label": "Key id"},
        {"name": "team", "label": "Team"},
        {"name": "model", "label": "Model", "options": options(catalog.models)},
        {"name": "tag", "label": "Tag"},
        {"name": "user", "label": "End user"},
        {"name": "from", "label": "From", "type": "date"},
        {"name": "to", "label": "Before", "type": "date"},
    ]


PAGE: Final = Page("spend", "Spend", (View(PATH, show, twins=True),), shortcut="s")
