"""Which calls are let in: read under the locks of one transaction, decided in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from sqlalchemy import Connection

from app.core.budgets import Grant, ScopeKind, Shortfall, Wanted, shortfall, window_end
from app.core.errors import BudgetExceeded, DuplicateRequest, InvalidApiKey, Refusal
from app.core.known_features import without_bound
from app.ports import Reservation
from app.store.database.engine import clock_us
from app.store.database.moments import moment, period
from app.store.database.prepared import texts
from app.store.ledger.balances import Balances
from app.store.ledger.entries import Granted, Open, Waits
from app.store.ledger.process import Process
from app.store.ledger.running import running_calls
from app.store.ledger.statements import Limits
from app.store.ledger.windows import WindowRow, conversation_id, key_model_id, window_row
from app.store.records.columns import model_budgets

OWN_SCOPES: tuple[ScopeKind, ...] = ("key", "key_model", "conversation")
Place: TypeAlias = tuple[str, str, str]
"""Key id, model, and the conversation where the key limits those: what a call's windows follow."""


class Admission:
    """First `read`, then lock `wanted`, then `admit` one call after the other."""

    def __init__(
        self, connection: Connection, process: Process, balances: Balances, lines: frozenset[str]
    ) -> None:
        """`lines` are the scopes where calls wait that came earlier."""
        self._connection = connection
        self._process = process
        self._balances = balances
        self._lines = lines
        # read
        self._now_us = 0
        self._limits: dict[str, Limits] = {}
        self._secrets: set[tuple[str, str | None]] = set()  # key ids, each with a valid secret
        self._windows: dict[Place, tuple[WindowRow, ...]] = {}
        self._taken: set[tuple[str, str]] = set()  # key ids, each with an idempotency key
        # decided
        self._waiting: set[str] = set()  # scopes with a call that was told to wait
        self._short: dict[Open, Shortfall] = {}

    def read(self, opens: Sequence[Open]) -> None:
        """The limits that stand over these calls, and the windows that they would land in."""
        asking = [entry.reservation.key for entry in opens]
        statements = self._process.statements
        rows = statements.limits.tuples(
            self._connection,
            ids=texts({key.id for key in asking}, statements.dialect),
            secrets=texts(
                {key.secret_sha256 for key in asking if key.secret_sha256}, statements.dialect
            ),
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
            asked = entry.reservation
            if asked.key.id in self._limits:
                place = _place(self._limits[asked.key.id], asked)
                if place not in self._windows:
                    self._windows[place] = self._windows_of(self._limits[asked.key.id], place)

    @property
    def windows(self) -> Iterable[WindowRow]:
        """Every window that a call would land in."""
        for windows in self._windows.values():
            yield from windows

    def uncounted(self) -> Iterable[WindowRow]:
        """The global window, while calls that no limit stood over may be missing from it."""
        for windows in self._windows.values():
            if windows[-1].kind == "global" and windows[-1].id != self._process.counted:
                return windows[-1:]
        return ()

    def read_duplicates(self, opens: Iterable[Open]) -> None:
        """Which of their idempotency keys are running or were billed."""
        asked = [
            (entry.reservation.key.id, entry.reservation.idempotency_key)
            for entry in opens
            if entry.reservation.idempotency_key is not None
        ]
        if asked:
            dialect = self._process.statements.dialect
            rows = self._process.statements.duplicates.tuples(
                self._connection,
                key_ids=texts({key_id for key_id, _ in asked}, dialect),
                values=texts({value for _, value in asked}, dialect),
            )
            self._taken = {(key_id, value) for key_id, value in rows}

    def admit(self, entry: Open) -> Granted | Refusal | Waits | None:
        """None for a refusal that is worded when everything is written: see `refusals`."""
        asked = entry.reservation
        key_id = asked.key.id
        if (key_id, asked.key.secret_sha256) not in self._secrets:
            return InvalidApiKey("this key is unknown, replaced, revoked or expired")
        if asked.idempotency_key is not None:
            once = (key_id, asked.idempotency_key)
            if once in self._taken:
                return DuplicateRequest("a call with this idempotency-key is running or was billed")
        windows = self._windows[_place(self._limits[key_id], asked)]
        if asked.unbounded and any(window.limit_nano_usd is not None for window in windows):
            return without_bound(asked.unbounded)
        granted = self._balances.admit(windows, _wanted(asked))
        if isinstance(granted, Grant):
            granted = self._in_line(entry, windows) or granted
        if isinstance(granted, Shortfall):
            return self._too_short(entry, windows, granted)
        if asked.idempotency_key is not None:
            self._taken.add((key_id, asked.idempotency_key))
        self._balances.move(windows, spent=0, held=granted.nano_usd)
        return Granted(granted.nano_usd, windows, self._now_us, self._limits[key_id].team_id)

    def refusals(self) -> Iterable[tuple[Open, BudgetExceeded]]:
        """Those that did not fit, told how things stand once everything else is written."""
        return [(entry, self._refusal(entry, short)) for entry, short in self._short.items()]

    def _is_over(self, end_us: int | None) -> bool:
        return end_us is not None and end_us <= self._now_us

    def _windows_of(self, limits: Limits, place: Place) -> tuple[WindowRow, ...]:
        _, model, conversation = place
        now = moment(self._now_us)
        window = limits.budget_window
        current, resets_at = period(window, now), window_end(window, now)
        found = [window_row("key", limits.id, current, limits.max_budget_nano_usd, resets_at)]
        limit = model_budgets(limits.model_budgets).get(model)
        scope_id = key_model_id(limits.id, model)
        found.append(window_row("key_model", scope_id, current, limit, resets_at))
        if conversation:
            limit = limits.conversation_budget_nano_usd
            scope_id = conversation_id(limits.id, conversation)
            found.append(window_row("conversation", scope_id, current, limit, resets_at))
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

    def _in_line(self, entry: Open, windows: Sequence[WindowRow]) -> Shortfall | None:
        """The limit of its key at which others wait that came earlier, though this one would fit.

        Only calls of one key stand in line. Between keys, whoever fits is let in: no key may hold
        up its team, or everyone.
        """
        asked = entry.reservation
        if not (self._lines or self._waiting) or (asked.may_wait and entry.waits_until_s is None):
            return None
        for window in windows:
            ahead = window.scope in self._waiting or (
                entry.waits_in is None and window.scope in self._lines
            )
            if ahead and window.kind in OWN_SCOPES and window.limit_nano_usd is not None:
                return shortfall(self._balances.scope(window), asked.least_nano_usd)
        return None

    def _too_short(
        self, entry: Open, windows: Iterable[WindowRow], short: Shortfall
    ) -> Waits | None:
        if entry.waits_until_s is None or not short.holds_alone:
            self._short[entry] = short
            return None
        scope = next(window.scope for window in windows if window.kind == short.scope)
        self._waiting.add(scope)
        return Waits(scope)

    def _refusal(self, entry: Open, short: Shortfall) -> BudgetExceeded:
        asked = entry.reservation
        windows = self._windows[_place(self._limits[asked.key.id], asked)]
        window = next(window for window in windows if window.kind == short.scope)
        running = running_calls(self._connection, window)
        sums = self._balances.scope(window)  # as they stand when the running calls are counted
        return BudgetExceeded(
            replace(
                short,
                spent_nano_usd=sums.spent_nano_usd,
                held_nano_usd=sums.held_nano_usd,
                running_calls=running,
            )
        )


def _place(limits: Limits, asked: Reservation) -> Place:
    limited = limits.conversation_budget_nano_usd is not None
    return limits.id, asked.model, asked.conversation if limited else ""


def _wanted(asked: Reservation) -> Wanted:
    return Wanted(asked.bound_nano_usd, asked.least_nano_usd, asked.fixed_nano_usd, asked.share_ppm)
