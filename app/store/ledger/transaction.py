"""One ledger transaction: everything that was asked while the last one committed.

The scope rows of the whole batch are locked in one sorted pass, calls are admitted one by one on
the values read there, and everything is written in bulk. A call that does not fit changes nothing
for its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from sqlalchemy import Connection, Row

from app.core.budgets import Shortfall, Wanted
from app.core.values import value
from app.store.database.prepared import Values, texts
from app.store.ledger.admission import Admission
from app.store.ledger.balances import Balances
from app.store.ledger.call_rows import held_row, labels
from app.store.ledger.counting import counts_of
from app.store.ledger.entries import Close, Entry, Extend, Granted, Open, Outcome
from app.store.ledger.labels import Known, Place
from app.store.ledger.process import Process
from app.store.ledger.rollups import Call, Rollups
from app.store.ledger.windows import WindowRow, windows_of_row
from app.store.ledger.writes import Changes


@value
class Entered:
    """The outcomes in the order of the entries; with `missing` rows nothing was entered.

    `labels` are those that a day has room for, to be learnt once this is committed.
    """

    outcomes: Sequence[Outcome] = ()
    missing: Sequence[WindowRow] = ()
    labels: Mapping[Place, Known] = field(default_factory=dict)


class RowsChanged(Exception):
    """A hold was charged as lost, or moved to other windows: the rows must be read."""


def enter(
    connection: Connection,
    process: Process,
    entries: Sequence[Entry],
    lines: frozenset[str] = frozenset(),
) -> Entered:
    """Enter all of `entries` in the connection's transaction; `lines`: scopes with waiting calls.

    Raises RowsChanged when a row is not as this process left it. Windows without a row, or whose
    row must be brought up to date, are returned instead: that is done in a transaction of its
    own, because inserting while holding locks could deadlock.
    """
    return _Transaction(connection, process, lines).run(entries)


class _Transaction:
    """Reads everything first, decides in memory, writes everything last."""

    def __init__(self, connection: Connection, process: Process, lines: frozenset[str]) -> None:
        self._connection = connection
        self._process = process
        self._statements = process.statements
        self._balances = Balances(connection, process.statements)
        self._admission = Admission(connection, process, self._balances, lines)
        self._found: dict[str, Row[Any]] = {}  # rows of closes to be verified
        # to be written
        self._rollups = Rollups()
        self._held: list[Values] = []
        self._tagged: list[Values] = []
        self._extended: dict[str, int] = {}
        self._closed: list[Values] = []

    def run(self, entries: Sequence[Entry]) -> Entered:
        opens = [entry for entry in entries if isinstance(entry, Open)]
        closes = [entry for entry in entries if isinstance(entry, Close)]
        if opens:
            self._admission.read(opens)
        self._find_windows(closes)
        missing = [*self._balances.lock(self._wanted(entries)), *self._admission.uncounted()]
        if missing:
            return Entered(missing=missing)
        self._read_rows([close for close in closes if close.verify])
        self._admission.read_duplicates(opens)
        # What ends comes first: it makes room for what begins.
        outcomes: dict[Entry, Outcome] = {}
        for entry in entries:
            if isinstance(entry, Close):
                outcomes[entry] = self._close(entry)
            elif isinstance(entry, Extend):
                outcomes[entry] = self._extend(entry)
        outcomes.update((entry, self._open(entry)) for entry in opens)
        found = self._write()
        outcomes.update(self._admission.refusals())
        return Entered([outcomes[entry] for entry in entries], labels=found)

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
        yield from self._admission.windows
        for entry in entries:
            if not isinstance(entry, Open):
                yield from entry.windows

    def _read_rows(self, closes: Sequence[Close]) -> None:
        if closes:
            ids = texts((close.request_id for close in closes), self._statements.dialect)
            rows = self._statements.lock_requests.rows(self._connection, ids=ids)
            self._found = {row.id: row for row in rows}
            for close in closes:
                row = self._found.get(close.request_id)
                if row is not None and windows_of_row(row) != close.windows:
                    raise RowsChanged  # since its windows were looked up

    def _open(self, entry: Open) -> Outcome:
        outcome = self._admission.admit(entry)
        if isinstance(outcome, Granted):
            asked, created_us = entry.reservation, outcome.created_us
            self._held.append(held_row(asked, outcome, self._process.id))
            if asked.tags:
                each = labels(asked)[1]
                self._tagged.extend((tag, created_us, asked.request_id) for tag in each)
        return outcome

    def _extend(self, entry: Extend) -> bool:
        more = entry.more_nano_usd
        if isinstance(self._balances.admit(entry.windows, Wanted(more, more)), Shortfall):
            return False
        self._balances.move(entry.windows, spent=0, held=more)
        self._extended[entry.request_id] = self._extended.get(entry.request_id, 0) + more
        return True

    def _close(self, entry: Close) -> int | None:
        closing, held, created_us = entry.closing, entry.held_nano_usd, entry.created_us
        was, team_id, spent = "reserved", entry.team_id, closing.cost_nano_usd
        windows_moved = 0
        if entry.verify:
            row = self._found.get(entry.request_id)
            if row is None or row.state in ("settled", "released"):
                return self._balances.remaining(entry.windows)
            was, created_us, team_id = row.state, row.created_us, row.team_id
            windows_moved = row.windows_moved
            more = self._extended.pop(entry.request_id, 0)
            held = row.reserved_nano_usd + more
            if was == "orphaned":  # charged as lost by another process; now known better
                held, spent = more, spent - row.cost_nano_usd
                known = Call(created_us, entry.key_id, team_id, row.model, entry.labels)
                self._rollups.take(known, counts_of(row))
        self._balances.move(entry.windows, spent=spent, held=-held)
        call = Call(created_us, entry.key_id, team_id, closing.model, entry.labels)
        self._rollups.add(call, closing.counts)
        self._closed.append((*closing.columns, entry.request_id, was, windows_moved))
        return self._balances.remaining(entry.windows)

    def _write(self) -> Mapping[Place, Known]:
        extended = [(more, request_id) for request_id, more in self._extended.items()]
        process = self._process
        rolled_up = self._rollups.rows(self._connection, process.id, process.labels)
        changes = Changes(
            moved=self._balances.moved(),
            held=self._held,
            extended=extended,
            closed=self._closed,
            rolled_up=rolled_up.by_key,
            labelled=rolled_up.by_label,
            tagged=self._tagged,
        )
        changed = self._statements.writes.write(self._connection, changes)
        if changed != len(extended) + len(self._closed):
            raise RowsChanged
        return rolled_up.labels
