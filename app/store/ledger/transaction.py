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

from app.core.budgets import Grant, Shortfall, Wanted, admit, window_end
from app.core.errors import BudgetExceeded, DuplicateRequest, InvalidApiKey, Refusal
from app.core.values import value
from app.ports import Reservation
from app.store.database.engine import clock_us
from app.store.database.moments import day_text, moment, period
from app.store.database.prepared import Values, texts
from app.store.ledger.balances import Balances, Rollups
from app.store.ledger.call_rows import held_row, sums_of
from app.store.ledger.entries import Close, Entry, Extend, Granted, Open, Outcome
from app.store.ledger.statements import Limits, Statements
from app.store.ledger.windows import (
    GlobalBudget,
    WindowRow,
    key_model_id,
    window_row,
    windows_of_row,
)
from app.store.ledger.writes import Changes
from app.store.records.columns import model_budgets


@dataclass(slots=True)
class Process:
    """What every transaction of one gateway process goes by.

    `budget` is the limit over all keys together; `counted` the id of its window row once that is
    known to hold what was spent in it before the limit was set.
    """

    id: str
    statements: Statements
    budget: GlobalBudget = field(default_factory=GlobalBudget)
    counted: str | None = None


@value
class Entered:
    """The outcomes in the order of the entries; with `missing` rows nothing was entered."""

    outcomes: Sequence[Outcome] = ()
    missing: Sequence[WindowRow] = ()


class RowsChanged(Exception):
    """Another process took this one for dead and charged its holds: their rows must be read."""


def enter(connection: Connection, process: Process, entries: Sequence[Entry]) -> Entered:
    """Enter all of `entries` in the connection's transaction.

    Raises RowsChanged when a row is not as this process left it. Windows without a row, or whose
    row must be brought up to date, are returned instead: that is done in a transaction of its
    own, because inserting while holding locks could deadlock.
    """
    return _Transaction(connection, process).run(entries)


