"""Virtual keys: who has one, what is left of its budget, and everything about one of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.core.budgets import window_end
from app.core.pace import pace_of
from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Records, Table, options
from app.dashboard.page import Page, View
from app.dashboard.pages import budgets, key_changes, key_details
from app.store.database.moments import moment
from app.store.records.key_lists import KeySearch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from markupsafe import Markup
    from starlette.responses import Response

    from app.dashboard.page import Visit
    from app.store.records.key_lists import KeyLine
    from app.store.records.pages import Listed

PATH: Final = "/ui/keys"
LIMIT: Final = 50
TWIN_LIMIT: Final = 1_000
SHOWN_DAYS: Final = 30
DEFAULT_SORT: Final = "-created"
FILTERS: Final = ("q", "state", "only", "team")
STATES: Final = {"expired": "expired", "revoked": "revoked", "all": "all, also those that ended"}
ONLY: Final = {
    "near": "80 % used or more",
    "unused": "unused for 30 days",
    "expiring": "ending within 14 days",
    "unlimited": "without a budget",
}
COLUMNS: Final = (
    Column("Name", sorts=("name", "-name")),
    Column("Secret", hint="How the secret begins"),
    Column("Team"),
    Column("State"),
    Column("Budget", sorts=("-used", "used"), hint="Spent, held, left"),
    Column("Spent", numeric=True, sorts=("-spent", "spent"), hint="In the current window"),
    Column("Of", numeric=True),
    Column("30 days", hint="What it spent on each of the last 30 days, UTC"),
    Column("Starts again"),
    Column("Lasts", hint="At the mean of the last 7 whole days, UTC"),
    Column("Last used", sorts=("-last_used", "last_used")),
    Column("Ends", sorts=("expires", "-expires")),
    Column("Models"),
)


async def show(visit: Visit) -> Response:
    """The list, or its twin."""
    query = visit.query
    search = KeySearch(
        text=query["q"],
        state=query["state"] or "active",
        only=query["only"],
        team=query["team"],
        sort=query["sort"] or DEFAULT_SORT,
    )
    cursor = query.given.get("cursor")
    lists = visit.store.key_lists
    if visit.twin:

        async def read(cursor: str | None) -> Records:
            objects = await lists.objects(search, cursor=cursor, limit=TWIN_LIMIT)
            return Records(objects.rows, objects.next_cursor)

        return await visit.twin_of(read)
    found = await lists.listed(search, cursor=cursor, limit=LIMIT)
    days = [visit.now.date() - timedelta(days=back) for back in range(SHOWN_DAYS - 1, -1, -1)]
    by_day = await lists.by_day([row.id for row in found.rows], days[0])
    largest = formats.largest(row.spent_nano_usd for row in found.rows)
    lines = [_line(visit, row, largest, days, by_day[row.id]) for row in found.rows]
    return await visit.html(
        "keys.html", table=_table(visit, found, search.sort, lines), fields=await _fields(visit)
    )


def _table(visit: Visit, found: Listed[KeyLine], sort: str, lines: Sequence[Line]) -> Table:
    filtered = bool(visit.query.only(FILTERS))
    whole = found.next_cursor is None and "cursor" not in visit.query.given
    return Table(
        caption="Virtual keys",
        columns=COLUMNS,
        lines=lines,
        query=visit.query,
        sort=sort,
        next_cursor=found.next_cursor,
        note=f"{formats.counted(len(found.rows), 'key')}{'' if whole else ' of many'}.",
        empty="No key matches." if filtered else "There is no key yet: calls need one.",
        empty_href=PATH if filtered else f"{PATH}/new",
        empty_link="Show all active keys" if filtered else "Create the first key",
        hide_caption=True,
    )


def _line(
    visit: Visit, row: KeyLine, largest: int, days: Sequence[date], spent: Mapping[date, int]
) -> Line:
    query = visit.query
    href = query.elsewhere(f"{PATH}/{row.id}")
    limit = row.limit_nano_usd
    resets = window_end(row.budget_window, visit.now)
    team: Markup | str = formats.DASH
    if row.team_id is not None:
        team = cells.link(query.elsewhere(f"/ui/teams/{row.team_id}"), row.team_name or "", "name")
    return Line(
        href=href,
        quiet=row.revoked_us is not None,
        cells=(
            cells.link(href, row.name, "name"),
            cells.mono(f"{row.prefix}…"),
            team,
            key_details.state(visit, row.revoked_us, row.expires_us),
            charts.budget_bar(row.spent_nano_usd, row.held_nano_usd, limit),
            cells.total(row.spent_nano_usd, largest),
            formats.DASH if limit is None else cells.total(limit),
            charts.sparkline([spent.get(day, 0) for day in days]),
            formats.DASH if resets is None else cells.time(resets, visit.now, visit.zone),
            _lasts(visit, row, spent),
            key_details.when(visit, row.last_used_us, "never used"),
            key_details.when(visit, row.expires_us, "never"),
            cells.name(", ".join(row.models)) if row.models else "all",
        ),
    )


def _lasts(visit: Visit, row: KeyLine, spent: Mapping[date, int]) -> Markup | str:
    if row.limit_nano_usd is None or row.revoked_us is not None:
        return formats.DASH
    left = row.limit_nano_usd - row.spent_nano_usd - row.held_nano_usd
    pace = pace_of(spent, moment(row.created_us), visit.now)
    return budgets.lasts(visit, left, pace, row.budget_window)


async def _fields(visit: Visit) -> list[dict[str, Any]]:
    teams = await visit.store.teams.list(limit=1_000)
    return [
        {"name": "q", "label": "Name, secret’s beginning or id", "type": "search"},
        {"name": "team", "label": "Team", "options": options(t["name"] for t in teams["data"])},
        {"name": "state", "label": "State", "any": "active", "options": options(STATES, STATES)},
        {"name": "only", "label": "Only", "any": "all", "options": options(ONLY, ONLY)},
    ]


PAGE: Final = Page(
    "keys",
    "Keys",
    (
        View(PATH, show, twins=True),
        View(f"{PATH}/new", key_changes.new),
        View(f"{PATH}/new", key_changes.create, method="POST"),
        View(f"{PATH}/{{id}}", key_details.show, twins=True),
        View(f"{PATH}/{{id}}/edit", key_changes.edit),
        View(f"{PATH}/{{id}}/edit", key_changes.change, method="POST"),
        View(f"{PATH}/{{id}}/rotate", key_changes.rotate, method="POST"),
        View(f"{PATH}/{{id}}/revoke", key_changes.revoke, method="POST"),
    ),
    shortcut="k",
)
