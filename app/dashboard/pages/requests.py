"""Calls, newest or dearest first, found by what they were."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Records, Table, options
from app.dashboard.page import Page, View
from app.store.records.model_names import meant_model
from app.store.records.requests import FILTERS, STATES

if TYPE_CHECKING:
    from starlette.responses import Response

    from app.dashboard.page import Visit

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
    listed = await visit.store.requests.list(
        _filters(visit),
        sort=sort,
        cursor=visit.query.given.get("cursor"),
        limit=TWIN_LIMIT if visit.twin else LIMIT,
    )
    if visit.twin:
        return visit.records(Records(listed["data"], listed["next_cursor"]))
    names = await key_names(visit, {row["key_id"] for row in listed["data"]})
    return await visit.html(
        "requests.html",
        period=visit.query.period(visit.now),
        fields=_fields(visit),
        table=call_table(visit, listed, names, "dearest" if sort == "cost" else "newest"),
    )


def call_table(visit: Visit, listed: dict[str, Any], names: dict[str, str], order: str) -> Table:
    """Rows of the ledger as a table; `names` are those of their keys."""
    rows = listed["data"]
    query = visit.query
    filtered = bool(query.only(FILTERS)) or bool(query["range"])
    more = " of many" if listed["next_cursor"] else ""
    return Table(
        caption=f"Calls, {order} first",
        columns=COLUMNS,
        lines=[_line(visit, row, names) for row in rows],
        query=query,
        sort="-cost" if order == "dearest" else "-created",
        next_cursor=listed["next_cursor"],
        note=f"{len(rows)} {order}{more}.",
        empty="None of the calls match." if filtered else "No call was made yet.",
        empty_href=PATH if filtered else "",
        empty_link="Show all calls",
        hide_caption=True,
    )


async def key_names(visit: Visit, ids: set[str]) -> dict[str, str]:
    """Names of keys by id."""
    return await visit.store.keys.names(ids)


def prompt_tokens(row: dict[str, Any]) -> int:
    """The whole prompt, cached or not."""
    kinds = ("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")
    return sum(int(row[kind]) for kind in kinds)


def is_guess(row: dict[str, Any]) -> bool:
    """Whether the cost is not exact."""
    return bool(row["cost_source"] == "estimated" or row["state"] == "orphaned")


def state_badge(row: dict[str, Any]) -> Markup:
    """What became of a call, in a word."""
    state, status = row["state"], row["status"]
    if state == "reserved":
        return cells.badge("running", "busy", "Its hold stands; it has not ended")
    if state == "orphaned":
        return cells.badge(
            "orphaned", "warn", "Its process was lost: charged as its outcome allows"
        )
    if status is not None and status >= 400:
        return cells.badge(str(status), "bad", row["error_code"] or "")
    if row["cost_source"] == "estimated":
        return cells.badge("estimated", "warn", "The cost is a guess that can be settled")
    if state == "released":
        return cells.badge("released", "quiet", "Nothing was billed")
    return cells.badge("settled", "good")


def _line(visit: Visit, row: dict[str, Any], names: dict[str, str]) -> Line:
    prompt = prompt_tokens(row)
    href = visit.query.elsewhere(f"{PATH}/{row['id']}")
    when = datetime.fromisoformat(row["created_at"])
    key_name = names.get(row["key_id"], row["key_id"])
    return Line(
        href=href,
        cells=(
            cells.anchor(href, cells.time(when, visit.now, visit.zone)),
            cells.link(visit.query.elsewhere(f"/ui/keys/{row['key_id']}"), key_name, "name"),
            model_cell(row),
            cells.name(row["route_reason"]),
            cells.number(prompt),
            formats.share(row["cache_read_tokens"], prompt),
            cells.number(row["output_tokens"]),
            cells.call_cost(formats.nano(row["cost_usd"]), guessed=is_guess(row)),
            cells.gain(formats.nano(row["cache_savings_usd"]), per_call=True),
            state_badge(row),
            cells.number(row["attempts"]),
            formats.milliseconds(row["latency_ms"]),
        ),
    )


def model_cell(row: dict[str, Any]) -> Markup:
    """Requested, and, if it is another, answered."""
    asked, answered = row["requested_model"], row["model"]
    if asked == answered:
        return cells.name(answered)
    return Markup(
        '<span class="name" title="{0} → {1}"><bdi>{0}</bdi> → <bdi>{1}</bdi></span>'
    ).format(asked, answered)


def _filters(visit: Visit) -> dict[str, str]:
    """As the store takes them."""
    given = visit.query.only(FILTERS) | visit.query.period(visit.now).filters()
    if "model" in given:
        given["model"] = meant_model(given["model"], visit.running.gateway.policy.catalog)
    return given


def _fields(visit: Visit) -> list[dict[str, Any]]:
    catalog = visit.running.gateway.policy.catalog
    return [
        {"name": "key_id", "label": "Key id"},
        {"name": "model", "label": "Model", "options": options(catalog.models)},
        {"name": "state", "label": "State", "options": options(STATES)},
        {"name": "status", "label": "Status", "hint": "529"},
        {"name": "tag", "label": "Tag"},
        {"name": "user", "label": "End user"},
        {"name": "min_cost_usd", "label": "Cost from, $", "hint": "0.05"},
        {"name": "from", "label": "From"},
        {"name": "to", "label": "Before"},
    ]


PAGE: Final = Page("requests", "Requests", (View(PATH, show, twins=True),), shortcut="r")