class _Transaction:
    """Reads everything first, decides in memory, writes everything last."""

    def __init__(self, connection: Connection, process: Process) -> None:
        self._connection = connection
        self._process = process
        self._statements = process.statements
        # read
        self._now_us = 0
        self._limits: dict[str, Limits] = {}
        self._secrets: set[tuple[str, str | None]] = set()  # key ids, each with a valid secret
        self._windows: dict[tuple[str, str], tuple[WindowRow, ...]] = {}  # by key id and model
        self._taken: set[tuple[str, str]] = set()  # key ids, each with an idempotency key
        self._found: dict[str, Row[Any]] = {}  # rows of closes to be verified
        # to be written
        self._balances = Balances(connection, process.statements)
        self._rollups = Rollups()
        self._held: list[Values] = []
        self._extended: dict[str, int] = {}
        self._closed: list[Values] = []

    def run(self, entries: Sequence[Entry]) -> Entered:
        opens = [entry for entry in entries if isinstance(entry, Open)]
        closes = [entry for entry in entries if isinstance(entry, Close)]
        if opens:
            self._read_limits(opens)
        self._find_windows(closes)
        missing = [*self._balances.lock(self._wanted(entries)), *self._uncounted()]
        if missing:
            return Entered(missing=missing)
        self._read_rows([close for close in closes if close.verify])
        self._read_duplicates(opens)
        outcomes = [self._outcome(entry) for entry in entries]
        self._write()
        return Entered(outcomes)

    def _outcome(self, entry: Entry) -> Outcome:
        if isinstance(entry, Close):
            return self._close(entry)
        return self._open(entry) if isinstance(entry, Open) else self._extend(entry)

    def _read_limits(self, opens: Iterable[Open]) -> None:
        asking = [entry.reservation.key for entry in opens]
        dialect = self._statements.dialect
        rows = self._statements.limits.tuples(
            self._connection,
            ids=texts({key.id for key in asking}, dialect),
            secrets=texts({key.secret_sha256 for key in asking if key.secret_sha256}, dialect),
        )
        found = [Limits(*row) for row in rows]
        self._limits = {limits.id: limits for limits in found}
        self._now_us = (found[0].now_us if found else 0) or clock_us(self._connection)
        for limits in found:
            if not any(map(self._is_over, (limits.revoked_us, limits.expires_us))):
                self._secrets.add((limits.id, None))  # calls of the gateway's own show no secret
                if not self._is_over(limits.valid_until_us):
                    self._secrets.add((limits.id, limits.sha256))
        for entry in opens:
            key_id, model = entry.reservation.key.id, entry.reservation.model
            if key_id in self._limits and (key_id, model) not in self._windows:
                self._windows[key_id, model] = self._windows_of(self._limits[key_id], model)

    def _is_over(self, end_us: int | None) -> bool:
        return end_us is not None and end_us <= self._now_us

    def _windows_of(self, limits: Limits, model: str) -> tuple[WindowRow, ...]:
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
            team_id = limits.team_id or ""
            found.append(window_row("team", team_id, period(window, now), limit, ends))
        budget = self._process.budget
        if budget.limit_nano_usd is not None:
            ends = window_end(budget.window, now)
            current = period(budget.window, now)
            found.append(window_row("global", "", current, budget.limit_nano_usd, ends))
        return tuple(found)

    def _uncounted(self) -> Iterable[WindowRow]:
        """The global window, while calls that no limit stood over may be missing from it."""
        for windows in self._windows.values():
            if windows[-1].kind == "global" and windows[-1].id != self._process.counted:
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
            rows = self._statements.duplicates.tuples(
                self._connection,
                key_ids=texts({key_id for key_id, _ in asked}, dialect),
                values=texts({value for _, value in asked}, dialect),
            )
            self._taken = {(key_id, value) for key_id, value in rows}

    def _open(self, entry: Open) -> Granted | Refusal:
        asked = entry.reservation
        key_id = asked.key.id
        if (key_id, asked.key.secret_sha256) not in self._secrets:
            return InvalidApiKey("this key is unknown, replaced, revoked or expired")
        if asked.idempotency_key is not None:
            once = (key_id, asked.idempotency_key)
            if once in self._taken:
                return DuplicateRequest("a call with this idempotency-key is running or was billed")
        windows = self._windows[key_id, asked.model]
        granted = self._admitted(windows, _wanted(asked))
        if isinstance(granted, Shortfall):
            return BudgetExceeded(granted)
        if asked.idempotency_key is not None:
            self._taken.add((key_id, asked.idempotency_key))
        self._balances.move(windows, spent=0, held=granted.nano_usd)
        hold = Granted(granted.nano_usd, windows, self._now_us, self._limits[key_id].team_id)
        self._held.append(held_row(asked, hold, self._process.id))
        return hold

    def _admitted(self, windows: Iterable[WindowRow], wanted: Wanted) -> Grant | Shortfall:
        limited = [self._balances.scope(w) for w in windows if w.limit_nano_usd is not None]
        return admit(limited, wanted)

    def _extend(self, entry: Extend) -> bool:
        more = entry.granted_nano_usd
        if isinstance(self._admitted(entry.windows, Wanted(more, more)), Shortfall):
            return False
        self._balances.move(entry.windows, spent=0, held=more)
        self._extended[entry.request_id] = self._extended.get(entry.request_id, 0) + more
        return True

    def _close(self, entry: Close) -> int | None:
        closing, held, created_us = entry.closing, entry.held_nano_usd, entry.created_us
        was, team_id, sums = "reserved", entry.team_id, closing.sums
        spent = sums[0]
        if entry.verify:
            row = self._found.get(entry.request_id)
            if row is None or row.state in ("settled", "released"):
                return self._balances.remaining(entry.windows)
            was, created_us, team_id = row.state, row.created_us, row.team_id
            more = self._extended.pop(entry.request_id, 0)
            held = row.reserved_nano_usd + more
            if was == "orphaned":  # charged as lost by another process; now known better
                held, spent = more, spent - row.cost_nano_usd
                key = (day_text(created_us), entry.key_id, team_id or "", row.model)
                self._rollups.add(key, -1, [-count for count in sums_of(row)])
        self._balances.move(entry.windows, spent=spent, held=-held)
        key = (day_text(created_us), entry.key_id, team_id or "", closing.model)
        self._rollups.add(key, 1, sums)
        self._closed.append((*closing.columns, entry.request_id, was))
        return self._balances.remaining(entry.windows)

    def _write(self) -> None:
        extended = [(more, request_id) for request_id, more in self._extended.items()]
        changes = Changes(
            self._balances.moved(), self._held, extended, self._closed, self._rollups.rows()
        )
        changed = self._statements.writes.write(self._connection, changes)
        if changed != len(extended) + len(self._closed):
            raise RowsChanged


def _wanted(asked: Reservation) -> Wanted:
    return Wanted(asked.bound_nano_usd, asked.least_nano_usd, asked.fixed_nano_usd, asked.share_ppm)
