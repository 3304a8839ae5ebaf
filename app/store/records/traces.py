"""Rows whose trace waits for their vendor's bill: who may tell it when, each once.

The process that made the call tells its trace once the bill has come. Where it is gone, whoever
finds the row does, without what no row keeps: the prompt, the answer and the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, select, update

from app.core.caching import CachePlan
from app.core.ended import Attempt, Basis, Charge, Ended, Ending
from app.core.keys import Key
from app.core.lookups import Billed, Left
from app.core.misses import Miss, MissReason
from app.core.money import nano_usd
from app.core.pricing import Cost
from app.core.request import Request
from app.core.routing import Reason, Route
from app.core.usage import Usage
from app.store.database.engine import Database, clock_us
from app.store.database.tables import COST_CATEGORIES, TOKEN_COLUMNS, keys, processes, requests

MOST_AT_ONCE = 256
NS_PER_US = 1_000
US_PER_MS = 1_000
_REASONS = {str(reason): reason for reason in Reason}
_BILL = (requests.c.cost_nano_usd, requests.c.cost_source, requests.c.cache_discount_nano_usd)
_WAITS = requests.c.waiting_trace.is_not(None)


class Traces:
    """What waits, and what may be told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def billed(self, ids: Sequence[str]) -> Mapping[str, Billed | None]:
        """Of these, those with a bill, which the caller tells now; None for one told already."""
        found: dict[str, Billed | None] = {}
        for first in range(0, len(ids), MOST_AT_ONCE):
            some = ids[first : first + MOST_AT_ONCE]
            if await self._database.run(partial(_are_over, ids=some)):
                found |= await self._database.write(partial(_take, ids=some))
        return found

    async def forget(self, ids: Sequence[str]) -> None:
        """These were told without their bill."""
        for first in range(0, len(ids), MOST_AT_ONCE):
            some = ids[first : first + MOST_AT_ONCE]
            await self._database.write(partial(_forget, ids=some))

    async def left(self) -> Sequence[Left]:
        """Those of processes that are gone and whose bill is known, for the caller to tell now."""
        if not await self._database.run(lambda c: c.execute(_left(c, 1)).all()):
            return ()
        return await self._database.write(_take_left)


def _over(ids: Sequence[str]) -> Select[Any]:
    """Nothing more is to be told of them, or another process told of them."""
    return select(requests.c.id, requests.c.waiting_trace, *_BILL).where(
        requests.c.id.in_(ids), requests.c.lookup_due_us.is_(None) | ~_WAITS
    )


def _are_over(connection: Connection, ids: Sequence[str]) -> bool:
    return bool(connection.execute(_over(ids).limit(1)).all())


def _take(connection: Connection, ids: Sequence[str]) -> dict[str, Billed | None]:
    rows = connection.execute(_over(ids).with_for_update()).all()
    _forget(connection, [row.id for row in rows])
    return {row.id: None if row.waiting_trace is None else _bill(row) for row in rows}


def _forget(connection: Connection, ids: Sequence[str]) -> None:
    connection.execute(update(requests).where(requests.c.id.in_(ids)).values(waiting_trace=None))


def _left(connection: Connection, most: int) -> Select[Any]:
    alive = select(processes.c.id).where(processes.c.expires_us > clock_us(connection))
    return (
        select(requests, keys.c.name.label("key_name"), keys.c.prefix.label("key_prefix"))
        .outerjoin_from(requests, keys, keys.c.id == requests.c.key_id)
        .where(_WAITS, requests.c.lookup_due_us.is_(None), requests.c.process_id.not_in(alive))
        .limit(most)
    )


def _take_left(connection: Connection) -> Sequence[Left]:
    left = _left(connection, MOST_AT_ONCE).with_for_update(of=requests, skip_locked=True)
    rows = connection.execute(left).all()
    _forget(connection, [row.id for row in rows])
    return [_left_call(row) for row in rows]


def _bill(row: Row[Any]) -> Billed:
    return Billed(row.cost_nano_usd, row.cost_source, row.cache_discount_nano_usd)


def _left_call(row: Row[Any]) -> Left:
    latency_us = (row.latency_ms or 0) * US_PER_MS
    return Left(_call(row), (row.created_us + latency_us) * NS_PER_US, _bill(row))


def _call(row: Row[Any]) -> Ended:
    attempts = _attempts(row.attempt_details)
    before_nano_usd = sum(each.cost_nano_usd for each in attempts[:-1])
    charge = _charge(row, row.other_nano_usd - before_nano_usd) if row.rates else None
    miss = row.cache_miss_reason and Miss(
        MissReason(row.cache_miss_reason), row.cache_miss_nano_usd or 0
    )
    return Ended(
        request_id=row.id,
        key=Key(
            row.key_id,
            row.key_name or "",
            row.key_prefix or "",
            datetime.fromtimestamp(0, UTC),
            team_id=row.team_id,
        ),
        dialect=row.dialect,
        request=Request(
            row.requested_model,
            (),
            end_user=row.end_user,
            tags=tuple(orjson.loads(row.tags)) if row.tags else (),
        ),
        model=row.model,
        upstream=row.upstream,
        route=_route(row),
        cache_plan=CachePlan(),
        attempts=attempts,
        charge=charge,
        other_nano_usd=row.other_nano_usd if charge is None else before_nano_usd,
        held_nano_usd=row.reserved_nano_usd,
        reason=Ending.ANSWERED if row.error_code is None else Ending.FAILED,
        error=None,
        status=row.status or 0,
        error_code=row.error_code,
        latency_ms=row.latency_ms or 0,
        ttft_ms=row.ttft_ms,
        conversation=row.conversation,
        traceparent=row.waiting_trace or None,
        miss=miss or None,
    )


def _charge(row: Row[Any], adjustment: int) -> Charge:
    fields = row._mapping  # noqa: SLF001  # SQLAlchemy's documented name
    costs = {name: fields[f"{name}_nano_usd"] for name in COST_CATEGORIES}
    cost = Cost(**costs, adjustment=adjustment)
    return Charge(
        usage=Usage(**{name: fields[name] for name in TOKEN_COLUMNS}),
        cost=cost,
        cost_source=row.cost_source,
        rates=row.rates,
        uncached_nano_usd=cost.total + row.cache_savings_nano_usd,
        strongest_nano_usd=cost.total + row.routing_savings_nano_usd,
        message_id=row.upstream_message_id,
    )


def _route(row: Row[Any]) -> Route:
    told = orjson.loads(row.routing)
    tier = told.get("tier")
    reason = _REASONS.get(row.route_reason, Reason.DEFAULT)
    return Route(None if tier == "-" else tier, told.get("score") or 0.0, reason)


def _attempts(text: str | None) -> tuple[Attempt, ...]:
    """As the row tells them, one after the other: it does not say how long was waited between."""
    found: list[Attempt] = []
    begun_ms = 0
    for each in orjson.loads(text) if text else ():
        found.append(
            Attempt(
                each["upstream"],
                each["model"],
                each["status"],
                each["error"],
                each["latency_ms"],
                each["request_id"],
                nano_usd(each["cost_usd"]),
                Basis(each["basis"]),
                begun_ms,
                each.get("message"),
            )
        )
        begun_ms += each["latency_ms"]
    return tuple(found)
