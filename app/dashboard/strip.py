"""The line of figures that stands on every page of an operator's."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.core.errors import LedgerUnavailable
from app.dashboard.figures.projection import LONG_DAYS, Projection, month_end
from app.store.reports.query import SpendQuery

if TYPE_CHECKING:
    from app.web.running import RunningGateway

KEPT_S: Final = 1.0
PATIENCE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Strip:
    """Nano-USD, UTC; None is not known now. `guessed` is the part of the month that isn't exact."""

    writable: bool
    spent_month: int | None = None
    guessed: int | None = None
    held: int | None = None
    holds: int | None = None
    projected: Projection | None = None


class Strips:
    """Read at most once a second, however many look."""

    def __init__(self, running: RunningGateway) -> None:
        self._running = running
        self._known: Strip | None = None
        self._until_s = 0.0

    async def now(self, when: datetime) -> Strip:
        """As the ledger stands; what can't be read in time is not known."""
        if self._known is None or time.monotonic() >= self._until_s:
            known, writable = await asyncio.gather(self._figures(when), self._is_writable())
            self._known = replace(known, writable=known.writable and writable)
            self._until_s = time.monotonic() + KEPT_S
        return self._known

    async def _is_writable(self) -> bool:
        """As `/health/ready` says it: a ledger that can't be written in time takes no calls."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._running.store.ping()
        except (TimeoutError, LedgerUnavailable):
            return False
        return True

    async def _figures(self, when: datetime) -> Strip:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._read(when)
        except TimeoutError:
            return Strip(writable=True)
        except LedgerUnavailable:
            return Strip(writable=False)

    async def _read(self, when: datetime) -> Strip:
        store = self._running.store
        today = when.date()
        month = today.replace(day=1)
        since = min(month, today - timedelta(days=LONG_DAYS))
        query = SpendQuery(
            ("day",),
            from_=since.isoformat(),
            latencies=False,
            totals=False,
            sums=("cost_nano_usd", "estimated_nano_usd", "orphaned_nano_usd"),
        )
        report = await store.reports.spend(query)
        sums = {date.fromisoformat(row.group["day"] or ""): row.sums for row in report.rows}
        by_day = {day: each.cost_nano_usd for day, each in sums.items()}
        standing = await store.standings.now()
        return Strip(
            writable=True,
            spent_month=sum(amount for day, amount in by_day.items() if day >= month),
            guessed=sum(each.unsure_nano_usd for day, each in sums.items() if day >= month),
            held=None if standing is None else standing.held_nano_usd,
            holds=None if standing is None else standing.holds,
            projected=month_end(by_day, today),
        )
