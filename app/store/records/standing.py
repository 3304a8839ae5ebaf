"""How the ledger stands at this moment: what is held, and what limited keys have left."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import Connection, func, select

from app.core.errors import LedgerUnavailable
from app.core.standing import Standing
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.tables import IS_OPEN, keys, requests, windows
from app.store.ledger.windows import current_periods, window_id

MOST_KEYS = 1_000  # as many series as a scrape should have of one metric
PATIENCE_S = 2.0
KEPT_S = 1.0  # whoever may ask can't make the database busy


class Standings:
    """Asked by every scrape, of any number of replicas: each tells the same."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)
        self._known: Standing | None = None
        self._good_until_s = 0.0

    async def now(self) -> Standing | None:
        """None where the database does not answer soon."""
        if self._known is None or time.monotonic() >= self._good_until_s:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    self._known = await self._database.run(_read)
            except (LedgerUnavailable, TimeoutError):
                self._known = None
            self._good_until_s = time.monotonic() + KEPT_S
        return self._known


def _read(connection: Connection) -> Standing:
    held = select(func.count(), func.coalesce(func.sum(requests.c.reserved_nano_usd), 0))
    holds, held_nano_usd = connection.execute(held.where(IS_OPEN)).one()
    limited = connection.execute(
        select(keys.c.id, keys.c.max_budget_nano_usd, keys.c.budget_window)
        .where(keys.c.max_budget_nano_usd.is_not(None), keys.c.revoked_us.is_(None))
        .order_by(keys.c.created_us.desc())
        .limit(MOST_KEYS)
    ).all()
    now_us = clock_us(connection)
    periods = current_periods([(key.id, key.budget_window) for key in limited], now_us)
    ids = {window_id("key", key_id, period): key_id for key_id, period in periods.items()}
    spent = windows.c.spent_nano_usd + windows.c.held_nano_usd
    taken = connection.execute(select(windows.c.id, spent).where(windows.c.id.in_(list(ids))))
    used = {ids[found]: int(nano_usd) for found, nano_usd in taken}
    left = {key.id: key.max_budget_nano_usd - used.get(key.id, 0) for key in limited}
    return Standing(int(holds), int(held_nano_usd), left)
