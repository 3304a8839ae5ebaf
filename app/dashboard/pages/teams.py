"""Teams: a budget over several keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from app.core.budgets import WINDOWS, window_end
from app.core.errors import BadRequest
from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.page import ACTOR, Page, View
from app.dashboard.pages import key_details
from app.dashboard.pages.windows import window_record, window_table
from app.store.records.key_lists import KeySearch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.dashboard.page import Visit
    from app.store.records.key_lists import KeyLine

PATH: Final = "/ui/teams"
LIMIT: Final = 50
TWIN_LIMIT: Final = 1_000
COLUMNS: Final = (
    Column("Team"),
    Column("Budget", hint="Spent, held, left"),
    Column("Spent", numeric=True, hint="In the current window"),
    Column("Held", numeric=True),
    Column("Of", numeric=True),
    Column("Starts again"),
    Column("In its whole life", numeric=True),
)
KEY_COLUMNS: Final = (
    Column("Key"),
    Column("State"),
    Column("Budget"),
    Column("Spent", numeric=True, hint="In the key’s own window"),
    Column("Last used"),
)


async def show(visit: Visit) -> Response:
    """The list, or its twin."""

    async def read(cursor: str | None) -> Records:
        found = await visit.store.teams.list(cursor=cursor, limit=TWIN_LIMIT)
        return Records(found["data"], found["next_cursor"])

    if visit.twin:
        return await visit.twin_of(read)
    listed = await visit.store.teams.list(cursor=visit.query.given.get("cursor"), limit=LIMIT)
    largest = formats.largest(formats.nano(team["spent_usd"]) for team in listed["data"])
    table = Table(
        caption="Teams, newest first",
        columns=COLUMNS,
        lines=[_line(visit, team, largest) for team in listed["data"]],
        query=visit.query,
        next_cursor=listed["next_cursor"],
        empty="There is no team yet: one budget over several keys.",
        empty_href=f"{PATH}/new",
        empty_link="Create a team",
        hide_caption=True,
    )
    return await visit.html("teams.html", table=table)


async def show_one(visit: Visit) -> Response:
    """A team with its keys and windows; its twins are its object, and its windows as CSV."""
    team = await visit.store.teams.get(visit.id("id"))
    windows = await visit.store.window_history.of("team", team["id"])
    if visit.twin == "json":
        return Response(orjson.dumps(team), media_type="application/json")
    if visit.twin:
        return visit.records(Records([window_record(each) for each in windows]))
    keys = await visit.store.key_lists.listed(
        KeySearch(team=team["id"], state="all", sort="-spent"), limit=LIMIT
    )
    limit, spent, held = _amounts(team)
    return await visit.html(
        "team.html",
        team=team,
        limit=limit,
        spent=spent,
        held=held,
        left=None if limit is None else limit - spent - held,
        bar=charts.budget_bar(spent, held, limit),
        resets_at=window_end(team["budget_window"], visit.now),
        keys=_keys(visit, keys.rows, more=keys.next_cursor is not None),
        windows=window_table(visit, windows, limit),
    )


async def new(visit: Visit) -> Response:
    """The empty form."""
    return await _form(visit, {})


async def create(visit: Visit) -> Response:
    """A team; or the form again, saying what was wrong."""
    try:
        given = {name: value for name, value in _fields(visit).items() if value is not None}
        team = await visit.store.teams.create(given, actor=ACTOR)
    except BadRequest as error:
        return await _form(visit, visit.form, error=error)
    return visit.go(f"{PATH}/{team['id']}")


async def edit(visit: Visit) -> Response:
    """The form with what the team has."""
    team = await visit.store.teams.get(visit.id("id"))
    has = {name: team[name] or "" for name in ("name", "max_budget_usd", "budget_window")}
    return await _form(visit, has, team=team)


async def change(visit: Visit) -> Response:
    """Change what differs, and nothing else."""
    team = await visit.store.teams.get(visit.id("id"))
    try:
        wanted = _fields(visit)
        changed = {name: value for name, value in wanted.items() if value != team[name]}
        await visit.store.teams.update(team["id"], changed, actor=ACTOR)
    except BadRequest as error:
        return await _form(visit, visit.form, team=team, error=error)
    return visit.go(f"{PATH}/{team['id']}")


async def _form(
    visit: Visit,
    values: Mapping[str, str],
    *,
    team: Mapping[str, Any] | None = None,
    error: BadRequest | None = None,
) -> Response:
    status = 200 if error is None else 400
    return await visit.html(
        "team_form.html", status=status, team=team, values=values, error=error, windows=WINDOWS
    )


def _fields(visit: Visit) -> dict[str, Any]:
    form = visit.form
    name = form.get("name", "").strip()
    if not name:
        raise BadRequest("name: a team needs one", param="name")
    limit = form.get("max_budget_usd", "").strip().lstrip("$").replace(",", "")
    return {
        "name": name,
        "max_budget_usd": limit or None,
        "budget_window": form.get("budget_window") or "none",
    }


def _amounts(team: Mapping[str, Any]) -> tuple[int | None, int, int]:
    limit = None if team["max_budget_usd"] is None else formats.nano(team["max_budget_usd"])
    return limit, formats.nano(team["spent_usd"]), formats.nano(team["reserved_usd"])


def _line(visit: Visit, team: Mapping[str, Any], largest: int) -> Line:
    limit, spent, held = _amounts(team)
    href = visit.query.elsewhere(f"{PATH}/{team['id']}")
    resets = window_end(team["budget_window"], visit.now)
    return Line(
        href=href,
        cells=(
            cells.link(href, team["name"], "name"),
            charts.budget_bar(spent, held, limit),
            cells.total(spent, largest),
            cells.total(held),
            formats.DASH if limit is None else cells.total(limit),
            formats.DASH if resets is None else cells.time(resets, visit.now, visit.zone),
            cells.total(formats.nano(team["lifetime_spent_usd"])),
        ),
    )


def _keys(visit: Visit, rows: Sequence[KeyLine], *, more: bool) -> Table:
    largest = formats.largest(row.spent_nano_usd for row in rows)
    lines = []
    for row in rows:
        href = visit.query.elsewhere(f"/ui/keys/{row.id}")
        lines.append(
            Line(
                href=href,
                quiet=row.revoked_us is not None,
                cells=(
                    cells.link(href, row.name, "name"),
                    key_details.state(visit, row.revoked_us, row.expires_us),
                    charts.budget_bar(row.spent_nano_usd, row.held_nano_usd, row.limit_nano_usd),
                    cells.total(row.spent_nano_usd, largest),
                    key_details.when(visit, row.last_used_us, "never used"),
                ),
            )
        )
    return Table(
        caption="Its keys, greatest spend first",
        columns=KEY_COLUMNS,
        lines=lines,
        query=visit.query,
        note=f"The {len(rows)} that spent most." if more else "",
        empty="It has no key yet.",
        twins=False,
    )


PAGE: Final = Page(
    "teams",
    "Teams",
    (
        View(PATH, show, twins=True),
        View(f"{PATH}/new", new),
        View(f"{PATH}/new", create, method="POST"),
        View(f"{PATH}/{{id}}", show_one, twins=True),
        View(f"{PATH}/{{id}}/edit", edit),
        View(f"{PATH}/{{id}}/edit", change, method="POST"),
    ),
    shortcut="t",
)
