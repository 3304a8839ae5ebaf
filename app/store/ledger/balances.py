"""The window rows that a transaction moves, locked in one sorted pass."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select, update

from app.core.budgets import Grant, Scope, Shortfall, Wanted, admit
from app.store.database.prepared import Values, texts
from app.store.database.rollup_tables import DAY
from app.store.database.tables import rollups, windows
from app.store.ledger.conversations import count_calls_without, keys_of, known_conversations
from app.store.ledger.running import lock_scopes, start_us, take_in
from app.store.ledger.statements import Statements
from app.store.ledger.windows import WindowRow


class Balances:
    """Window rows of one transaction; read once, moved in memory, written once."""

    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        # of each row: spent, held, and what is to be added to each
        self._sums: dict[str, list[int]] = {}

    def lock(self, wanted: Iterable[WindowRow]) -> list[WindowRow]:
        """Lock the rows and read them; those that are missing are returned."""
        rows = {window.id: window for window in wanted}
        if not rows:
            return []
        ids = texts(rows, self._statements.dialect)
        locked = self._statements.lock_windows.tuples(self._connection, ids=ids)
        self._sums.update({row[0]: [row[1], row[2], 0, 0] for row in locked})
        return [window for window_id, window in rows.items() if window_id not in self._sums]

    def scope(self, window: WindowRow) -> Scope:
        """The limit as it stands after every move so far."""
        spent, held, _, _ = self._sums[window.id]
        return Scope(window.kind, window.limit_nano_usd, spent, held, window.resets_at)

    def admit(self, windows: Iterable[WindowRow], wanted: Wanted) -> Grant | Shortfall:
        """Whether the limits have room; nothing is moved."""
        return admit([self.scope(w) for w in windows if w.limit_nano_usd is not None], wanted)

    def remaining(self, windows: Iterable[WindowRow]) -> int | None:
        """What the tightest of the limits has left."""
        left: int | None = None
        for window in windows:
            if window.limit_nano_usd is not None:
                spent, held, _, _ = self._sums[window.id]
                here = window.limit_nano_usd - spent - held
                left = here if left is None or here < left else left
        return left

    def move(self, windows: Iterable[WindowRow], *, spent: int, held: int) -> None:
        for window in windows:
            sums = self._sums[window.id]
            sums[0] += spent
            sums[1] += held
            sums[2] += spent
            sums[3] += held

    def moved(self) -> list[Values]:
        """What is to be written, as `Changes.moved`."""
        return [
            (spent, held, window_id)
            for window_id, (_, _, spent, held) in sorted(self._sums.items())
            if spent or held
        ]


def make_windows(
    connection: Connection, statements: Statements, missing: Iterable[WindowRow]
) -> str | None:
    """Insert missing rows in one order, in a transaction that locks nothing else.

    A global window then has all that was spent and is held in its time, with a limit or without;
    its id. A conversation's has what was spent and is held there without one.
    """
    ordered = sorted(missing, key=lambda window: window.id)
    statements.make_windows.many(
        connection,
        [(window.id, window.kind, window.scope_id, window.period) for window in ordered],
    )
    conversations = known_conversations(connection, ordered)
    everything = [window for window in ordered if window.kind == "global"]
    if conversations or everything:
        lock_scopes(connection, [*conversations, *everything, *keys_of(conversations)])
    for window in conversations:
        count_calls_without(connection, window)
    for window in everything:
        _count_everything(connection, window)
    return everything[0].id if everything else None


def _count_everything(connection: Connection, window: WindowRow) -> None:
    """Set the global window to what its days' roll-ups say; the difference was never counted.

    What running calls hold comes first: a call that ends before its row is moved is in the
    roll-ups then, one that ends later finds the row moved.
    """
    take_in(connection, window)
    is_row = windows.c.id == window.id
    known = connection.execute(select(windows.c.spent_nano_usd).where(is_row).with_for_update())
    spent = connection.execute(
        select(func.coalesce(func.sum(rollups.c.cost_nano_usd), 0)).where(
            rollups.c.grain == DAY, rollups.c.from_us >= start_us(window.period)
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
