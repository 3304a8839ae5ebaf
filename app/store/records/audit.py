"""Who changed what, append-only; written in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, Row, insert, select

from app.core.errors import BadRequest
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.moments import iso
from app.store.database.tables import audit
from app.store.records.pages import DEFAULT_LIMIT, Page, checked_limit

ADMIN = "admin"


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
            details=orjson.dumps(dict(details)).decode(),
        )
    )


class Audit:
    """The log as the admin API shows it."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

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
