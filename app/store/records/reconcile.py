"""Whether window counters and roll-ups are what the ledger's rows add up to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, case, func, select

from app.core.budgets import ScopeKind
from app.core.money import usd_text
from app.store.database.tables import requests, windows
from app.store.ledger.windows import window_id
from app.store.records import rollup_checks

_HELD = case((requests.c.state == "reserved", requests.c.reserved_nano_usd), else_=0)


def reconcile(connection: Connection) -> dict[str, Any]:
    """Compare every window and every roll-up; reads the whole ledger."""
    count = connection.execute(select(func.count()).select_from(requests)).scalar_one()
    differences = [*_windows(connection), *rollup_checks.differences(connection)]
    return {"consistent": not differences, "requests": count, "differences": differences}


def _windows(connection: Connection) -> Iterator[dict[str, Any]]:
    row = windows.c
    counted = {
        window: (spent, held, uncounted)
        for window, spent, held, uncounted in connection.execute(
            select(row.id, row.spent_nano_usd, row.held_nano_usd, row.uncounted_nano_usd)
        )
    }
    added = dict(_from_rows(connection))
    for window in sorted(counted.keys() | added.keys()):
        is_spent, is_held, uncounted = counted.get(window, (0, 0, 0))
        named, held = added.get(window, (0, 0))
        spent = uncounted + named
        for name, found, expected in (("spent", is_spent, spent), ("held", is_held, held)):
            if found != expected:
                yield {
                    "kind": "window",
                    "id": window,
                    "field": f"{name}_usd",
                    "counted": usd_text(found),
                    "ledger": usd_text(expected),
                }


def _from_rows(connection: Connection) -> Iterator[tuple[str, tuple[int, int]]]:
    row = requests.c
    held_model = func.coalesce(row.held_model, row.model)
    scopes: tuple[tuple[ScopeKind, Any, tuple[Any, ...]], ...] = (
        ("key", row.key_period, (row.key_id,)),
        ("key_model", row.key_model_period, (row.key_id, held_model)),
        ("conversation", row.conversation_period, (row.key_id, row.conversation)),
        ("team", row.team_period, (row.team_id,)),
        ("global", row.global_period, ()),
    )
    for kind, in_period, columns in scopes:
        found = connection.execute(
            select(in_period, func.sum(row.cost_nano_usd), func.sum(_HELD), *columns)
            .where(in_period.is_not(None))
            .group_by(in_period, *columns)
        )
        for when, spent, held, *ids in found:
            scope_id = ":".join(ids)
            yield window_id(kind, scope_id, when), (int(spent), int(held))
