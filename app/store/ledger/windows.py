"""Which window rows a call's cost lands in, and how a limit stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select

from app.core.budgets import ScopeKind, Window, window_end, window_start
from app.core.money import usd_text
from app.core.values import value
from app.store.database.moments import iso_text, moment, period
from app.store.database.tables import windows


@dataclass(frozen=True, slots=True)
class GlobalBudget:
    """The limit over all keys together; None: no limit, and then nothing is counted.

    A row that every call of every process must lock would be dear where nobody asked for it.
    """

    limit_nano_usd: int | None = None
    window: Window = "month"


@value
class WindowRow:
    """One scope's window: the row that holds its sums, and its limit at the time of the hold."""

    id: str
    kind: ScopeKind
    scope_id: str
    period: str
    limit_nano_usd: int | None = None
    resets_at: datetime | None = None

    @property
    def scope(self) -> str:
        """What is limited, whichever window."""
        return f"{self.kind}:{self.scope_id}"


def window_row(
    kind: ScopeKind,
    scope_id: str,
    in_period: str,
    limit_nano_usd: int | None = None,
    resets_at: datetime | None = None,
) -> WindowRow:
    """The window with its row's id."""
    row_id = window_id(kind, scope_id, in_period)
    return WindowRow(row_id, kind, scope_id, in_period, limit_nano_usd, resets_at)


def window_id(kind: ScopeKind, scope_id: str, in_period: str) -> str:
    return f"{kind}:{scope_id}@{in_period}"


def key_model_id(key_id: str, model: str) -> str:
    return f"{key_id}:{model}"


def conversation_id(key_id: str, conversation: str) -> str:
    """A conversation's budget is its key's to set, so it is one within its key."""
    return f"{key_id}:{conversation}"


def windows_of_row(row: Any) -> tuple[WindowRow, ...]:  # noqa: ANN401  # a row of `requests`
    """The windows that a ledger row's cost landed in."""
    held_model = key_model_id(row.key_id, row.held_model or row.model)
    found = (
        window_row("key", row.key_id, row.key_period or ""),
        window_row("key_model", held_model, row.key_model_period or ""),
        window_row(
            "conversation",
            conversation_id(row.key_id, row.conversation or ""),
            row.conversation_period or "",
        ),
        window_row("team", row.team_id or "", row.team_period or ""),
        window_row("global", "", row.global_period or ""),
    )
    return tuple(window for window in found if window.period)


@dataclass(frozen=True, slots=True)
class Sums:
    """Nano-USD in one window, and of the scope's whole life."""

    spent: int = 0
    held: int = 0
    lifetime_spent: int = 0


def read_sums(
    connection: Connection, kind: ScopeKind, current: Mapping[str, str]
) -> dict[str, Sums]:
    """Sums by scope id; `current` names each scope's current period."""
    is_kind = windows.c.scope_kind == kind
    is_current = windows.c.id.in_([window_id(kind, i, p) for i, p in current.items()])
    spent, held = windows.c.spent_nano_usd, windows.c.held_nano_usd
    found = connection.execute(
        select(
            windows.c.scope_id,
            func.sum(case((is_current, spent), else_=0)),
            func.sum(case((is_current, held), else_=0)),
            func.sum(spent),
        )
        .where(is_kind, windows.c.scope_id.in_(list(current)))
        .group_by(windows.c.scope_id)
    )
    return {scope_id: Sums(*map(int, amounts)) for scope_id, *amounts in found}


def budget_fields(
    limit_nano_usd: int | None, window: Window, sums: Sums, now_us: int
) -> dict[str, Any]:
    """The budget part of a key's or team's JSON object."""
    now = moment(now_us)
    resets_at = window_end(window, now)
    remaining = None if limit_nano_usd is None else limit_nano_usd - sums.spent - sums.held
    return {
        "max_budget_usd": None if limit_nano_usd is None else usd_text(limit_nano_usd),
        "budget_window": window,
        "window_started_at": None if window == "none" else iso_text(window_start(window, now)),
        "resets_at": None if resets_at is None else iso_text(resets_at),
        "spent_usd": usd_text(sums.spent),
        "reserved_usd": usd_text(sums.held),
        "remaining_usd": None if remaining is None else usd_text(remaining),
        "lifetime_spent_usd": usd_text(sums.lifetime_spent),
    }


def current_periods(scopes: Iterable[tuple[str, Window]], now_us: int) -> dict[str, str]:
    now = moment(now_us)
    return {scope_id: period(window, now) for scope_id, window in scopes}
