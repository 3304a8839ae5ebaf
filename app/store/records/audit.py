"""Who changed what, append-only; written in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, Row, insert, select, text

from app.core.errors import BadRequest
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.moments import US_PER_S, iso
from app.store.database.tables import audit
from app.store.records.pages import DEFAULT_LIMIT, Page, checked_limit

ADMIN = "admin"
TOLD_WITHIN_S = 10


def note(
    connection: Connection, *, actor: str, action: str, target: str, details: Mapping[str, object]
) -> None:
    """Append an entry; `details` must hold no secret."""
    connection.execute(
        insert(audit).values(
            at_us=clock_us(connection),
            actor=actor,
            action=action,
            target=target,
            details=_text(details),
        )
    )


def _text(details: Mapping[str, object]) -> str:
    return orjson.dumps(dict(details)).decode()


def changed(
    before: Mapping[str, object] | None, after: Mapping[str, object] | None
) -> dict[str, object]:
    """The details of a change: what it was and what it has become, of what was changed alone.

    None: it was not there, or is no more.
    """
    return {
        "before": None if before is None else dict(before),
        "after": None if after is None else dict(after),
    }


class Audit:
    """The log as the admin API shows it."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def add(
        self, *, actor: str, action: str, target: str, details: Mapping[str, object]
    ) -> None:
        """Append an entry about what changes nothing else here; `details` must hold no secret."""
        await self._database.write(
            lambda c: note(c, actor=actor, action=action, target=target, details=details)
        )

    async def add_once(
        self,
        *,
        actor: str,
        action: str,
        target: str,
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> None:
        """Append a change of which every worker and replica tells; the first to tell is heard."""
        details = changed(before, after)

        def add(connection: Connection) -> None:
            if connection.dialect.name == "postgresql":  # the others wait until this is committed
                connection.execute(text("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE"))
            since_us = clock_us(connection) - TOLD_WITHIN_S * US_PER_S
            told = select(audit.c.id).where(
                audit.c.at_us >= since_us,
                audit.c.action == action,
                audit.c.target == target,
                audit.c.details == _text(details),
            )
            if connection.execute(told).first() is None:
                note(connection, actor=actor, action=action, target=target, details=details)

        await self._database.write(add)

    async def list(self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page:
        """Entries, newest first.  Raises BadRequest."""
        limit = checked_limit(limit)
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
        if cursor is not None:
            if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:
                raise BadRequest("cursor is not one that this list gave", param="cursor")
            statement = statement.where(audit.c.id < int(cursor))
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        more = len(rows) > limit
        return {
            "data": [_shown(row) for row in rows[:limit]],
            "next_cursor": str(rows[limit - 1].id) if more else None,
        }


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": iso(row.at_us),
        "actor": row.actor,
        "action": row.action,
        "target": row.target,
        "details": orjson.loads(row.details),
    }
