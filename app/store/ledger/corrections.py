"""Rows whose cost changes after the fact: lost holds and corrections, with all their sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from app.core.ended import CostSource
from app.core.unknown import lost_call
from app.store.database.engine import clock_us
from app.store.database.moments import US_PER_S
from app.store.database.prepared import Values, texts
from app.store.database.tables import IS_OPEN, processes, requests
from app.store.ledger.balances import Balances
from app.store.ledger.call_rows import stake_of_row
from app.store.ledger.counting import counts, counts_of, labels_of
from app.store.ledger.entries import State
from app.store.ledger.labels import KnownLabels
from app.store.ledger.rollups import Call, Rollups
from app.store.ledger.statements import Statements
from app.store.ledger.windows import windows_of_row
from app.store.ledger.writes import CLOSED_COLUMNS, CLOSED_ROW, Changes

MOST_AT_ONCE = 500
NO_PROCESS = ""  # whoever corrects rows has no roll-ups by label of its own


@dataclass(frozen=True, slots=True)
class Change:
    """What a row becomes; without `cache_savings_nano_usd` those stay what they are.

    `columns` are others of CLOSED_COLUMNS that change: with them the row must still add up.
    """

    state: State
    cost_nano_usd: int
    cost_source: CostSource
    status: int | None
    error_code: str | None
    cache_savings_nano_usd: int | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


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
    moved_before = {row.id: row.windows_moved for row in found}
    moved = []
    for row in statements.lock_requests.rows(connection, ids=wanted):
        if row.windows_moved != moved_before[row.id]:  # the next time, then
            continue
        to = change(row)
        if to is None:
            continue
        was_open = row.state == "reserved"
        more = to.cost_nano_usd - row.cost_nano_usd
        held = row.reserved_nano_usd if was_open else 0
        balances.move(windows_of_row(row), spent=more, held=-held)
        moved.append(_becomes(row, to))
        call = Call(row.created_us, row.key_id, row.team_id, row.model, labels_of(row))
        if not was_open:
            rollups.take(call, counts_of(row))
        rollups.add(call, counts(moved[-1][: len(CLOSED_COLUMNS)]))
    rolled_up = rollups.rows(connection, NO_PROCESS, KnownLabels())
    changes = Changes(
        moved=balances.moved(),
        closed=moved,
        rolled_up=rolled_up.by_key,
        labelled=rolled_up.by_label,
    )
    statements.writes.write(connection, changes)
    return len(moved)


def _becomes(row: Row[Any], to: Change) -> Values:
    """The row changed, as CLOSED_ROW."""
    saved = to.cache_savings_nano_usd
    becomes = {
        **row._mapping,  # noqa: SLF001  # SQLAlchemy's documented name
        "was": row.state,
        "state": to.state,
        "cost_nano_usd": to.cost_nano_usd,
        "cost_source": to.cost_source,
        "cache_savings_nano_usd": row.cache_savings_nano_usd if saved is None else saved,
        "other_nano_usd": row.other_nano_usd + to.cost_nano_usd - row.cost_nano_usd,
        "status": to.status,
        "error_code": to.error_code,
        **to.columns,
    }
    return tuple([becomes[name] for name in CLOSED_ROW])


def charge_lost_holds(
    connection: Connection, statements: Statements, alive: str | None = None
) -> int:
    """Charge holds of processes without a lease; how many (MOST_AT_ONCE at most).

    Each costs what it can have come to by the end of its process's lease. With `alive` that
    process is the only one that can live, whatever the leases say.
    """
    now_us = clock_us(connection)
    ended = processes.c.expires_us <= now_us if alive is None else processes.c.id != alive
    leases = select(processes.c.id, processes.c.expires_us).where(ended)
    ends_us: dict[str, int] = {row.id: row.expires_us for row in connection.execute(leases)}
    lost = connection.scalars(
        select(requests.c.id)
        .where(
            IS_OPEN,
            requests.c.process_id.not_in(select(processes.c.id).where(~ended)),
        )
        .limit(MOST_AT_ONCE)
    ).all()

    def orphan(row: Row[Any]) -> Change | None:
        if row.state != "reserved":
            return None
        end_us = ends_us.get(row.process_id, now_us)
        cost = _lost_cost(row, max(end_us - row.created_us, 0) / US_PER_S)
        return Change("orphaned", cost, "estimated", None, "process_lost")

    moved = move_rows(connection, statements, lost, orphan) if lost else 0
    if moved < MOST_AT_ONCE:  # else a lease is still needed to say when it ended
        connection.execute(delete(processes).where(processes.c.id.in_(ends_us), ended))
    return moved


def _lost_cost(row: Row[Any], elapsed_s: float) -> int:
    stake = stake_of_row(row)
    if stake is None:
        return int(row.reserved_nano_usd)
    return lost_call(stake, row.reserved_nano_usd, elapsed_s)
