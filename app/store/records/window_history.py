"""The windows of one budget, newest first: what was spent in each, and what is still held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Connection, select

from app.core.budgets import WINDOWS, ScopeKind, Window, window_end
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.tables import windows
from app.store.records.window_strain import Strains

MOST_WINDOWS: Final = 24


@dataclass(frozen=True, slots=True)
class PastWindow:
    """Nano-USD of one window; one that never starts again has no beginning and no end.

    `most_held` is the most that its calls held at once, `refused` how many did not fit; None where
    that isn't known any more.
    """

    window: Window
    starts_at: datetime | None
    ends_at: datetime | None
    spent_nano_usd: int
    held_nano_usd: int
    most_held_nano_usd: int | None = None
    refused: int | None = None


class WindowHistory:
    """What the counters of a budget were."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def of(self, kind: ScopeKind, scope_id: str) -> list[PastWindow]:
        """MOST_WINDOWS at most."""

        def read(connection: Connection) -> list[PastWindow]:
            strains = Strains(connection, kind, scope_id, clock_us(connection))
            found = _windows(connection, kind, scope_id)
            return [_strained(window, strains) for window in found[:MOST_WINDOWS]]

        return await self._database.report(read)


def _windows(connection: Connection, kind: ScopeKind, scope_id: str) -> list[PastWindow]:
    row = windows.c
    wanted = select(row.period, row.spent_nano_usd, row.held_nano_usd).where(
        row.scope_kind == kind, row.scope_id == scope_id
    )
    rows = connection.execute(wanted).all()
    found = [_window(each.period, each.spent_nano_usd, each.held_nano_usd) for each in rows]
    earliest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda window: window.starts_at or earliest, reverse=True)


def _strained(window: PastWindow, strains: Strains) -> PastWindow:
    strain = strains.of(window.starts_at, window.ends_at)
    return replace(window, most_held_nano_usd=strain.most_held_nano_usd, refused=strain.refused)


def _window(period: str, spent: int, held: int) -> PastWindow:
    kind, _, first = period.partition(":")
    window: Window = next((each for each in WINDOWS if each == kind), "none")
    if not first:
        return PastWindow(window, None, None, spent, held)
    starts_at = datetime.combine(date.fromisoformat(first), datetime.min.time(), UTC)
    return PastWindow(window, starts_at, window_end(window, starts_at), spent, held)
