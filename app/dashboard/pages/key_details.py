"""One key: how its budget stands and stood, what it calls, what it was refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from app.dashboard import spending
from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.pages.windows import window_record, window_table
from app.dashboard.spending import Spent
from app.store.database.moments import microseconds, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from app.dashboard.page import Visit
    from app.store.records.refusals import RefusalView

SHOWN_REFUSALS: Final = 10
MODEL_COLUMNS: Final = (
    Column("Model"),
    Column("Calls", numeric=True),
    Column("Spent", numeric=True),
    Column("Share", numeric=True),
    Column("Per call", numeric=True),
    Column("Budget"),
)
REFUSAL_COLUMNS: Final = (
    Column("When"),
    Column("Why"),
    Column("Model"),
    Column("Needed", numeric=True),
    Column("Left", numeric=True),
    Column("Would have fitted", numeric=True, hint="max_tokens"),
    Column("Calls", numeric=True),
)


async def show(visit: Visit) -> Response:
    """The key's page; its twins are the admin API's object, and its windows as CSV."""
    key = await visit.store.keys.get(visit.id("id"))
    windows = await visit.store.window_history.of("key", key["id"])
    if visit.twin == "json":
        return Response(orjson.dumps(key), media_type="application/json")
    if visit.twin:
        return visit.records(Records([window_record(each) for each in windows]))
    team = None if key["team"] is None else await visit.store.teams.get(key["team"])
    return await visit.html(
        "key.html",
        **await details(visit, key),
        windows=window_table(visit, windows, _limit(key)),
        path=f"/ui/keys/{key['id']}",
        team_name=team and team["name"],
    )


async def details(visit: Visit, key: Mapping[str, Any]) -> dict[str, Any]:
    """What the key's page shows, and the holder's own."""
    refused = visit.store.refusals.listed({"key_id": key["id"]}, limit=SHOWN_REFUSALS)
    models = await visit.part(spending.by_model(visit.store, key["id"]))
    limit = _limit(key)
    spent, held = formats.nano(key["spent_usd"]), formats.nano(key["reserved_usd"])
    calls = sum(each.calls for each in models.value) if models.value else 0
    lifetime = formats.nano(key["lifetime_spent_usd"])
    each = lifetime // calls if calls else 0
    return {
        "key": key,
        "state": state(visit, _us(key["revoked_at"]), _us(key["expires_at"])),
        "bar": charts.budget_bar(spent, held, limit),
        "limit": limit,
        "spent": spent,
        "held": held,
        "lifetime": lifetime,
        "left": None if limit is None else limit - spent - held,
        "calls_left": (limit - spent - held) // each if limit is not None and each else None,
        "resets_at": _moment(key["resets_at"]),
        "created_at": _moment(key["created_at"]),
        "expires_at": _moment(key["expires_at"]),
        "last_used_at": _moment(key["last_used_at"]),
        "models": models,
        "model_table": None if models.failure else _models(visit, key, models.value),
        "refusals": await visit.part(refused),
        "refusal_table": lambda listed: refusal_table(visit, listed.rows),
    }


def state(visit: Visit, revoked_us: int | None, expires_us: int | None) -> Markup:
    """Whether it may call."""
    if revoked_us is not None:
        return cells.badge("revoked", "bad", formats.moment(visit.zone.at(moment(revoked_us))))
    if expires_us is not None and moment(expires_us) <= visit.now:
        return cells.badge("expired", "warn", formats.moment(visit.zone.at(moment(expires_us))))
    return cells.badge("active", "good")


def when(visit: Visit, us: int | None, why: str) -> Markup:
    """How long ago, or in how long."""
    return cells.time(None if us is None else moment(us), visit.now, visit.zone, why)


def refusal_table(visit: Visit, rows: Sequence[RefusalView], path: str = "/ui/requests") -> Table:
    """Refused calls, each leading to its explanation."""
    lines = []
    for row in rows:
        href = visit.query.elsewhere(f"{path}/{row.id}")
        budget = row.budget or {}
        needed, left = budget.get("needed_usd"), budget.get("remaining_usd")
        fits = budget.get("max_tokens_that_fit")
        lines.append(
            Line(
                href=href,
                cells=(
                    cells.anchor(href, when(visit, row.created_us, "")),
                    cells.badge(f"{row.status} {row.code.replace('_', ' ')}", "bad", row.message),
                    cells.name(row.model) if row.model else formats.DASH,
                    cells.call_cost(formats.nano(needed)) if needed else formats.DASH,
                    cells.call_cost(formats.nano(left)) if left else formats.DASH,
                    cells.number(fits) if fits else formats.DASH,
                    cells.number(row.calls),
                ),
            )
        )
    return Table(
        caption="Refused calls of the last 30 days, newest first",
        columns=REFUSAL_COLUMNS,
        lines=lines,
        query=visit.query,
        empty="No call was refused in the last 30 days.",
        twins=False,
    )


def _models(visit: Visit, key: Mapping[str, Any], found: Sequence[Spent]) -> Table:
    whole = sum(each.nano_usd for each in found)
    largest = formats.largest(each.nano_usd for each in found)
    seen = {each.id for each in found}
    unused = [Spent(model, model, 0, 0) for model in key["model_spend"] if model not in seen]
    calls = cells.number(sum(each.calls for each in found))
    return Table(
        caption="Models, of the key’s whole life",
        columns=MODEL_COLUMNS,
        lines=[
            Line(
                (
                    cells.name(each.name),
                    cells.number(each.calls),
                    cells.total(each.nano_usd, largest),
                    formats.share(each.nano_usd, whole),
                    cells.call_cost(each.nano_usd // each.calls) if each.calls else formats.DASH,
                    _model_budget(key, each.id),
                )
            )
            for each in [*found, *unused]
        ],
        query=visit.query,
        footer=("All", calls, cells.exact(whole), "", "", "") if found else (),
        empty="No call has ended yet.",
        twins=False,
    )


def _model_budget(key: Mapping[str, Any], model: str) -> Markup | str:
    spend = key["model_spend"].get(model)
    if spend is None:
        return formats.DASH
    spent, held = formats.nano(spend["spent_usd"]), formats.nano(spend["reserved_usd"])
    return charts.budget_bar(spent, held, formats.nano(key["model_budgets"][model]))


def _limit(key: Mapping[str, Any]) -> int | None:
    return None if key["max_budget_usd"] is None else formats.nano(key["max_budget_usd"])


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _us(text: str | None) -> int | None:
    found = _moment(text)
    return None if found is None else microseconds(found)
