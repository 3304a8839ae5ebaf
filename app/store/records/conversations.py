"""Budgets of conversations as they stand: those that were used last, of keys that limit them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from app.core.money import usd_text
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.moments import iso
from app.store.database.tables import keys, requests
from app.store.ledger.windows import (
    Sums,
    budget_fields,
    conversation_id,
    current_periods,
    read_sums,
)

MOST_KEYS = 50
MOST_CALLS = 500  # of each key that are looked at: a list of what is going on needs no more
DEFAULT_LIMIT = 50


class Conversations:
    """What the budgets of conversations have left."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def standing(self, limit: int = DEFAULT_LIMIT) -> list[dict[str, Any]]:
        """Those of the latest calls of each key that limits its conversations, latest first.

        Each with `key_id`, `key_name`, `conversation`, `last_used_at`, `limit_usd`, `spent_usd`,
        `reserved_usd`, `remaining_usd`, `budget_window`, `window_started_at` and `resets_at`.
        """
        return await self._database.run(lambda connection: standing(connection, limit))


def standing(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """As `Conversations.standing`, within a transaction."""
    limits = select(
        keys.c.id, keys.c.name, keys.c.budget_window, keys.c.conversation_budget_nano_usd
    ).where(keys.c.conversation_budget_nano_usd.is_not(None), keys.c.revoked_us.is_(None))
    newest = limits.order_by(keys.c.created_us.desc()).limit(MOST_KEYS)
    limiting: list[Any] = list(connection.execute(newest))
    used = sorted(
        ((last_us, name, key) for key in limiting for name, last_us in _latest(connection, key.id)),
        key=lambda each: (each[0], each[1]),
        reverse=True,
    )[:limit]
    now_us = clock_us(connection)
    scopes = [(conversation_id(key.id, name), key.budget_window) for _, name, key in used]
    sums = read_sums(connection, "conversation", current_periods(scopes, now_us)) if scopes else {}
    return [
        _shown(key, name, last_us, sums.get(conversation_id(key.id, name), Sums()), now_us)
        for last_us, name, key in used
    ]


def _latest(connection: Connection, key_id: str) -> list[tuple[str, int]]:
    """The conversations of the key's latest calls, each with the moment of its last one."""
    calls = (
        select(requests.c.conversation, requests.c.created_us)
        .where(requests.c.key_id == key_id)
        .order_by(requests.c.created_us.desc())
        .limit(MOST_CALLS)
        .subquery()
    )
    rows = connection.execute(
        select(calls.c.conversation, func.max(calls.c.created_us))
        .where(calls.c.conversation.is_not(None))
        .group_by(calls.c.conversation)
    )
    return [(str(name), int(last_us)) for name, last_us in rows]


def _shown(
    key: Any,  # noqa: ANN401  # a row of `keys`
    name: str,
    last_us: int,
    sums: Sums,
    now_us: int,
) -> dict[str, Any]:
    limit_nano_usd = key.conversation_budget_nano_usd
    shown = budget_fields(limit_nano_usd, key.budget_window, sums, now_us)
    del shown["max_budget_usd"], shown["lifetime_spent_usd"]
    return {
        "key_id": key.id,
        "key_name": key.name,
        "conversation": name,
        "last_used_at": iso(last_us),
        "limit_usd": usd_text(limit_nano_usd),
        **shown,
    }
