"""Attempts at upstreams by how they ended, with what each kind of end was charged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.core.errors import BadRequest
from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.query import Period
from app.store.records.attempts import ENDS, failure_json, upstream_json
from app.store.records.ranges import range_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from app.dashboard.page import Visit
    from app.store.records.attempts import AttemptReport, OfFailure, OfUpstream
    from app.store.records.ranges import Range

PATH: Final = "/ui/proof/attempts"
DEFAULT_RANGE: Final = "7d"
RECENT: Final = timedelta(days=1)
WORDS: Final = {
    "answered": ("answered", "good"),
    "refused": ("refused", "warn"),
    "never_sent": ("never connected", "warn"),
    "cut": ("cut short", "bad"),
    "unknown": ("unknown", "bad"),
}
UPSTREAM_COLUMNS: Final = (
    Column("Upstream"),
    Column("Model"),
    Column("Tried", numeric=True),
    Column("Answered", numeric=True),
    Column("Refused", numeric=True, hint="By the upstream: 4xx, 429, 5xx, 529; nothing is charged"),
    Column("Never connected", numeric=True, hint="Nothing is charged"),
    Column("Cut short", numeric=True, hint="The answer broke off; charged as far as it came"),
    Column("Unknown", numeric=True, hint="Nothing came, or the process was lost; charged so far"),
    Column("For answers", numeric=True, hint="What the answers cost"),
    Column("For the rest", numeric=True, hint="What is charged for cut and unknown ends"),
)
FAILURE_COLUMNS: Final = (
    Column("End"),
    Column("Upstream"),
    Column("Status", numeric=True),
    Column("Error"),
    Column("Attempts", numeric=True),
    Column("Charged", numeric=True),
)


async def show(visit: Visit) -> Response:
    """The page; its twins are the upstreams, or, `of` failures, those."""
    period = visit.query.period(visit.now, DEFAULT_RANGE)
    reading = visit.store.attempts.read(_within(period))
    if visit.twin:
        return _twin(visit, await reading)
    read = await visit.soon(reading)
    found: AttemptReport | None = read.value
    return await visit.html(
        "attempts.html",
        period=period,
        report=read,
        told=None if found is None else _parts(visit, found),
    )


async def recent(visit: Visit) -> Table:
    """Those of the last 24 hours, as a part of another page."""
    period = Period(visit.now - RECENT, None, visit.zone)
    found = await visit.store.attempts.read(_within(period))
    return replace(_upstreams(visit, found), twins=False)


def _within(period: Period) -> Range:
    ends = period.filters()
    return range_of(ends.get("from"), ends.get("to"))


def _twin(visit: Visit, found: AttemptReport) -> Response:
    tables = {
        "upstreams": [upstream_json(each) for each in found.upstreams],
        "failures": [failure_json(each) for each in found.failures],
    }
    name = visit.query["of"] or "upstreams"
    if name not in tables:
        raise BadRequest(f"of must be one of {', '.join(tables)}", param="of")
    return visit.records(Records(tables[name]))


def _parts(visit: Visit, found: AttemptReport) -> dict[str, Any]:
    """What the template draws."""
    left = f"{formats.count(found.left)} older calls that did not go smoothly are left out."
    return {
        "upstreams": _upstreams(visit, found),
        "failures": _failures(visit, found.failures),
        "left": left if found.left else "",
    }


def _upstreams(visit: Visit, found: AttemptReport) -> Table:
    shown = found.upstreams
    largest = formats.largest(each.answered_nano_usd for each in shown)
    footer = (
        "All, exact",
        "",
        cells.number(sum(each.tried for each in shown)),
        *(cells.number(sum(getattr(each, end) for each in shown)) for end in ENDS),
        cells.exact(sum(each.answered_nano_usd for each in shown)),
        cells.exact(sum(each.other_nano_usd for each in shown)),
    )
    corrected = ""
    if found.corrected_nano_usd:
        more = formats.exact(found.corrected_nano_usd)
        corrected = f"Corrections by hand changed the sum of both by {more}."
    return Table(
        caption="By upstream and model",
        columns=UPSTREAM_COLUMNS,
        lines=[_line(each, largest) for each in shown],
        query=visit.query,
        footer=footer if shown else (),
        note=corrected,
        empty="No call has ended in this range.",
        of="upstreams",
    )


def _line(each: OfUpstream, largest: int) -> Line:
    return Line(
        (
            cells.name(each.upstream),
            cells.name(each.model),
            cells.number(each.tried),
            *(cells.number(getattr(each, end)) for end in ENDS),
            cells.total(each.answered_nano_usd, largest),
            cells.total(each.other_nano_usd, largest, guessed=bool(each.other_nano_usd)),
        )
    )


def _failures(visit: Visit, found: Sequence[OfFailure]) -> Table:
    return Table(
        caption="What went wrong, the most frequent first",
        columns=FAILURE_COLUMNS,
        lines=[
            Line(
                (
                    cells.badge(*WORDS[each.end]),
                    cells.name(each.upstream),
                    formats.DASH if each.status is None else str(each.status),
                    cells.name(each.error),
                    cells.number(each.attempts),
                    cells.total(each.nano_usd, guessed=bool(each.nano_usd)),
                )
            )
            for each in found
        ],
        query=visit.query,
        empty="Every attempt was answered.",
        of="failures",
    )
