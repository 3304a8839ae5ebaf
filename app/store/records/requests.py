"""The ledger's rows as the admin API shows and corrects them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Row, select

from app.core.errors import BadRequest, NotFound
from app.core.money import MOST_USD, NANO_PER_USD, nano_usd, usd_text
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import iso
from app.store.database.tables import COST_CATEGORIES, TOKEN_COLUMNS, requests
from app.store.ledger.corrections import Change, move_rows
from app.store.ledger.statements import Statements
from app.store.records import audit
from app.store.records.fields import clean_text, unknown
from app.store.records.pages import DEFAULT_LIMIT, Page, before, checked_limit, page
from app.store.records.ranges import range_of
from app.store.records.refusals import refused_request
from app.store.records.tags import has_tag
from app.store.records.teams import ids_of_team

STATES = ("reserved", "settled", "released", "orphaned")
FILTERS: Final = (
    *("key_id", "team", "model", "status", "state", "tag", "user", "conversation"),
    *("min_cost_usd", "from", "to"),
)
SORTS: Final = ("created", "cost")
_AS_THEY_ARE = (
    *("id", "key_id", "state", "dialect", "requested_model", "model", "route_reason"),
    *("upstream", "upstream_request_id", "upstream_message_id", "attempts"),
    *(*TOKEN_COLUMNS, "cost_source", "status", "error_code", "latency_ms", "ttft_ms"),
    *("stream", "end_user", "conversation", "cache_miss_reason"),
)
_DETAILS = ("attempt_details", "rates", "routing", "cache_plan")
_SHOWN = (
    *_AS_THEY_ARE,
    *("created_us", "cost_nano_usd", "other_nano_usd", "cache_savings_nano_usd", "tags"),
    *("routing_savings_nano_usd", "cache_discount_nano_usd", "reserved_nano_usd"),
    "cache_miss_nano_usd",
    *(f"{category}_nano_usd" for category in COST_CATEGORIES),
)


class Requests:
    """Rows, newest first, one with its details, and corrections."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)
        self._statements = Statements(database.dialect)

    async def list(
        self,
        filters: Mapping[str, str] | None = None,
        *,
        sort: str = "created",
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page:
        """`filters` of FILTERS; `status` is an HTTP status or a row's state.

        Newest first, or dearest first where `sort` is `cost`. Raises BadRequest.
        """
        limit = checked_limit(limit)
        if sort not in SORTS:
            raise BadRequest(f"sort must be one of {', '.join(SORTS)}", param="sort")
        order = requests.c.cost_nano_usd if sort == "cost" else requests.c.created_us
        statement = (
            select(*(requests.c[name] for name in _SHOWN))
            .where(*_conditions(filters or {}, self._database.dialect.name))
            .where(*before(cursor, order, requests.c.id))
            .order_by(order.desc(), requests.c.id.desc())
            .limit(limit + 1)
        )
        rows = await self._database.run(lambda connection: connection.execute(statement).all())
        return page(rows, limit, _shown, by=order)

    async def get(self, request_id: str) -> dict[str, Any]:
        """The row with `attempt_details`, `rates`, `routing`, `cache_plan`, or the refused call.

        Raises NotFound.
        """
        return await self._database.run(lambda connection: _any(connection, request_id))

    async def correct(
        self, request_id: str, cost_nano_usd: int, *, actor: str = audit.ADMIN
    ) -> dict[str, Any]:
        """Replace a guessed cost; windows and roll-ups follow in the same transaction.

        Raises NotFound, and BadRequest unless the row is orphaned or estimated.
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
            before_usd = _read(connection, request_id)["cost_usd"]
            move_rows(connection, self._statements, [request_id], change)
            details = {"cost_usd": usd_text(cost_nano_usd), "before": before_usd}
            audit.note(
                connection,
                actor=actor,
                action="request.settle",
                target=request_id,
                details=details,
            )
            return _read(connection, request_id)

        return await self._database.write(correct)


def _conditions(filters: Mapping[str, str], dialect: str) -> list[ColumnElement[bool]]:
    for name in filters:
        if name not in FILTERS:
            raise BadRequest(unknown("filter", name, FILTERS), param=name)
    wanted = {name: clean_text(text) for name, text in filters.items()}
    columns = {
        "key_id": requests.c.key_id,
        "model": requests.c.model,
        "user": requests.c.end_user,
        "conversation": requests.c.conversation,
    }
    found = range_of(wanted.get("from"), wanted.get("to")).within(requests.c.created_us)
    found += [column == wanted[name] for name, column in columns.items() if name in wanted]
    if "team" in wanted:
        found.append(requests.c.team_id.in_(ids_of_team(wanted["team"])))
    if "tag" in wanted:
        found.append(has_tag(wanted["tag"], dialect))
    if "status" in wanted:
        found.append(_status(wanted["status"]))
    if "state" in wanted:
        found.append(_state(wanted["state"]))
    if "min_cost_usd" in wanted:
        found.append(requests.c.cost_nano_usd >= _least(wanted["min_cost_usd"]))
    return found


def _least(usd: str) -> int:
    try:
        return nano_usd(usd)
    except ValueError as error:
        raise BadRequest(f"min_cost_usd: {error}", param="min_cost_usd") from error


def _state(wanted: str) -> ColumnElement[bool]:
    if wanted not in STATES:
        raise BadRequest(f"state must be one of {', '.join(STATES)}", param="state")
    return requests.c.state == wanted


def _status(wanted: str) -> ColumnElement[bool]:
    if wanted in STATES:
        return requests.c.state == wanted
    if wanted.isascii() and wanted.isdecimal() and len(wanted) == len("200"):
        return requests.c.status == int(wanted)
    raise BadRequest(f"status must be an HTTP status or one of {', '.join(STATES)}", param="status")


def _any(connection: Connection, request_id: str) -> dict[str, Any]:
    try:
        return _read(connection, request_id)
    except NotFound:
        found = refused_request(connection, request_id)
        if found is None:
            raise
        return found


def _read(connection: Connection, request_id: str) -> dict[str, Any]:
    columns = [requests.c[name] for name in (*_SHOWN, *_DETAILS)]
    row = connection.execute(select(*columns).where(requests.c.id == request_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no request {request_id!r}")
    fields = row._mapping  # noqa: SLF001  # SQLAlchemy's documented name
    details = {
        name: None if fields[name] is None else orjson.loads(fields[name]) for name in _DETAILS
    }
    return _shown(row) | details


def _shown(row: Row[Any]) -> dict[str, Any]:
    fields = row._mapping  # noqa: SLF001  # SQLAlchemy's documented name
    shown = {name: fields[name] for name in _AS_THEY_ARE}
    discount, missed = row.cache_discount_nano_usd, row.cache_miss_nano_usd
    return shown | {
        "created_at": iso(row.created_us),
        "cost_usd": usd_text(row.cost_nano_usd),
        "cost_details": _cost_details(fields, row.other_nano_usd),
        "cache_savings_usd": usd_text(row.cache_savings_nano_usd),
        "routing_savings_usd": usd_text(row.routing_savings_nano_usd),
        "cache_discount_usd": None if discount is None else usd_text(discount),
        "cache_miss_usd": None if missed is None else usd_text(missed),
        "reserved_usd": usd_text(row.reserved_nano_usd),
        "tags": [] if row.tags is None else orjson.loads(row.tags),
    }


def _cost_details(fields: Mapping[Any, Any], other_nano_usd: int) -> dict[str, str]:
    """They add up to the cost: `other` holds bounds that stayed charged, or a correction."""
    details = {name: usd_text(fields[f"{name}_nano_usd"]) for name in COST_CATEGORIES}
    return details | ({"other": usd_text(other_nano_usd)} if other_nano_usd else {})
