"""A past range of the ledger at the prices that are known now: corrections that are only added."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, insert

from app.core.models import Catalog
from app.core.money import nano_usd, usd_text
from app.core.repricing import Left, Repriced, repriced
from app.core.whatif import Pair
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.moments import iso
from app.store.database.tables import COST_CATEGORIES, repricings
from app.store.ledger.corrections import Change, move_rows
from app.store.ledger.statements import Statements, statements_for
from app.store.records import audit
from app.store.records.ranges import Range
from app.store.records.replays import REPRICED, Replays, Told, read_json, stored_call

WRITTEN_AT_ONCE: Final = 100  # calls wait for no longer than such a transaction takes
MOVED_MEANWHILE: Final = "moved_meanwhile"
_UNMOVED: Final = ("cost_nano_usd", "other_nano_usd", "cost_source", "rates", "lookup_due_us")


@dataclass(slots=True)
class RepricingReport:
    """What was changed, or would be. `left` counts the calls that stay, by why."""

    run_id: str | None = None
    changed: int = 0
    total: Pair = field(default_factory=Pair)
    by_model: dict[str, Pair] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def add(self, row: Row[Any], becomes: Repriced | str) -> None:
        """Count one call."""
        changes = isinstance(becomes, Repriced)
        after = becomes.total_nano_usd if isinstance(becomes, Repriced) else row.cost_nano_usd
        for pair in (self.total, self.by_model.setdefault(row.model, Pair())):
            pair.calls += 1
            pair.nano_usd += row.cost_nano_usd
            pair.whatif_calls += changes
            pair.whatif_nano_usd += after
        self.changed += changes
        if not isinstance(becomes, Repriced):
            self.left[becomes] = self.left.get(becomes, 0) + 1


class Repricings:
    """Prices ranges anew, some calls at a time, each with all its sums in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)
        self._replays = Replays(database)
        self._statements = statements_for(database.dialect)

    async def reprice(
        self,
        within: Range,
        catalog: Catalog,
        *,
        dry_run: bool,
        actor: str = audit.ADMIN,
        told: Told = lambda _calls: None,
    ) -> RepricingReport:
        """Every settled call of the range at the prices of `catalog` on its day.

        A dry run changes nothing. What is changed is kept as it was in `repricings`, and the audit
        log tells of the run before it begins and once it is over.
        """
        report = RepricingReport(None if dry_run else f"reprice_{secrets.token_hex(8)}")
        if report.run_id is not None:
            await self._note(report, within, actor, "spend.reprice", {})
        async for rows in self._replays.rows(within):
            found = await asyncio.to_thread(_repriced, rows, catalog)
            if report.run_id is not None:
                await self._apply(report.run_id, rows, found)
            for row in rows:
                report.add(row, found[row.id])
            told(report.total.calls)
        if report.run_id is not None:
            total = report.total
            sums = audit.changed(
                {"cost_usd": usd_text(total.nano_usd)},
                {"cost_usd": usd_text(total.whatif_nano_usd)},
            )
            details = {**sums, "requests": total.calls, "changed": report.changed}
            await self._note(report, within, actor, "spend.repriced", details)
        return report

    async def _apply(
        self, run_id: str, rows: Sequence[Row[Any]], found: dict[str, Repriced | str]
    ) -> None:
        """Change the calls that `found` prices anew; one that was moved meanwhile is left."""
        wanted = [row for row in rows if isinstance(found[row.id], Repriced)]
        for first in range(0, len(wanted), WRITTEN_AT_ONCE):
            some = {row.id: row for row in wanted[first : first + WRITTEN_AT_ONCE]}
            change = partial(_change, self._statements, run_id, some, dict(found))
            changed = await self._database.write(change)
            found.update(dict.fromkeys(some.keys() - changed, MOVED_MEANWHILE))

    async def _note(
        self,
        report: RepricingReport,
        within: Range,
        actor: str,
        action: str,
        details: Mapping[str, object],
    ) -> None:
        told = {"from": iso(within.from_us), "to": iso(within.before_us), **details}
        target = report.run_id or ""
        await self._database.write(
            lambda c: audit.note(c, actor=actor, action=action, target=target, details=told)
        )


