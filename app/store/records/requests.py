"""The ledger's rows as the admin API shows and corrects them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core.errors import BadRequest, LedgerUnavailable, NotFound
from app.core.money import MOST_USD, NANO_PER_USD, usd_text
from app.store.database.engine import Database, FailClosed
from app.store.database.tables import requests
from app.store.ledger.corrections import Change, move_rows
from app.store.ledger.statements import statements_for
from app.store.records import audit
from app.store.records.fields import clean_text
from app.store.records.outcomes import note_outcome, outcome_of
from app.store.records.pages import DEFAULT_LIMIT, Listed, Page, before, checked_limit, listed
from app.store.records.refusals import RefusalView, refusal_of, refused_request_json
from app.store.records.request_filters import SORTS, Wanted
from app.store.records.request_views import (
    VIEWED_WHOLE,
    RequestDetails,
    RequestView,
    request_json,
    viewed,
    viewed_whole,
)

ROWS_AT_ONCE = 250


class Requests:
    """Rows, newest first, one with its details, corrections, and what is said of them."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)
        self._statements = statements_for(database.dialect)

    async def listed(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        sort: str = "created",
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Listed[RequestView]:
        """`filters` of FILTERS; `status` is an HTTP status or a row's state.

        Newest first, or dearest first where `sort` is `cost`. Raises BadRequest.
        """
        limit = checked_limit(limit)
        if sort not in SORTS:
            raise BadRequest(f"sort must be one of {', '.join(SORTS)}", param="sort")
        order = requests.c.cost_nano_usd if sort == "cost" else requests.c.created_us
        after = before(cursor, order, requests.c.id)
        wanted = Wanted.of(filters or {}, self._database.dialect.name)
        rows = await self._database.report(lambda c: wanted.rows(c, order, after, limit + 1))
        return listed(rows, limit, viewed, by=order)

    async def list(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        sort: str = "created",
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page:
        """The same as JSON objects."""
        found = await self.listed(filters, sort=sort, cursor=cursor, limit=limit)
        return found.page(request_json)

    async def each(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        sort: str = "created",
        cursor: str | None = None,
        at_once: int = ROWS_AT_ONCE,
    ) -> AsyncIterator[Sequence[RequestView]]:
        """All of them, some at a time: no more than that is in memory, or in one transaction."""
        while True:
            found = await self.listed(filters, sort=sort, cursor=cursor, limit=at_once)
            yield found.rows
            cursor = found.next_cursor
            if cursor is None:
                return

    async def found(self, request_id: str) -> RequestDetails | RefusalView:
        """The row with all it takes to do its sum again, or the refused call.  Raises NotFound."""
        return await self._database.run(lambda connection: _any(connection, request_id))

    async def get(self, request_id: str) -> dict[str, Any]:
        """The same as a JSON object."""
        found = await self.found(request_id)
        return (
            request_json(found)
            if isinstance(found, RequestDetails)
            else refused_request_json(found)
        )

    async def correct(
        self,
        request_id: str,
        cost_nano_usd: int,
        *,
        note: str | None = None,
        actor: str = audit.ADMIN,
    ) -> dict[str, Any]:
        """Replace a guessed cost; windows and roll-ups follow in the same transaction.

        `note` says why, for the audit log. Raises NotFound, and BadRequest unless the row is
        orphaned or estimated.
        """
        if not 0 <= cost_nano_usd <= MOST_USD * NANO_PER_USD:
            raise BadRequest(f"cost_usd must be between 0 and {MOST_USD}", param="cost_usd")

        def change(row: Row[Any]) -> Change:
            guessed = row.state == "settled" and row.cost_source == "estimated"
            if row.state != "orphaned" and not guessed:
                raise BadRequest(
                    f"the cost of {request_id!r} is not a guess: its state is {row.state}, "
                    f"its cost_source {row.cost_source}"
                )
            return Change("settled", cost_nano_usd, "corrected", row.status, row.error_code)

        def correct(connection: Connection) -> dict[str, Any]:
            was = _read(connection, request_id)
            if not move_rows(connection, self._statements, [request_id], change):
                raise LedgerUnavailable("another process is changing this row: try again")
            becomes = _read(connection, request_id)
            details = audit.changed(_cost_of(was), _cost_of(becomes))
            audit.note(
                connection,
                actor=actor,
                action="request.settle",
                target=request_id,
                details=details if note is None else {**details, "note": clean_text(note)},
            )
            return request_json(becomes)

        return await self._database.write(correct)

    async def note_outcome(self, request_id: str, note: str | None, *, ok: bool) -> dict[str, Any]:
        """Say whether the call's answer did; it replaces what was said before.  Raises NotFound."""

        def write(connection: Connection) -> dict[str, Any]:
            _read(connection, request_id)
            said = None if note is None else clean_text(note)
            note_outcome(connection, request_id, said, ok=ok)
            return request_json(_read(connection, request_id))

        return await self._database.write(write)


def _cost_of(view: RequestView) -> dict[str, str | None]:
    return {
        "state": view.state,
        "cost_usd": usd_text(view.cost_nano_usd),
        "cost_source": view.cost_source,
    }


def _any(connection: Connection, request_id: str) -> RequestDetails | RefusalView:
    try:
        return _read(connection, request_id)
    except NotFound:
        found = refusal_of(connection, request_id)
        if found is None:
            raise
        return found


def _read(connection: Connection, request_id: str) -> RequestDetails:
    wanted = select(*VIEWED_WHOLE).where(requests.c.id == request_id)
    row = connection.execute(wanted).one_or_none()
    if row is None:
        raise NotFound(f"there is no request {request_id!r}")
    return viewed_whole(row, outcome_of(connection, request_id))
