"""Calls of a conversation that ran before a budget stood over it: counted in its window too.

Where a key limits no conversations nothing is counted for them, so that it costs nothing. Once it
does, a conversation's window begins with what its calls without a window were charged in that time
and still hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, update

from app.store.database.tables import IS_OPEN, requests, windows
from app.store.ledger.running import owner_of, start_us, take_in
from app.store.ledger.windows import WindowRow, conversation_id, window_row

KIND: Final = "conversation"


def known_conversations(connection: Connection, made: Iterable[WindowRow]) -> list[WindowRow]:
    """Those windows of conversations that have had calls before."""
    of_conversations = {window.scope_id: window for window in made if window.kind == KIND}
    if not of_conversations:
        return []
    names = {scope_id.partition(":")[2] for scope_id in of_conversations}
    known = select(requests.c.key_id, requests.c.conversation).distinct()
    rows = connection.execute(known.where(requests.c.conversation.in_(sorted(names)))).all()
    return [
        of_conversations[scope_id]
        for scope_id in sorted(conversation_id(*row) for row in rows)
        if scope_id in of_conversations
    ]


def keys_of(conversations: Iterable[WindowRow]) -> list[WindowRow]:
    """A window of each of their keys: who ends a call of theirs locks that."""
    ids = {window.scope_id.partition(":")[0] for window in conversations}
    return [window_row("key", key_id, "") for key_id in sorted(ids)]


def count_calls_without(connection: Connection, window: WindowRow) -> None:
    """Count what is named by no window yet; a second time changes nothing.  Its scope is locked."""
    take_in(connection, window)
    is_it = windows.c.id == window.id
    known = connection.execute(select(windows.c.uncounted_nano_usd).where(is_it).with_for_update())
    spent = connection.execute(
        select(func.coalesce(func.sum(requests.c.cost_nano_usd), 0)).where(
            *owner_of(window), ~IS_OPEN, *_without_window(window.period)
        )
    )
    more = int(spent.scalar_one()) - known.scalar_one()
    connection.execute(
        update(windows)
        .where(is_it)
        .values(
            spent_nano_usd=windows.c.spent_nano_usd + more,
            uncounted_nano_usd=windows.c.uncounted_nano_usd + more,
        )
    )


def missed_calls(connection: Connection, key_id: str, in_period: str) -> list[WindowRow]:
    """Windows of the key's conversations that calls without one are missing from."""
    name = func.substr(windows.c.scope_id, len(key_id) + 2)
    its_calls = and_(requests.c.conversation == name, requests.c.key_id == key_id)
    stale = select(windows.c.scope_id).where(
        windows.c.scope_kind == KIND,
        windows.c.scope_id.startswith(f"{key_id}:", autoescape=True),
        windows.c.period == in_period,
        exists().where(its_calls, *_without_window(in_period)),
    )
    return [window_row(KIND, scope_id, in_period) for scope_id in connection.scalars(stale)]


def held_conversations(connection: Connection, key_id: str, in_period: str) -> list[WindowRow]:
    """The windows that open calls of the key's limited conversations belong to in this period."""
    limited = requests.c.conversation_period.is_not(None)
    running = select(requests.c.conversation).where(IS_OPEN, requests.c.key_id == key_id, limited)
    names = connection.scalars(running.distinct())
    return [window_row(KIND, conversation_id(key_id, str(name)), in_period) for name in names]


def _without_window(in_period: str) -> tuple[ColumnElement[bool], ...]:
    named = requests.c.conversation_period
    return named.is_(None), requests.c.created_us >= start_us(in_period)
