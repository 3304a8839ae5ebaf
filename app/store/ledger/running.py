"""Calls that run while a limit is switched on: what they hold is counted there from then on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from app.core.budgets import EPOCH, ScopeKind
from app.store.database.moments import microseconds
from app.store.database.tables import IS_OPEN, requests, windows
from app.store.ledger.windows import WindowRow, window_id

PERIODS: dict[ScopeKind, str] = {
    "key": "key_period",
    "key_model": "key_model_period",
    "conversation": "conversation_period",
    "team": "team_period",
    "global": "global_period",
}
SCOPES_AT_ONCE = 1_000  # both databases bound the parameters of a statement


def running_calls(connection: Connection, window: WindowRow) -> int:
    """How many open calls hold something in the window."""
    there = requests.c[PERIODS[window.kind]] == window.period
    count = select(func.count()).select_from(requests).where(IS_OPEN, there, *owner_of(window))
    return int(connection.execute(count).scalar_one())


def lock_scopes(connection: Connection, wanted: Iterable[WindowRow]) -> None:
    """Lock every window of their scopes in the one order in which windows are locked.

    Before any request is: whoever ends a call locks its windows first.
    """
    scopes = sorted({(window.kind, window.scope_id) for window in wanted})
    scope = tuple_(windows.c.scope_kind, windows.c.scope_id)
    for begin in range(0, len(scopes), SCOPES_AT_ONCE):
        some = scope.in_(scopes[begin : begin + SCOPES_AT_ONCE])
        locked = select(windows.c.id).where(some).order_by(windows.c.id).with_for_update()
        connection.execute(locked).all()


def take_in(connection: Connection, window: WindowRow) -> None:
    """Move what open calls of this window's time hold in another window, or in none, into it.

    Its scope is locked. Their processes remember the old windows: `windows_moved` tells them to
    read the row, which says where the cost is to land.
    """
    where = requests.c[PERIODS[window.kind]]
    found = connection.execute(
        select(requests.c.id, where, requests.c.reserved_nano_usd)
        .where(
            IS_OPEN,
            requests.c.created_us >= start_us(window.period),
            func.coalesce(where, "") != window.period,
            *owner_of(window),
        )
        .order_by(requests.c.id)
        .with_for_update()
    ).all()
    if not found:
        return
    moved: Counter[str] = Counter()
    for _, old, held in found:
        moved[window.id] += held
        if old is not None:
            moved[window_id(window.kind, window.scope_id, old)] -= held
    for row_id, held in sorted(moved.items()):
        more = windows.c.held_nano_usd + held
        row = update(windows).where(windows.c.id == row_id)
        connection.execute(row.values(held_nano_usd=more))
    moving = update(requests).where(requests.c.id.in_([row[0] for row in found]))
    once_more = requests.c.windows_moved + 1
    connection.execute(moving.values({where: window.period, requests.c.windows_moved: once_more}))


def make_row(connection: Connection, window: WindowRow) -> None:
    """Insert the window's row if it is missing."""
    make_insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(
        make_insert(windows)
        .values(
            id=window.id, scope_kind=window.kind, scope_id=window.scope_id, period=window.period
        )
        .on_conflict_do_nothing()
    )


def owner_of(window: WindowRow) -> Sequence[ColumnElement[bool]]:
    """Whose calls belong there."""
    row, owner = requests.c, window.scope_id
    if window.kind == "key":
        return (row.key_id == owner,)
    if window.kind == "key_model":
        key_id, _, model = owner.partition(":")
        held_model = case((row.held_model.is_(None), row.model), else_=row.held_model)
        return (row.key_id == key_id, held_model == model)
    if window.kind == "conversation":
        key_id, _, conversation = owner.partition(":")
        return (row.key_id == key_id, row.conversation == conversation)
    return (row.team_id == owner,) if window.kind == "team" else ()


def start_us(in_period: str) -> int:
    """The first microsecond of a period as `moments.period` writes it."""
    _, _, first_day = in_period.partition(":")
    if not first_day:
        return 0
    return microseconds(datetime.combine(date.fromisoformat(first_day), time(), EPOCH.tzinfo))
