"""Calls, newest or dearest first, found by what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from app.core.money import usd_text
from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Records, Table, options
from app.dashboard.page import Page, View
from app.dashboard.pages import receipts
from app.store.database.moments import moment
from app.store.records.model_names import meant_model
from app.store.records.request_filters import COST_SOURCES, FILTERS, STATES
from app.store.records.request_table import as_csv
from app.store.records.request_views import request_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from starlette.responses import Response

    from app.dashboard.page import Visit
    from app.store.records.pages import Listed
    from app.store.records.request_views import RequestView

PATH: Final = "/ui/requests"
LIMIT: Final = 50
TWIN_LIMIT: Final = 1_000
SORTS: Final = {"-created": "created", "-cost": "cost"}
COLUMNS: Final = (
    Column("Time", sorts=("-created",)),
    Column("Key"),
    Column("Model", hint="What was asked for, and what answered"),
    Column("Route", hint="Why this model"),
    Column("In", numeric=True, hint="Tokens of the prompt, cached ones included"),
    Column("Read", numeric=True, hint="Share of the prompt that came from the cache"),
    Column("Out", numeric=True, hint="Tokens of the answer"),
    Column("Cost", numeric=True, sorts=("-cost",)),
    Column("Saved", numeric=True, hint="By the cache, net of what writing it cost"),
    Column("State"),
    Column("Tries", numeric=True, hint="Attempts"),
    Column("Took", numeric=True),
)


async def show(visit: Visit) -> Response:
    """The list, or its twin."""
    sort = SORTS.get(visit.query["sort"], "created")
    if visit.twin == "csv":  # all of them, not a page
        return await visit.csv(as_csv(visit.store.requests.each(_filters(visit), sort=sort)))
    reading = visit.store.requests.listed(
        _filters(visit),
        sort=sort,
        cursor=visit.query.given.get("cursor"),
        limit=TWIN_LIMIT if visit.twin else LIMIT,
    )
    if visit.twin:
        found = await reading
        return visit.records(Records([request_json(row) for row in found.rows], found.next_cursor))
    return await visit.html(
        "requests.html",
        period=visit.query.period(visit.now),
        fields=_fields(visit),
        table=await visit.soon(_table(visit, reading, sort)),
    )


async def _table(visit: Visit, reading: Awaitable[Listed[RequestView]], sort: str) -> Table:
    found = await reading
    names = await visit.store.keys.names({row.key_id for row in found.rows})
    order = "dearest" if sort == "cost" else "newest"
    filtered = bool(visit.query.only((*FILTERS, "range")))
    if found.next_cursor is None and "cursor" not in visit.query.given:
        note = f"{formats.counted(len(found.rows), 'call')}."
    else:
        note = f"{len(found.rows)} of many, {order} first."
    return Table(
        caption=f"Calls, {order} first",
        columns=COLUMNS,
        lines=call_lines(visit, found.rows, names),
        query=visit.query,
        sort=f"-{sort}",
        next_cursor=found.next_cursor,
        note=note,
        empty="None of the calls match." if filtered else "No call was made yet.",
        empty_href=PATH if filtered else "/ui/keys/new",
        empty_link="Show all calls" if filtered else "Create a key, and make one",
        hide_caption=True,
    )


def call_lines(
    visit: Visit, rows: Sequence[RequestView], names: Mapping[str, str], receipt: str = PATH
) -> list[Line]:
    """Rows of the ledger as lines of COLUMNS; `names` are those of their keys."""
    return [_line(visit, row, names, receipt) for row in rows]


def _line(visit: Visit, row: RequestView, names: Mapping[str, str], receipt: str) -> Line:
    href = visit.query.elsewhere(f"{receipt}/{row.id}")
    name = names.get(row.key_id, row.key_id)
    whose: Markup = cells.name(name)
    if visit.session.is_operator:
        whose = cells.link(visit.query.elsewhere(f"/ui/keys/{row.key_id}"), name, "name")
    guessed = receipts.is_guess(row)
    return Line(
        href=href,
        cells=(
            cells.anchor(href, cells.time(moment(row.created_us), visit.now, visit.zone)),
            whose,
            receipts.models(row),
            cells.name(row.route_reason),
            cells.number(row.prompt_tokens),
            formats.share(row.cache_read_tokens, row.prompt_tokens),
            cells.number(row.output_tokens),
            cells.call_cost(row.cost_nano_usd, guessed=guessed),
            cells.gain(row.cache_savings_nano_usd, per_call=True),
            receipts.state(row),
            cells.number(row.attempts),
            formats.milliseconds(row.latency_ms),
        ),
    )


def _filters(visit: Visit) -> dict[str, str]:
    """As the store takes them."""
    given = visit.query.only(FILTERS) | visit.query.period(visit.now).filters()
    if "model" in given:
        given["model"] = meant_model(given["model"], visit.running.gateway.policy.catalog)
    if "min_cost_usd" in given:
        given["min_cost_usd"] = given["min_cost_usd"].lstrip("$")
    return given


def _fields(visit: Visit) -> list[dict[str, Any]]:
    catalog = visit.running.gateway.policy.catalog
    return [
        {"name": "key_id", "label": "Key id"},
        {"name": "team", "label": "Team"},
        {"name": "model", "label": "Model", "options": options(catalog.models)},
        {"name": "state", "label": "State", "options": options(STATES)},
        {"name": "cost_source", "label": "Cost is", "options": options(COST_SOURCES)},
        {"name": "status", "label": "Status", "hint": "529"},
        {"name": "tag", "label": "Tag"},
        {"name": "user", "label": "End user"},
        {"name": "conversation", "label": "Conversation"},
        {"name": "min_cost_usd", "label": "Cost from, $", "hint": usd_text(50_000_000)},
        {"name": "from", "label": "From", "type": "date"},
        {"name": "to", "label": "Before", "type": "date"},
    ]


PAGE: Final = Page(
    "requests",
    "Requests",
    (
        View(PATH, show, twins=True),
        View(f"{PATH}/{{id}}", receipts.show, twins=True),
        View(f"{PATH}/{{id}}/settle", receipts.settle, method="POST"),
        View(f"{PATH}/{{id}}/outcome", receipts.say_outcome, method="POST"),
    ),
    shortcut="r",
)
