"""Calls that were refused before their hold, as the admin API shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import BadRequest
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import iso
from app.store.database.tables import refusals
from app.store.records.fields import clean_text, unknown
from app.store.records.pages import DEFAULT_LIMIT, Page, before, checked_limit, page
from app.store.records.ranges import range_of
from app.store.records.refusal_queue import RefusalQueue

REFUSAL_FILTERS: Final = ("key_id", "code", "from", "to")
REFUSED: Final = "refused"


class Refusals:
    """Keeps them for a while, and lists them; tells `lost` how many could not be kept."""

    def __init__(self, database: Database, lost: Callable[[int], None] = lambda _: None) -> None:
        self._database = FailClosed(database)
        self._queue = RefusalQueue(database, lost)
        self.note = self._queue.note
        self.run = self._queue.run
        self.close = self._queue.close

    async def list(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page:
        """Newest first; `filters` of REFUSAL_FILTERS.  Raises BadRequest."""
        limit = checked_limit(limit)
        wanted = {name: clean_text(text) for name, text in (filters or {}).items()}
        for name in wanted:
            if name not in REFUSAL_FILTERS:
                raise BadRequest(unknown("filter", name, REFUSAL_FILTERS), param=name)
        columns = {"key_id": refusals.c.key_id, "code": refusals.c.code}
        conditions = range_of(wanted.get("from"), wanted.get("to")).within(refusals.c.created_us)
        conditions += [column == wanted[name] for name, column in columns.items() if name in wanted]
        statement = (
            select(refusals)
            .where(*conditions, *before(cursor, refusals.c.created_us, refusals.c.id))
            .order_by(refusals.c.created_us.desc(), refusals.c.id.desc())
            .limit(limit + 1)
        )
        await self.written()
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return page(rows, limit, _shown)

    async def written(self) -> None:
        """Write what this process has not yet written, if that can be done now."""
        with suppress(SQLAlchemyError, OSError):
            await self._queue.written()


def refused_request(connection: Connection, request_id: str) -> dict[str, Any] | None:
    """A refused call where a row of the ledger is looked for; None if it was no such call."""
    found = select(refusals).where(refusals.c.id == request_id)
    row = connection.execute(found).one_or_none()
    if row is None:
        return None
    return _shown(row) | {"error_code": row.code, "cost_usd": "0.00"}


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": REFUSED,
        "created_at": iso(row.created_us),
        "key_id": row.key_id,
        "dialect": row.dialect,
        "model": row.model,
        "status": row.status,
        "code": row.code,
        "message": row.message,
        "budget": None if row.budget is None else orjson.loads(row.budget),
        "count": row.calls,
    }
