"""The ledger's rows as calls that can be priced again, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson
from sqlalchemy import ColumnElement, Row, func, select, tuple_

from app.core.ended import Basis
from app.core.money import nano_usd
from app.core.replay import Stored, lines_of
from app.core.usage import Usage
from app.core.whatif import OtherRules, Report, outcome
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import US_PER_DAY, moment
from app.store.database.tables import COST_CATEGORIES, TOKEN_COLUMNS, requests
from app.store.records.ranges import Range

ROWS_AT_ONCE: Final = 500
Told: TypeAlias = Callable[[int], None]
NO_TIER: Final = "-"
REPRICED: Final = "repriced"
READ: Final = (
    *("id", "key_id", "created_us", "state", "model", "held_model", "route_reason", "routing"),
    *("cache_plan", "attempt_details", "generation_id", "rates", "cost_source"),
    *("lookup_due_us", "routing_savings_nano_usd", "cache_miss_tokens"),
    *("cost_nano_usd", "other_nano_usd", *TOKEN_COLUMNS),
    *(f"{category}_nano_usd" for category in COST_CATEGORIES),
)


class Replays:
    """Past calls, and what they would have come to under other rules."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def whatif(
        self,
        within: Range,
        rules: OtherRules,
        key_id: str | None = None,
        told: Told = lambda _calls: None,
    ) -> Report:
        """Every settled call of the range under `rules`; nothing is changed.

        `told` hears now and then how many it has been.
        """
        report = Report()
        async for calls in self.each(within, key_id):
            await asyncio.to_thread(_add, report, calls, rules)
            told(report.total.calls)
        return report

    async def orphaned(self, within: Range, key_id: str | None = None) -> tuple[int, int]:
        """How many calls of lost processes the range has, and their nano-USD."""
        total = func.coalesce(func.sum(requests.c.cost_nano_usd), 0)
        wanted = select(func.count(), total).where(
            *_conditions(within, key_id), requests.c.state == "orphaned"
        )
        count, nano = await self._database.run(lambda c: c.execute(wanted).one())
        return int(count), int(nano)

    async def each(
        self, within: Range, key_id: str | None = None
    ) -> AsyncIterator[Sequence[Stored]]:
        """The settled calls of the range, oldest first; only so many are in memory."""
        async for rows in self.rows(within, key_id):
            yield await asyncio.to_thread(_stored, rows)

    async def rows(
        self, within: Range, key_id: str | None = None
    ) -> AsyncIterator[Sequence[Row[Any]]]:
        """The same as rows of the READ columns."""
        order = (requests.c.created_us, requests.c.id)
        first = (
            select(*(requests.c[name] for name in READ))
            .where(*_conditions(within, key_id), requests.c.state == "settled")
            .order_by(*order)
            .limit(ROWS_AT_ONCE)
        )
        wanted = first
        while True:
            rows = await self._database.run(lambda c, wanted=wanted: c.execute(wanted).all())  # type: ignore[misc]
            if rows:
                yield rows
            if len(rows) < ROWS_AT_ONCE:
                return
            wanted = first.where(tuple_(*order) > tuple_(rows[-1].created_us, rows[-1].id))


def _conditions(within: Range, key_id: str | None) -> list[ColumnElement[bool]]:
    of_key = [] if key_id is None else [requests.c.key_id == key_id]
    return [*within.within(requests.c.created_us), *of_key]


def _stored(rows: Sequence[Row[Any]]) -> list[Stored]:
    return [stored_call(row) for row in rows]


def _add(report: Report, calls: Sequence[Stored], rules: OtherRules) -> None:
    for call in calls:
        report.add(call, outcome(call, rules))


def stored_call(row: Any) -> Stored:  # noqa: ANN401  # a row of the READ columns
    """The row as a call that can be priced again."""
    rates = None if row.rates is None else read_json(row.rates)
    routing, plan = orjson.loads(row.routing), read_json(row.cache_plan)
    lines = lines_of(rates, Usage(**{name: getattr(row, name) for name in TOKEN_COLUMNS}))
    more = _billed_more(row, rates)
    tier = routing.get("tier", NO_TIER)
    return Stored(
        id=row.id,
        day=_day(row.created_us // US_PER_DAY),
        model=row.model,
        sent_model=row.held_model or row.model,
        cost_nano_usd=row.cost_nano_usd,
        cost_source=row.cost_source,
        lines=lines,
        kept_nano_usd=row.other_nano_usd - more,
        billed=row.cost_source == "billed"
        or row.lookup_due_us is not None
        or _tells(rates, "billed")
        or more != 0,
        billed_more_nano_usd=more,
        tier=None if tier == NO_TIER else tier,
        reason=row.route_reason,
        score=routing.get("score"),
        placed=bool(plan.get("placed")),
        callers_marks=plan.get("callers", 0),
        by_hand=row.cost_source == "corrected" and not _tells(rates, REPRICED),
        missed_tokens=row.cache_miss_tokens,
    )


def _tells(rates: Mapping[str, Any] | None, name: str) -> bool:
    return rates is not None and name in rates


def _billed_more(row: Any, rates: Mapping[str, Any] | None) -> int:  # noqa: ANN401
    """By how much what the vendor billed for the answer is above what its categories come to."""
    if rates is None or not (row.generation_id is not None or "billed" in rates):
        return 0
    attempts = orjson.loads(row.attempt_details or "[]")
    if not attempts or attempts[-1].get("basis") != Basis.USAGE:
        return 0
    categories = sum(getattr(row, f"{category}_nano_usd") for category in COST_CATEGORIES)
    billed: int = nano_usd(attempts[-1]["cost_usd"])
    return billed - int(categories)


@lru_cache(maxsize=4_096)
def read_json(text: str) -> Mapping[str, Any]:
    """JSON that many rows have in common, read once; nobody may change what comes back."""
    found: Mapping[str, Any] = orjson.loads(text)
    return found


@lru_cache(maxsize=64)
def _day(days: int) -> date:
    return moment(days * US_PER_DAY).date()
