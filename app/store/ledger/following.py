"""Windows of another length, or a limit that is set again: the calls that run are counted there."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from app.core.budgets import Window
from app.store.database.engine import clock_us
from app.store.database.moments import moment, period
from app.store.database.tables import IS_OPEN, requests
from app.store.ledger.conversations import (
    KIND,
    count_calls_without,
    held_conversations,
    missed_calls,
)
from app.store.ledger.running import lock_scopes, make_row, take_in
from app.store.ledger.windows import WindowRow, key_model_id, window_row


def follow_team(connection: Connection, team_id: str, window: Window) -> None:
    """The windows of a team have another length: its open calls follow."""
    current = period(window, moment(clock_us(connection)))
    _count(connection, [window_row("team", team_id, current)])


def follow_key(
    connection: Connection, key_id: str, window: Window, *, moved: bool, limits: bool
) -> None:
    """`moved`: the windows of a key, of its models and conversations have another length.

    `limits`: it limits its conversations again, and their windows get what they missed meanwhile.
    """
    current = period(window, moment(clock_us(connection)))
    wanted = [window_row("key", key_id, current)]
    if moved:
        model = func.coalesce(requests.c.held_model, requests.c.model)
        models = select(model).where(IS_OPEN, requests.c.key_id == key_id).distinct()
        ids = [key_model_id(key_id, str(name)) for name in connection.scalars(models)]
        wanted += [window_row("key_model", each, current) for each in ids]
        wanted += held_conversations(connection, key_id, current)
    if limits:
        wanted += missed_calls(connection, key_id, current)
    _count(connection, wanted)


def _count(connection: Connection, wanted: Iterable[WindowRow]) -> None:
    by_id = {window.id: window for window in wanted}
    ordered = [by_id[window_id] for window_id in sorted(by_id)]
    for window in ordered:
        make_row(connection, window)
    lock_scopes(connection, ordered)
    for window in ordered:
        if window.kind == KIND:
            count_calls_without(connection, window)
        else:
            take_in(connection, window)