def _repriced(rows: Sequence[Row[Any]], catalog: Catalog) -> dict[str, Repriced | str]:
    found: dict[str, Repriced | str] = {}
    for row in rows:
        rates = None if row.rates is None else read_json(row.rates)
        becomes = repriced(stored_call(row), rates, catalog)
        found[row.id] = str(becomes) if isinstance(becomes, Left) else becomes
    return found


def _change(
    statements: Statements,
    run_id: str,
    some: Mapping[str, Row[Any]],
    found: Mapping[str, Repriced | str],
    connection: Connection,
) -> set[str]:
    """The ids that were changed."""
    now_us = clock_us(connection)
    kept: list[dict[str, Any]] = []

    def change(row: Row[Any]) -> Change | None:
        becomes, read = found[row.id], some[row.id]
        same = all(getattr(row, name) == getattr(read, name) for name in _UNMOVED)
        if not isinstance(becomes, Repriced) or not same or row.state != "settled":
            return None
        columns = _columns(row, becomes, run_id)
        after = {**{name: getattr(row, name) for name in _EVIDENCE}, **columns}
        after["cost_nano_usd"], after["cost_source"] = becomes.total_nano_usd, becomes.cost_source
        after["cache_savings_nano_usd"] = becomes.cache_savings_nano_usd
        kept.append(
            {
                "run_id": run_id,
                "request_id": row.id,
                "at_us": now_us,
                "more_nano_usd": becomes.total_nano_usd - row.cost_nano_usd,
                "before": _evidence({name: getattr(row, name) for name in _EVIDENCE}),
                "after": _evidence(after),
            }
        )
        return Change(
            "settled",
            becomes.total_nano_usd,
            becomes.cost_source,
            row.status,
            row.error_code,
            cache_savings_nano_usd=becomes.cache_savings_nano_usd,
            columns=columns,
        )

    move_rows(connection, statements, sorted(some), change)
    if kept:
        connection.execute(insert(repricings), kept)
    return {each["request_id"] for each in kept}


_COSTS: Final = tuple(f"{category}_nano_usd" for category in COST_CATEGORIES)
_SAVINGS: Final = ("cache_savings_nano_usd", "routing_savings_nano_usd", "cache_miss_nano_usd")
_EVIDENCE: Final = ("cost_nano_usd", "cost_source", *_COSTS, "other_nano_usd", *_SAVINGS, "rates")


def _columns(row: Row[Any], becomes: Repriced, run_id: str) -> dict[str, Any]:
    """The columns that change beside the cost: the row adds up as it did."""
    costs = {f"{name}_nano_usd": getattr(becomes.cost, name) for name in COST_CATEGORIES}
    rates = {**becomes.rates, REPRICED: {"run": run_id, "before_usd": usd_text(row.cost_nano_usd)}}
    routing = row.routing_savings_nano_usd
    if routing and becomes.strongest_nano_usd is not None:
        routing = becomes.strongest_nano_usd - becomes.cost.total
    more = becomes.total_nano_usd - row.cost_nano_usd
    missed = row.cache_miss_nano_usd if becomes.missed_nano_usd is None else becomes.missed_nano_usd
    return {
        **costs,
        "other_nano_usd": row.other_nano_usd,
        "rates": orjson.dumps(rates).decode(),
        "routing_savings_nano_usd": routing,
        "cache_miss_nano_usd": missed,
        "attempt_details": _attempts(row.attempt_details, more),
    }


def _attempts(text: str | None, more_nano_usd: int) -> str | None:
    """The attempts, the last of them at what its answer costs now."""
    attempts = orjson.loads(text or "[]")
    if not attempts:
        return text
    *before, last = attempts
    cost = usd_text(nano_usd(last["cost_usd"]) + more_nano_usd)
    return orjson.dumps([*before, {**last, "cost_usd": cost}]).decode()


def _evidence(values: Mapping[str, Any]) -> str:
    rates = values["rates"]
    return orjson.dumps({**values, "rates": rates and orjson.loads(rates)}).decode()
