"""The windows of one budget, newest first: what was spent in each, and what is still held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import select

from app.core.budgets import WINDOWS, ScopeKind, Window, window_end
from app.store.database.engine import Database, FailClosed
from app.store.database.tables import windows

MOST_WINDOWS: Final = 24


@dataclass(frozen=True, slots=True)
class PastWindow:
    """Nano-USD of one window; one that never starts again has no beginning and no end."""

    window: Window
    starts_at: datetime | None
    ends_at: datetime | None
    spent_nano_usd: int
    held_nano_usd: int


class WindowHistory:
    """What the counters of a budget were."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def of(self, kind: ScopeKind, scope_id: str) -> list[PastWindow]:
        """MOST_WINDOWS at most."""
        row = windows.c
        wanted = select(row.period, row.spent_nano_usd, row.held_nano_usd).where(
            row.scope_kind == kind, row.scope_id == scope_id
        )
        rows = await self._database.run(lambda connection: connection.execute(wanted).all())
        found = [_window(each.period, each.spent_nano_usd, each.held_nano_usd) for each in rows]
        earliest = datetime.min.replace(tzinfo=UTC)
        found.sort(key=lambda window: window.starts_at or earliest, reverse=True)
        return found[:MOST_WINDOWS]


def _window(period: str, spent: int, held: int) -> PastWindow:
    kind, _, first = period.partition(":")
    window: Window = next((each for each in WINDOWS if each == kind), "none")
    if not first:
        return PastWindow(window, None, None, spent, held)
    starts_at = datetime.combine(date.fromisoformat(first), datetime.min.time(), UTC)
    return PastWindow(window, starts_at, window_end(window, starts_at), spent, held)
