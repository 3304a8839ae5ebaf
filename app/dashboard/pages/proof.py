"""Whether all of it can be trusted: sums against rows, guesses to settle, who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.page import Page, View
from app.dashboard.pages import attempts
from app.dashboard.pages.requests import COLUMNS, call_lines
from app.store.database.moments import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from app.dashboard.page import Visit

PATH: Final = "/ui/proof"
LIMIT: Final = 50
TWIN_LIMIT: Final = 1_000
SHOWN_GUESSES: Final = 10
PLACES: Final = {"key_": "/ui/keys/", "team_": "/ui/teams/", "req_": "/ui/requests/"}
DIFFERENCE_COLUMNS: Final = (
    Column("Of"),
    Column("Which"),
    Column("Figure"),
    Column("Counted", numeric=True),
    Column("Rows add up to", numeric=True),
)
PROCESS_COLUMNS: Final = (
    Column("Process"),
    Column("State"),
    Column("Started"),
    Column("Lease ends"),
    Column("Open calls", numeric=True),
    Column("Held", numeric=True),
)
AUDIT_COLUMNS: Final = (
    Column("When"),
    Column("Who"),
    Column("Did"),
    Column("To"),
    Column("Before → after"),
)


async def show(visit: Visit) -> Response:
    """The page; its twins are the audit log."""

    async def read(cursor: str | None) -> Records:
        found = await visit.store.audit.list(cursor=cursor, limit=TWIN_LIMIT)
        return Records(found["data"], found["next_cursor"])

    if visit.twin:
        return await visit.twin_of(read)
    entries = await visit.store.audit.list(cursor=visit.query.given.get("cursor"), limit=LIMIT)
    checked = None
    if visit.query["check"]:  # over the whole ledger, so only when it is asked for
        checked = await visit.store.reports.reconcile()
    return await visit.html(
        "proof.html",
        checked=checked,
        differences=_differences(visit, checked) if checked else None,
        guesses=await visit.part(_guesses(visit)),
        attempts=await visit.part(attempts.recent(visit)),
        processes=await visit.part(_processes(visit)),
        audit=_audit(visit, entries),
    )


def _differences(visit: Visit, checked: Mapping[str, Any]) -> Table:
    return Table(
        caption="What counters say, and what the rows add up to",
        columns=DIFFERENCE_COLUMNS,
        lines=[
            Line(
                (
                    each["kind"],
                    cells.mono(each["id"]),
                    each["field"].replace("_", " "),
                    each["counted"],
                    each["ledger"],
                )
            )
            for each in checked["differences"]
        ],
        query=visit.query,
        empty="No difference.",
        twins=False,
    )


async def _guesses(visit: Visit) -> Table:
    found = await visit.store.requests.listed({"cost_source": "estimated"}, limit=SHOWN_GUESSES)
    names = await visit.store.keys.names({row.key_id for row in found.rows})
    return Table(
        caption="Calls whose cost is a guess, newest first",
        columns=tuple(Column(c.label, c.numeric, hint=c.hint) for c in COLUMNS),
        lines=call_lines(visit, found.rows, names),
        query=visit.query,
        note="The newest of many." if found.next_cursor else "",
        empty="None: every cost is exact, billed or corrected.",
        twins=False,
    )


async def _processes(visit: Visit) -> Table:
    found = await visit.store.processes.list()
    return Table(
        caption="The gateway’s processes, newest first",
        columns=PROCESS_COLUMNS,
        lines=[
            Line(
                (
                    cells.mono(each.id),
                    cells.badge("alive", "good")
                    if each.alive
                    else cells.badge("lost", "bad", "What it held is charged as lost calls are"),
                    cells.time(moment(each.started_us), visit.now, visit.zone),
                    cells.time(moment(each.expires_us), visit.now, visit.zone),
                    cells.number(each.open_calls),
                    cells.total(each.held_nano_usd),
                )
            )
            for each in found
        ],
        query=visit.query,
        empty="No process has a lease.",
        twins=False,
    )


def _audit(visit: Visit, entries: Mapping[str, Any]) -> Table:
    return Table(
        caption="Who changed what, newest first",
        columns=AUDIT_COLUMNS,
        lines=[
            Line(
                (
                    cells.time(datetime.fromisoformat(each["at"]), visit.now, visit.zone),
                    each["actor"],
                    cells.name(each["action"]),
                    _target(visit, each["target"]),
                    Markup('<span class="changes">{}</span>').format(changes(each["details"])),
                )
            )
            for each in entries["data"]
        ],
        query=visit.query,
        next_cursor=entries["next_cursor"],
        empty="Nothing was changed yet.",
    )


def changes(details: Mapping[str, Any]) -> Markup:
    """'name: a → b' for each field that changed; what has no before is told as it is."""
    if "before" not in details and "after" not in details:
        return _pairs(details)
    before, after = details.get("before") or {}, details.get("after") or {}
    others = {name: value for name, value in details.items() if name not in ("before", "after")}
    names = dict.fromkeys((*before, *after))
    told = [
        Markup("<span><small>{}</small> {} → {}</span>").format(
            name.replace("_", " "),
            _value((before or {}).get(name)),
            _value((after or {}).get(name)),
        )
        for name in names
    ]
    return Markup(" ").join([*told, *([_pairs(others)] if others else [])]) or Markup("–")


def _pairs(details: Mapping[str, Any]) -> Markup:
    return Markup(" ").join(
        Markup("<span><small>{}</small> {}</span>").format(name.replace("_", " "), _value(value))
        for name, value in details.items()
    )


def _value(value: object) -> Markup:
    if value is None:
        return Markup("<span class=quiet>nothing</span>")
    if isinstance(value, list | tuple):
        return cells.name(", ".join(map(str, value)))
    if isinstance(value, dict):
        return cells.name(", ".join(f"{name} {each}" for name, each in value.items()))
    return cells.name(str(value))


def _target(visit: Visit, target: str) -> Markup:
    for prefix, place in PLACES.items():
        if target.startswith(prefix):
            return cells.link(visit.query.elsewhere(place + target), target, "name")
    return cells.name(target or formats.DASH)


PAGE: Final = Page(
    "proof",
    "Proof",
    (View(PATH, show, twins=True), View(attempts.PATH, attempts.show, twins=True)),
    shortcut="p",
)
