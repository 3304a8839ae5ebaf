"""What caching and routing saved or lost: two halves, never one number."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from app.core.errors import BadRequest
from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.page import Page, View
from app.dashboard.pages import routed, whatif
from app.store.records.ranges import range_of
from app.store.records.savings_json import savings_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.dashboard.page import Visit
    from app.store.records.savings import OfDay, OfMarks, OfPrefix, OfReason, OfRoute, Savings

PATH: Final = "/ui/savings"
MARKS: Final = {
    "gateway": "placed by Tollkeeper",
    "caller": "placed by the caller",
    "both": "placed by both",
    "none": "none placed",
}
MARK_COLUMNS: Final = (
    Column("Breakpoints"),
    Column("Calls", numeric=True),
    Column("Read", numeric=True, hint="Share of the prompts that came from the cache"),
    Column("Saved, net", numeric=True, hint="Without a cache less with it; writing is in"),
    Column("Of it lost", numeric=True, hint="Calls that cost more for writing than they saved"),
    Column("Misses", numeric=True),
    Column("Misses cost", numeric=True, hint="What reading would have saved on top"),
)
PREFIX_COLUMNS: Final = (
    Column("Prefix", hint="Tools and system prompt, by their digest; leads to a call with it"),
    *MARK_COLUMNS[1:],
    Column("Advice"),
)
REASON_COLUMNS: Final = (
    Column("Why it missed"),
    Column("Misses", numeric=True),
    Column("Cost", numeric=True),
    Column("What helps"),
)
ROUTE_COLUMNS: Final = (
    Column("Answered by"),
    Column("Because"),
    Column("Calls", numeric=True),
    Column("Share", numeric=True),
    Column("Saved, at most", numeric=True),
)
DAY_COLUMNS: Final = (
    Column("Day"),
    Column("Calls", numeric=True),
    Column("Caching saved", numeric=True),
    Column("Routing saved, at most", numeric=True),
    Column("Misses cost", numeric=True),
)


async def show(visit: Visit) -> Response:
    """The page; `.json` is the admin API's report; `of` asks for one table, prefixes as CSV."""
    period = visit.query.period(visit.now, "30d")
    ends = period.filters()
    within = range_of(ends.get("from"), ends.get("to"))
    savings = visit.store.savings.read(within, visit.zone.info)
    routing = visit.store.routed.read(within)
    if visit.twin:
        return _twin(visit, savings_json(await savings, await routing))
    read, shared = await asyncio.gather(visit.soon(savings), visit.soon(routing))
    found: Savings | None = read.value
    return await visit.html(
        "savings.html",
        period=period,
        report=read,
        found=None if found is None else _parts(visit, found),
        shared=shared,
        routed=None if shared.value is None else routed.parts(visit, shared.value),
    )


def _twin(visit: Visit, report: dict[str, Any]) -> Response:
    """All of the report, or the rows of one table.  Raises BadRequest."""
    caching, routing = report["caching"], report["routing"]
    tables = {
        "prefixes": caching["by_prefix"],
        "marks": caching["by_marks"],
        "misses": caching["by_reason"],
        "routes": routing["by_route"],
        "tiers": routing["by_tier"],
        "scores": routing["by_score"],
        "days": report["by_day"],
    }
    name = visit.query["of"]
    if name and name not in tables:
        raise BadRequest(f"of must be one of {', '.join(tables)}", param="of")
    if visit.twin == "json" and not name:
        return Response(orjson.dumps(report), media_type="application/json")
    rows = tables[name or "prefixes"]
    if visit.twin == "csv" and name == "scores":
        rows = [{**each, **each.pop("requests_by_tier")} for each in rows]
    return visit.records(Records(rows))


def _parts(visit: Visit, found: Savings) -> dict[str, Any]:
    caching = found.caching
    return {
        "caching": caching,
        "read_share": formats.share(caching.read_tokens, caching.prompt_tokens),
        "routing_saved": sum(each.saved_nano_usd for each in found.routes),
        "routed_calls": sum(each.requests for each in found.routes),
        "marks": _marks(visit, found.marks),
        "prefixes": _prefixes(visit, found.prefixes),
        "reasons": _reasons(visit, found.reasons),
        "routes": _routes(visit, found.routes),
        "chart": _chart(found.days),
        "days": _days(visit, found.days),
    }


