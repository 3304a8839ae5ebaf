"""One ledger transaction: everything that was asked while the last one committed.

The scope rows of the whole batch are locked in one sorted pass, calls are admitted one by one on
the values read there, and everything is written in bulk. A call that does not fit changes nothing
for its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from app.core.budgets import Shortfall, admit, window_end
from app.core.errors import BudgetExceeded, DuplicateRequest, InvalidApiKey, Refusal
from app.core.keys import Key
from app.core.money import usd_text
from app.core.values import value
from app.store.balances import Balances, Rollups
from app.store.database import clock_us
from app.store.entries import Close, Entry, Extend, Granted, Open, Outcome
from app.store.key_rows import model_budgets
from app.store.moments import day_text, moment, period
from app.store.prepared import texts
from app.store.rows import held_row, sums_of
from app.store.scopes import GlobalBudget, WindowRow, key_model_id, window_row, windows_of_row
from app.store.statements import Statements
from app.store.tables import SUM_COLUMNS
from app.store.writes import Changes


@value
class Posted:
    """The answers in the order of the entries; with `missing` rows nothing was entered."""

    outcomes: Sequence[Outcome] = ()
    missing: Sequence[WindowRow] = ()


@dataclass(slots=True)
class Books:
    """What every transaction of one process shares.

    `counted` names the global window that is known to hold what was spent in it without a limit.
    """

    statements: Statements
    process_id: str
    budget: GlobalBudget = field(default_factory=GlobalBudget)
    counted: str | None = None


def post(connection: Connection, books: Books, entries: Sequence[Entry]) -> Posted:
    """Enter all of `entries` in the connection's transaction.

    Raises RowsChanged when a row is not as this process left it. Windows without a row, or whose
    row must be brought up to date, are returned instead: that is done in a transaction of its
    own, because inserting while holding locks could deadlock.
    """
    return _Posting(connection, books).post(entries)


class RowsChanged(Exception):
    """Another process took this one for dead and charged its holds: their rows must be read."""


class _Posting:
    def __init__(self, connection: Connection, books: Books) -> None:
        self._connection = connection
        self._books = books
        self._statements = books.statements
        self._balances = Balances(connection, books.statements)
        self._rollups = Rollups()
        self._now_us = 0
        self._limits: dict[str, Row[Any]] = {}
        self._secrets: dict[tuple[str, str], int | None] = {}
        self._windows: dict[tuple[str, str], tuple[WindowRow, ...]] = {}
        self._taken: set[tuple[str, str]] = set()
        self._found: dict[str, Row[Any]] = {}
        self._held: list[dict[str, Any]] = []
        self._extended: dict[str, int] = {}
        self._closed: list[dict[str, Any]] = []

    def post(self, entries: Sequence[Entry]) -> Posted:
        opens = [entry for entry in entries if isinstance(entry, Open)]
        closes = [entry for entry in entries if isinstance(entry, Close)]
        if opens:
            self._read_limits(opens)
        self._find_windows(closes)
        missing = [*self._balances.lock(self._wanted(entries)), *self._uncounted()]
        if missing:
            return Posted(missing=missing)
        self._read_rows([close for close in closes if close.verify])
        self._read_duplicates(opens)
        outcomes = [self._enter(entry) for entry in entries]
        self._write()
        return Posted(outcomes)

    def _enter(self, entry: Entry) -> Outcome:
        if isinstance(entry, Open):
            return self._open(entry)
        if isinstance(entry, Extend):
            return self._extend(entry)
        return self._close(entry)

    def _read_limits(self, opens: Iterable[Open]) -> None:
        shown = [entry.reservation.key for entry in opens]
        dialect = self._statements.dialect
        found = self._statements.limits.rows(
            self._connection,
            ids=texts({key.id for key in shown}, dialect),
            secrets=texts({key.secret_sha256 for key in shown if key.secret_sha256}, dialect),
        )
        self._limits = {row.id: row for row in found}
        self._secrets = {(row.id, row.sha256): row.valid_until_us for row in found if row.sha256}
        self._now_us = (found[0].now_us if found else 0) or clock_us(self._connection)
        for entry in opens:
            key_id, model = entry.reservation.key.id, entry.reservation.model
            if key_id in self._limits and (key_id, model) not in self._windows:
                self._windows[key_id, model] = self._windows_of(self._limits[key_id], model)

    def _windows_of(self, limits: Row[Any], model: str) -> tuple[WindowRow, ...]:
        now = moment(self._now_us)
        window = limits.budget_window
        current, resets_at = period(window, now), window_end(window, now)
        found = [window_row("key", limits.id, current, limits.max_budget_nano_usd, resets_at)]
        limit = model_budgets(limits.model_budgets).get(model)
        scope_id = key_model_id(limits.id, model)
        found.append(window_row("key_model", scope_id, current, limit, resets_at))
        if limits.team_window is not None:
            window = limits.team_window
            limit = limits.team_max_budget_nano_usd
            ends = window_end(window, now)
            found.append(window_row("team", limits.team_id, period(window, now), limit, ends))
        budget = self._books.budget
        if budget.limit_nano_usd is not None:
            ends = window_end(budget.window, now)
            current = period(budget.window, now)
            found.append(window_row("global", "", current, budget.limit_nano_usd, ends))
        return tuple(found)

    def _uncounted(self) -> Iterable[WindowRow]:
        """The global window, while calls that no limit stood over may be missing from it."""
        for windows in self._windows.values():
            if windows[-1].kind == "global" and windows[-1].id != self._books.counted:
                return windows[-1:]
        return ()

    def _find_windows(self, closes: Iterable[Close]) -> None:
        """Where the windows of a close are not remembered for sure, its row tells them."""
        unsure = [close for close in closes if close.verify]
        if not unsure:
            return
        ids = texts((close.request_id for close in unsure), self._statements.dialect)
        rows = {row.id: row for row in self._statements.find.rows(self._connection, ids=ids)}
        for close in unsure:
            row = rows.get(close.request_id)
            close.windows = () if row is None else windows_of_row(row)

    def _wanted(self, entries: Iterable[Entry]) -> Iterable[WindowRow]:
        for windows in self._windows.values():
            yield from windows
        for entry in entries:
            if not isinstance(entry, Open):
                yield from entry.windows

    def _read_rows(self, closes: Sequence[Close]) -> None:
        if closes:
            ids = texts((close.request_id for close in closes), self._statements.dialect)
            rows = self._statements.lock_requests.rows(self._connection, ids=ids)
            self._found = {row.id: row for row in rows}

    def _read_duplicates(self, opens: Iterable[Open]) -> None:
        asked = [
            (entry.reservation.key.id, entry.reservation.idempotency_key)
            for entry in opens
            if entry.reservation.idempotency_key is not None
        ]
        if asked:
            dialect = self._statements.dialect
            rows = self._statements.duplicates.rows(
                self._connection,
                key_ids=texts({key_id for key_id, _ in asked}, dialect),
                values=texts({value for _, value in asked}, dialect),
            )
            self._taken = {(key_id, value) for key_id, value in rows}

    def _open(self, entry: Open) -> Granted | Refusal:
        asked = entry.reservation
        limits = self._limits.get(asked.key.id)
        if limits is None or self._ended(limits, asked.key):
            return InvalidApiKey("this key is unknown, replaced, revoked or expired")
        if asked.idempotency_key is not None:
            once = (asked.key.id, asked.idempotency_key)
            if once in self._taken:
                return DuplicateRequest("a call with this idempotency-key is running or was billed")
        windows = self._windows[asked.key.id, asked.model]
        granted = admit(
            [self._balances.scope(window) for window in windows],
            bound=asked.bound_nano_usd,
            least=asked.least_nano_usd,
        )
        if isinstance(granted, Shortfall):
            return _exceeded(granted)
        if asked.idempotency_key is not None:
            self._taken.add((asked.key.id, asked.idempotency_key))
        self._balances.move(windows, spent=0, held=granted.nano_usd)
        hold = Granted(granted.nano_usd, windows, self._now_us, limits.team_id)
        self._held.append(held_row(asked, hold, self._books.process_id))
        return hold

    def _ended(self, limits: Row[Any], key: Key) -> bool:
        ends = [limits.revoked_us, limits.expires_us]
        if key.secret_sha256 is not None:
            ends.append(self._secrets.get((key.id, key.secret_sha256), 0))  # 0: replaced for good
        return any(us is not None and us <= self._now_us for us in ends)

    def _extend(self, entry: Extend) -> bool:
        more = entry.granted_nano_usd
        scopes = [self._balances.scope(window) for window in entry.windows]
        if isinstance(admit(scopes, bound=more, least=more), Shortfall):
            return False
        self._balances.move(entry.windows, spent=0, held=more)
        self._extended[entry.request_id] = self._extended.get(entry.request_id, 0) + more
        return True

    def _close(self, entry: Close) -> int | None:
        was, held, before, count = "reserved", entry.held_nano_usd, (0,) * len(SUM_COLUMNS), 1
        created_us, team_id = entry.created_us, entry.team_id
        if entry.verify:
            row = self._found.get(entry.request_id)
            if row is None or row.state in ("settled", "released"):
                return self._balances.remaining(entry.windows)
            was, created_us, team_id = row.state, row.created_us, row.team_id
            more = self._extended.pop(entry.request_id, 0)
            held = row.reserved_nano_usd + more
            if was == "orphaned":  # charged as lost by another process; now known better
                held, before, count = more, sums_of(row), 0
        closing = entry.closing
        sums = [after - was for after, was in zip(closing.sums, before, strict=True)]
        self._balances.move(entry.windows, spent=sums[0], held=-held)
        key = (day_text(created_us), entry.key_id, team_id or "", entry.model)
        self._rollups.add(key, (count, *sums))
        self._closed.append({"id": entry.request_id, "was": was, **closing.columns})
        return self._balances.remaining(entry.windows)

    def _write(self) -> None:
        extended = [{"id": i, "more": more} for i, more in self._extended.items()]
        changes = Changes(
            self._balances.moved(), self._held, extended, self._closed, self._rollups.rows()
        )
        changed = self._statements.writes.write(self._connection, changes)
        if changed != len(extended) + len(self._closed):
            raise RowsChanged


def _exceeded(short: Shortfall) -> BudgetExceeded:
    return BudgetExceeded(
        f"the {short.scope.replace('_', ' ')} budget of {usd_text(short.limit_nano_usd)} USD has "
        f"{usd_text(short.remaining_nano_usd)} USD left, this call needs up to "
        f"{usd_text(short.needed_nano_usd)} USD",
        short,
    )
