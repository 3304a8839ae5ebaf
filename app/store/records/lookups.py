"""Rows whose vendor is still to be asked what it billed, and what becomes of them then.

A row that is settled tells by its `generation_id` and `lookup_due_us` that it waits for this: the
question is not lost with a process, and is asked by one process of many.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, update

from app.core.ended import Basis, CostSource
from app.core.lookups import FIRST_S, Pending, Told, wait_s
from app.core.money import nano_usd, usd_text
from app.store.database.engine import Database, clock_us
from app.store.database.moments import US_PER_S
from app.store.database.tables import requests
from app.store.ledger.corrections import Change, move_rows
from app.store.ledger.statements import statements_for

MOST_AT_ONCE = 64
ASKING_S = 60  # then whoever asks is taken for lost
MS_US = 1_000


@dataclass(frozen=True, slots=True)
class Noted:
    """What came of the answers: those given up, and by how many nano-USD what was computed was off.

    Each difference with the model of its row.
    """

    given_up: Sequence[Pending]
    differences: Sequence[tuple[str, int]]


class Lookups:
    """What is to be asked, and what was told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements_for(database.dialect)

    async def claim(self, upstreams: Collection[str]) -> list[Pending]:
        """Those that are due, for this process alone to ask; at most MOST_AT_ONCE."""
        if not await self._database.run(lambda c: bool(c.execute(_due(c, upstreams, 1)).all())):
            return []
        return await self._database.write(lambda connection: _claim(connection, upstreams))

    async def note(self, answers: Sequence[tuple[Pending, Told | None]]) -> Noted:
        """Enter what was told, and when to ask again for the rest.

        Windows and roll-ups follow in the same transaction.
        """
        return await self._database.write(lambda connection: self._note(connection, answers))

    def _note(
        self, connection: Connection, answers: Sequence[tuple[Pending, Told | None]]
    ) -> Noted:
        found = {pending.request_id: told for pending, told in answers if told is not None}
        details: dict[str, str | None] = {}
        differences: list[tuple[str, int]] = []

        def change(row: Row[Any]) -> Change:
            becomes = _change(row, found[row.id])
            if row.cost_source == "computed" and becomes.cost_nano_usd != row.cost_nano_usd:
                differences.append((row.model, becomes.cost_nano_usd - row.cost_nano_usd))
            details[row.id] = _details(row.attempt_details, becomes, found[row.id])
            return becomes

        if found:
            move_rows(connection, self._statements, sorted(found), change)
        for request_id, text in details.items():
            discount = found[request_id].cache_discount_nano_usd or 0
            values = {"cache_discount_nano_usd": discount, "attempt_details": text}
            _set(connection, request_id, lookup_due_us=None, **values)
        rest = [pending for pending, _ in answers if pending.request_id not in details]
        return Noted(_ask_again(connection, rest), differences)


def _claim(connection: Connection, upstreams: Collection[str]) -> list[Pending]:
    due = _due(connection, upstreams, MOST_AT_ONCE).with_for_update(skip_locked=True)
    rows = connection.execute(due).all()
    until_us = clock_us(connection) + ASKING_S * US_PER_S
    for row in rows:
        _set(connection, row.id, lookup_due_us=until_us, lookups=row.lookups + 1)
    return [Pending(row.id, row.upstream, row.generation_id, row.lookups + 1) for row in rows]


def _ask_again(connection: Connection, pending: Sequence[Pending]) -> list[Pending]:
    now_us = clock_us(connection)
    given_up = []
    for each in pending:
        seconds = wait_s(each.asked)
        due_us = None if seconds is None else now_us + seconds * US_PER_S
        _set(connection, each.request_id, lookup_due_us=due_us)
        if seconds is None:
            given_up.append(each)
    return given_up


def _due(connection: Connection, upstreams: Collection[str], most: int) -> Select[Any]:
    """A row that was never asked for is due a while after its answer was whole."""
    now_us = clock_us(connection)
    ended_us = requests.c.created_us + func.coalesce(requests.c.latency_ms, 0) * MS_US
    shown = (requests.c.id, requests.c.upstream, requests.c.generation_id, requests.c.lookups)
    return (
        select(*shown)
        .where(
            requests.c.lookup_due_us.is_not(None),
            requests.c.lookup_due_us <= now_us,
            ended_us <= now_us - FIRST_S * US_PER_S,
            requests.c.upstream.in_(upstreams),
        )
        .order_by(requests.c.lookup_due_us, requests.c.id)
        .limit(most)
    )


def _set(connection: Connection, request_id: str, **values: Any) -> None:  # noqa: ANN401
    is_it: ColumnElement[bool] = requests.c.id == request_id
    connection.execute(update(requests).where(is_it).values(**values))


def _change(row: Row[Any], told: Told) -> Change:
    """The answer at the cost that was billed; what an operator has corrected stays.

    Attempts before it may have been charged by an estimate, which stays one.
    """
    saved = told.cache_discount_nano_usd
    savings = row.cache_savings_nano_usd if saved is None else saved
    if row.cost_source == "corrected":
        return Change(
            row.state, row.cost_nano_usd, "corrected", row.status, row.error_code, savings
        )
    *before, last = _attempts(row.attempt_details)
    cost = row.cost_nano_usd - nano_usd(last["cost_usd"]) + told.cost_nano_usd
    guessed = any(attempt.get("charged") for attempt in before)
    source: CostSource = "estimated" if guessed else "billed"
    return Change(row.state, cost, source, row.status, row.error_code, savings)


def _details(text: str, becomes: Change, told: Told) -> str:
    """The attempts, the last of them at what was billed."""
    if becomes.cost_source == "corrected":
        return text
    *before, last = _attempts(text)
    billed = {"cost_usd": usd_text(told.cost_nano_usd), "charged": False, "basis": Basis.USAGE}
    return orjson.dumps([*before, {**last, **billed}]).decode()


def _attempts(text: str) -> list[Mapping[str, Any]]:
    attempts: list[Mapping[str, Any]] = orjson.loads(text)
    return attempts