def _figures(each: OfMarks | OfPrefix, largest: int) -> tuple[str, ...]:
    sums = each.sums
    lost = cells.gain(-sums.lost_nano_usd) if sums.lost_nano_usd else formats.DASH
    return (
        cells.number(sums.requests),
        formats.share(sums.read_tokens, sums.prompt_tokens),
        cells.gain(sums.saved_nano_usd),
        lost,
        cells.number(sums.misses),
        cells.total(sums.missed_nano_usd, largest),
    )


def _marks(visit: Visit, found: Sequence[OfMarks]) -> Table:
    largest = formats.largest(each.sums.missed_nano_usd for each in found)
    return Table(
        caption="By who placed the breakpoints",
        columns=MARK_COLUMNS,
        lines=[Line((MARKS.get(m.marks, m.marks), *_figures(m, largest))) for m in found],
        query=visit.query,
        empty="No call was answered in this range.",
        of="marks",
    )


def _prefixes(visit: Visit, found: Sequence[OfPrefix]) -> Table:
    largest = formats.largest(each.sums.missed_nano_usd for each in found)
    return Table(
        caption="By prefix: those that cost or saved most",
        columns=PREFIX_COLUMNS,
        lines=[
            Line(
                (
                    cells.link(visit.query.elsewhere(f"/ui/requests/{p.example}"), p.prefix),
                    *_figures(p, largest),
                    " ".join(p.advice) or formats.DASH,
                )
            )
            for p in found
        ],
        query=visit.query,
        empty="No call of this range had tools or a system prompt.",
        of="prefixes",
    )


def _reasons(visit: Visit, found: Sequence[OfReason]) -> Table:
    largest = formats.largest(each.missed_nano_usd for each in found)
    return Table(
        caption="Misses by reason",
        columns=REASON_COLUMNS,
        lines=[
            Line(
                (
                    each.reason.replace("_", " "),
                    cells.number(each.misses),
                    cells.total(each.missed_nano_usd, largest),
                    each.advice or formats.DASH,
                )
            )
            for each in found
        ],
        query=visit.query,
        empty="No miss in this range.",
        of="misses",
    )


def _routes(visit: Visit, found: Sequence[OfRoute]) -> Table:
    calls = sum(each.requests for each in found)
    return Table(
        caption="By the model that answered, and why it was chosen",
        columns=ROUTE_COLUMNS,
        lines=[
            Line(
                (
                    cells.name(each.model),
                    each.reason.replace("_", " "),
                    cells.number(each.requests),
                    formats.share(each.requests, calls),
                    cells.gain(each.saved_nano_usd),
                )
            )
            for each in found
        ],
        query=visit.query,
        empty="Nothing was saved by routing in this range.",
        of="routes",
    )


def _chart(days: Sequence[OfDay]) -> str:
    if len(days) < 2:
        return ""
    bars = [(each.day[5:], [max(each.cache_saved_nano_usd, 0)]) for each in days]
    return charts.stacked_days(bars, ["what caching saved"], so_far=False)


def _days(visit: Visit, days: Sequence[OfDay]) -> Table:
    return Table(
        caption=f"By day, {visit.zone.name}",
        columns=DAY_COLUMNS,
        lines=[
            Line(
                (
                    each.day,
                    cells.number(each.requests),
                    cells.gain(each.cache_saved_nano_usd),
                    cells.gain(each.routing_saved_nano_usd),
                    cells.total(each.missed_nano_usd),
                )
            )
            for each in days
        ],
        query=visit.query,
        empty="No call was answered in this range.",
        of="days",
    )


PAGE: Final = Page(
    "savings",
    "Savings",
    (View(PATH, show, twins=True), View(f"{PATH}/whatif", whatif.show, twins=True)),
    shortcut="v",
)
