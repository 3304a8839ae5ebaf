"""Calls that were refused before their hold, as the admin API shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import BadRequest
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import iso
from app.store.database.tables import refusals
from app.store.records.fields import clean_text, unknown
from app.store.records.pages import DEFAULT_LIMIT, Listed, Page, before, checked_limit, listed
from app.store.records.ranges import range_of
from app.store.records.refusal_queue import RefusalQueue

REFUSAL_FILTERS: Final = ("key_id", "code", "from", "to")
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalView:
    """A call that was refused before its hold, or `calls` of them; `budget` as a 402 tells it."""

    id: str
    created_us: int
    key_id: str | None
    status: int
    code: str
    message: str
    model: str | None
    dialect: str | None
    budget: Mapping[str, Any] | None
    calls: int


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
        """As `listed`, in JSON objects."""
        found = await self.listed(filters, cursor=cursor, limit=limit)
        return found.page(refusal_json)

    async def listed(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Listed[RefusalView]:
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
        return listed(rows, limit, _viewed)

    async def written(self) -> None:
        """Write what this process has not yet written, if that can be done now."""
        with suppress(SQLAlchemyError, OSError):
            await self._queue.written()


def refusal_of(connection: Connection, request_id: str) -> RefusalView | None:
    """The refused call of that id, if there is one."""
    found = select(refusals).where(refusals.c.id == request_id)
    row = connection.execute(found).one_or_none()
    return None if row is None else _viewed(row)


def refused_request_json(view: RefusalView) -> dict[str, Any]:
    """A refused call where a row of the ledger is asked for."""
    return refusal_json(view) | {"error_code": view.code, "cost_usd": "0.00"}


def refusal_json(view: RefusalView) -> dict[str, Any]:
    """The JSON object."""
    return {
        "id": view.id,
        "state": REFUSED,
        "created_at": iso(view.created_us),
        "key_id": view.key_id,
        "dialect": view.dialect,
        "model": view.model,
        "status": view.status,
        "code": view.code,
        "message": view.message,
        "budget": None if view.budget is None else dict(view.budget),
        "count": view.calls,
    }


def _viewed(row: Row[Any]) -> RefusalView:
    values = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's documented name
    budget = values["budget"]
    return RefusalView(**values | {"budget": None if budget is None else orjson.loads(budget)})
