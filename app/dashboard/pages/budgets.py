"""Every budget: what is spent, held and left, when it starts again, and if it lasts till then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.core.budgets import window_end
from app.core.errors import BadRequest, NotFound
from app.core.pace import LEAST_DAYS, PACE_DAYS, used_up_at
from app.core.zones import microseconds
from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Records, Table, options
from app.dashboard.page import Page, View
from app.dashboard.pages.windows import window_record, window_table
from app.store.records.budgets import budget_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from markupsafe import Markup
    from starlette.responses import Response

    from app.core.budgets import ScopeKind, Window
    from app.core.pace import Pace
    from app.dashboard.page import Visit
    from app.store.records.budgets import Budget

PATH: Final = "/ui/budgets"
SCOPES: Final = {
    "global": "all keys",
    "team": "team",
    "key": "key",
    "key_model": "model of a key",
    "conversation": "conversation",
}
WITH_WINDOWS: Final[tuple[ScopeKind, ...]] = ("global", "team", "key", "key_model")
MOST_SHOWN: Final = 200
NO_DAYS: Final = "days are not summed by conversation"
TOO_FEW: Final = f"from its day {LEAST_DAYS + 1} on: before that a mean says little"
COLUMNS: Final = (
    Column("Whose"),
    Column("Scope"),
    Column("Budget", hint="Spent, held, left"),
    Column("Spent", numeric=True, hint="In the current window"),
    Column("Held", numeric=True, hint="By calls that run"),
    Column("Left", numeric=True),
    Column("Of", numeric=True),
    Column("Starts again", hint="Windows are UTC’s, whatever zone is shown"),
    Column("A day", numeric=True, hint=f"Mean of the last {PACE_DAYS} whole days, UTC"),
    Column("Lasts"),
)


async def show(visit: Visit) -> Response:
    """All that are limited, the one nearest to its limit first; or the same as records."""
    found = await visit.store.budgets.standing(visit.store.ledger.global_budget)
    wanted = [each for each in found if _matches(visit, each)]
    if visit.twin:
        now_us = microseconds(visit.now)
        return visit.records(Records([budget_json(each, now_us) for each in wanted]))
    return await visit.html(
        "budgets.html",
        fields=[
            {"name": "q", "label": "Name", "type": "search"},
            {"name": "scope", "label": "Scope", "options": options(SCOPES, SCOPES)},
        ],
        table=table(visit, wanted[:MOST_SHOWN], more=len(wanted) - MOST_SHOWN),
    )


def _matches(visit: Visit, budget: Budget) -> bool:
    text, scope = visit.query["q"].casefold(), visit.query["scope"]
    if scope and scope != budget.kind:
        return False
    return text in budget.name.casefold() or text in budget.part.casefold()


def table(visit: Visit, found: Sequence[Budget], *, more: int = 0, caption: str = "") -> Table:
    """The budgets as they are given."""
    largest = formats.largest(each.limit_nano_usd for each in found)
    filtered = bool(visit.query.only(("q", "scope")))
    return Table(
        caption=caption or "Budgets, the one nearest to its limit first",
        columns=COLUMNS,
        lines=[_line(visit, each, largest) for each in found],
        query=visit.query,
        note=f"The {len(found)} nearest to it; {more} more in the CSV." if more > 0 else "",
        empty="No budget matches." if filtered else "Nothing is limited yet.",
        empty_href=PATH if filtered else "/ui/keys",
        empty_link="Show all budgets" if filtered else "Give a key a budget",
        hide_caption=not caption,
        twins=not caption,
    )


def ends_early(budget: Budget, now: datetime) -> datetime | None:
    """When it will be used up at the pace of the last days; None: not before it starts again."""
    return used_up_at(budget.left_nano_usd, budget.pace, budget.window, now)


def _line(visit: Visit, budget: Budget, largest: int) -> Line:
    href = _href(visit, budget)
    name = cells.link(href, budget.name, "name")
    part = cells.name(budget.part) if budget.part else ""
    left, pace = budget.left_nano_usd, budget.pace
    resets = window_end(budget.window, visit.now)
    a_day = cells.unknown(NO_DAYS if budget.kind == "conversation" else TOO_FEW)
    if pace is not None:
        a_day = cells.total(pace.a_day_nano_usd)
    return Line(
        href=href,
        cells=(
            cells.together(name, part),
            SCOPES[budget.kind],
            charts.budget_bar(budget.spent_nano_usd, budget.held_nano_usd, budget.limit_nano_usd),
            cells.total(budget.spent_nano_usd, largest),
            cells.total(budget.held_nano_usd),
            cells.total(left, largest),
            cells.total(budget.limit_nano_usd, largest),
            "never" if resets is None else cells.time(resets, visit.now, visit.zone),
            a_day,
            lasts(visit, left, pace, budget.window),
        ),
    )


def lasts(visit: Visit, left: int, pace: Pace | None, window: Window) -> Markup | str:
    """Whether what is left lasts till the budget starts again, and till when if it doesn't."""
    if left <= 0:
        return cells.badge("used up", "bad", "Calls are refused until it starts again")
    ends = used_up_at(left, pace, window, visit.now)
    if ends is not None and pace is not None:
        basis = f"At the mean of the last {pace.days} whole days"
        return cells.together(
            cells.badge("ends", "warn", basis), cells.time(ends, visit.now, visit.zone)
        )
    if pace is None:
        return cells.unknown(TOO_FEW)
    return cells.badge("lasts", "good")


def _href(visit: Visit, budget: Budget) -> str:
    if budget.kind == "team":
        return visit.query.elsewhere(f"/ui/teams/{budget.scope_id}")
    if budget.kind == "conversation":
        return visit.query.elsewhere("/ui/requests", conversation=budget.part)
    if budget.kind == "key":
        return visit.query.elsewhere(f"/ui/keys/{budget.scope_id}")
    return visit.query.elsewhere(f"{PATH}/windows", scope=budget.kind, id=budget.scope_id)


async def show_windows(visit: Visit) -> Response:
    """The windows of one budget, the newest first.  Raises BadRequest and NotFound."""
    kind, scope_id = visit.query["scope"], visit.query["id"]
    wanted = next((scope for scope in WITH_WINDOWS if scope == kind), None)
    if wanted is None:
        raise BadRequest(f"scope must be one of {', '.join(WITH_WINDOWS)}", param="scope")
    found = await visit.store.budgets.standing(visit.store.ledger.global_budget)
    budget = next((b for b in found if (b.kind, b.scope_id) == (kind, scope_id)), None)
    if budget is None:
        raise NotFound("there is no such budget now")
    windows = await visit.store.window_history.of(wanted, scope_id)
    if visit.twin:
        return visit.records(Records([window_record(each) for each in windows]))
    return await visit.html(
        "windows.html",
        budget=budget,
        scope=SCOPES[kind],
        table=table(visit, [budget], caption="Now"),
        windows=window_table(visit, windows, budget.limit_nano_usd),
    )


PAGE: Final = Page(
    "budgets",
    "Budgets",
    (View(PATH, show, twins=True), View(f"{PATH}/windows", show_windows, twins=True)),
    shortcut="b",
)
