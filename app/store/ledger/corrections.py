"""Rows whose cost changes after the fact: lost holds and corrections, with all their sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from app.core.ended import CostSource
from app.store.database.engine import clock_us
from app.store.database.moments import day_text
from app.store.database.prepared import texts
from app.store.database.tables import SUM_COLUMNS, processes, requests
from app.store.ledger.balances import Balances, Rollups
from app.store.ledger.entries import State
from app.store.ledger.statements import Statements
from app.store.ledger.windows import windows_of_row
from app.store.ledger.writes import CLOSED_ROW, Changes

MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Change:
    """What a row becomes."""

    state: State
    cost_nano_usd: int
    cost_source: CostSource
    status: int | None
    error_code: str | None


def move_rows(
    connection: Connection,
    statements: Statements,
    ids: Sequence[str],
    change: Callable[[Row[Any]], Change | None],
) -> int:
    """Change rows together with their windows and roll-ups; how many were changed.

    `change` sees each row under its locks; None leaves it alone, and may raise.
    """
    wanted = texts(ids, statements.dialect)
    balances, rollups = Balances(connection, statements), Rollups()
    found = statements.find.rows(connection, ids=wanted)
    balances.lock(window for row in found for window in windows_of_row(row))
    moved = []
    for row in statements.lock_requests.rows(connection, ids=wanted):
        to = change(row)
        if to is None:
            continue
        was_open = row.state == "reserved"
        more = to.cost_nano_usd - row.cost_nano_usd
        held = row.reserved_nano_usd if was_open else 0
        balances.move(windows_of_row(row), spent=more, held=-held)
        key = (day_text(row.created_us), row.key_id, row.team_id or "", row.model)
        rollups.add(key, int(was_open), (more, *(0 for _ in SUM_COLUMNS[1:])))
        becomes = {
            **row._mapping,  # noqa: SLF001  # SQLAlchemy's documented name
            "was": row.state,
            "state": to.state,
            "cost_nano_usd": to.cost_nano_usd,
            "cost_source": to.cost_source,
            "other_nano_usd": row.other_nano_usd + more,
            "status": to.status,
            "error_code": to.error_code,
        }
        moved.append(tuple([becomes[name] for name in CLOSED_ROW]))
    changes = Changes(moved=balances.moved(), closed=moved, rolled_up=rollups.rows())
    statements.writes.write(connection, changes)
    return len(moved)


def charge_lost_holds(
    connection: Connection, statements: Statements, alive: str | None = None
) -> int:
    """Charge holds of processes without a lease at their bound; how many (MOST_AT_ONCE at most).

    With `alive` that process is the only one that can live, whatever the leases say.
    """
    ended = processes.c.expires_us <= clock_us(connection)
    connection.execute(delete(processes).where(ended if alive is None else processes.c.id != alive))
    lost = connection.scalars(
        select(requests.c.id)
        .where(
            requests.c.state == "reserved",
            requests.c.process_id.not_in(select(processes.c.id)),
        )
        .limit(MOST_AT_ONCE)
    ).all()
    return move_rows(connection, statements, lost, _orphan) if lost else 0


def _orphan(row: Row[Any]) -> Change | None:
    if row.state != "reserved":
        return None
    return Change("orphaned", row.reserved_nano_usd, "estimated", None, "process_lost")
