"""The sums that a transaction moves: window rows, locked in one sorted pass, and roll-ups."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select, update

from app.core.budgets import Scope
from app.store.prepared import texts
from app.store.scopes import WindowRow
from app.store.statements import Statements
from app.store.tables import rollups, windows
from app.store.writes import ROLLUP_COLUMNS, Row


class Balances:
    """Window rows of one transaction; read once, moved in memory, written once."""

    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._spent: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._moved: dict[str, list[int]] = {}

    def lock(self, wanted: Iterable[WindowRow]) -> list[WindowRow]:
        """Lock the rows and read them; those that are missing are returned."""
        rows = {window.id: window for window in wanted}
        if not rows:
            return []
        ids = texts(rows, self._statements.dialect)
        for window_id, spent, held in self._statements.lock_windows.rows(self._connection, ids=ids):
            self._spent[window_id] = spent
            self._held[window_id] = held
        return [window for window_id, window in rows.items() if window_id not in self._spent]

    def scope(self, window: WindowRow) -> Scope:
        """The limit as it stands after every move so far."""
        window_id = window.id
        return Scope(
            window.kind,
            window.limit_nano_usd,
            self._spent[window_id],
            self._held[window_id],
            window.resets_at,
        )

    def remaining(self, windows: Iterable[WindowRow]) -> int | None:
        """What the tightest of the limits has left."""
        left = [
            window.limit_nano_usd - self._spent[window.id] - self._held[window.id]
            for window in windows
            if window.limit_nano_usd is not None
        ]
        return min(left, default=None)

    def move(self, windows: Iterable[WindowRow], *, spent: int, held: int) -> None:
        for window in windows:
            window_id = window.id
            self._spent[window_id] += spent
            self._held[window_id] += held
            moved = self._moved.setdefault(window_id, [0, 0])
            moved[0] += spent
            moved[1] += held

    def moved(self) -> list[Row]:
        """What is to be written, as `Changes.moved`."""
        return [
            {"id": window_id, "spent": spent, "held": held}
            for window_id, (spent, held) in sorted(self._moved.items())
            if spent or held
        ]


def make_windows(
    connection: Connection, statements: Statements, missing: Iterable[WindowRow]
) -> str | None:
    """Insert missing rows in one order, in a transaction that locks nothing else.

    A global window then holds all that was spent in it, with a limit or without; its id.
    """
    ordered = sorted(missing, key=lambda window: window.id)
    statements.make_windows.many(
        connection,
        (
            {"id": w.id, "scope_kind": w.kind, "scope_id": w.scope_id, "period": w.period}
            for w in ordered
        ),
    )
    counted = None
    for window in ordered:
        if window.kind == "global":
            _count_everything(connection, window)
            counted = window.id
    return counted


def _count_everything(connection: Connection, window: WindowRow) -> None:
    """Set the global window to what its days' roll-ups say; the difference was never counted."""
    is_row = windows.c.id == window.id
    known = connection.execute(select(windows.c.spent_nano_usd).where(is_row).with_for_update())
    first_day = window.period.partition(":")[2]
    spent = connection.execute(
        select(func.coalesce(func.sum(rollups.c.cost_nano_usd), 0)).where(
            rollups.c.day >= first_day
        )
    )
    more = int(spent.scalar_one()) - known.scalar_one()
    connection.execute(
        update(windows)
        .where(is_row)
        .values(
            spent_nano_usd=windows.c.spent_nano_usd + more,
            uncounted_nano_usd=windows.c.uncounted_nano_usd + more,
        )
    )


class Rollups:
    """What finished calls add to their day's row."""

    def __init__(self) -> None:
        self._added: dict[tuple[str, ...], list[int]] = {}

    def add(self, key: tuple[str, str, str, str], sums: Iterable[int]) -> None:
        """`key` as ROLLUP_KEY, `sums` as ROLLUP_SUMS."""
        known = self._added.get(key)
        self._added[key] = (
            list(sums) if known is None else [a + b for a, b in zip(known, sums, strict=True)]
        )

    def rows(self) -> list[Row]:
        """What is to be written, as `Changes.rolled_up`."""
        return [
            dict(zip(ROLLUP_COLUMNS, (*key, *sums), strict=True))
            for key, sums in sorted(self._added.items())
        ]
