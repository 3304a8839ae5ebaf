"""What people said of how calls ended: the labels that weights are fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from app.store.database.engine import clock_us
from app.store.database.moments import iso
from app.store.database.tables import outcomes, requests


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call that `auto` scored: where it went, what was counted in it, and if it went well."""

    request_id: str
    tier: str
    counts: Mapping[str, int]
    ok: bool


def note_outcome(connection: Connection, request_id: str, note: str | None, *, ok: bool) -> None:
    """The last word counts: what was said of the call before is replaced."""
    make_insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    said = {"ok": ok, "note": note, "noted_us": clock_us(connection)}
    new = make_insert(outcomes).values(request_id=request_id, **said)
    connection.execute(new.on_conflict_do_update(index_elements=["request_id"], set_=said))


def outcome_of(connection: Connection, request_id: str) -> dict[str, Any] | None:
    """What was said of the call, as the admin API shows it."""
    asked = select(outcomes).where(outcomes.c.request_id == request_id)
    row = connection.execute(asked).one_or_none()
    if row is None:
        return None
    return {"ok": row.ok, "note": row.note, "noted_at": iso(row.noted_us)}


def scored_outcomes(connection: Connection) -> list[Outcome]:
    """All that are of calls whose features stand on their row, the first said first."""
    asked = (
        select(outcomes.c.request_id, outcomes.c.ok, requests.c.routing)
        .join(requests, requests.c.id == outcomes.c.request_id)
        .order_by(outcomes.c.noted_us, outcomes.c.request_id)
    )
    rows = connection.execute(asked).all()
    return [found for row in rows if (found := _scored(row.request_id, row.routing, row.ok))]


def _scored(request_id: str, text: str, ok: bool) -> Outcome | None:  # noqa: FBT001 - a column
    routing = orjson.loads(text)
    features = routing.get("features")
    if not features:
        return None
    counts = {name: count for name, (count, _) in features.items()}
    return Outcome(request_id, routing["tier"], counts, ok)
