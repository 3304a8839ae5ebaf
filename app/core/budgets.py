"""Limits and their windows: whether a call fits, decided on values read under a lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence

Window = Literal["none", "day", "week", "month"]
ScopeKind = Literal["key", "key_model", "team", "global"]

WINDOWS: tuple[Window, ...] = get_args(Window)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@value
class Scope:
    """One limit as it stands: amounts in nano-USD, `limit` None when there is none."""

    kind: ScopeKind
    limit_nano_usd: int | None
    spent_nano_usd: int
    held_nano_usd: int
    resets_at: datetime | None = None

    @property
    def remaining_nano_usd(self) -> int | None:
        """What a new hold may take; negative after a cost above its hold."""
        if self.limit_nano_usd is None:
            return None
        return self.limit_nano_usd - self.spent_nano_usd - self.held_nano_usd


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The scope that a hold did not fit into; `max_tokens_that_fit` once it is known."""

    scope: ScopeKind
    limit_nano_usd: int
    remaining_nano_usd: int
    needed_nano_usd: int
    resets_at: datetime | None = None
    max_tokens_that_fit: int | None = None


@value
class Grant:
    """The amount that was held: between the least that was asked for and the bound."""

    nano_usd: int


def admit(scopes: Sequence[Scope], *, bound: int, least: int) -> Grant | Shortfall:
    """Hold `bound`, or what is left if that is at least `least`, on all scopes or on none."""
    tightest: Scope | None = None
    room = bound
    for scope in scopes:
        remaining = scope.remaining_nano_usd
        if remaining is not None and remaining < room:
            tightest, room = scope, remaining
    if tightest is None or room >= least:
        return Grant(room)
    return Shortfall(
        scope=tightest.kind,
        limit_nano_usd=tightest.limit_nano_usd or 0,
        remaining_nano_usd=max(room, 0),
        needed_nano_usd=least,
        resets_at=tightest.resets_at,
    )


def window_start(window: Window, now: datetime) -> datetime:
    """The first instant (UTC) of the window that `now` falls in; weeks start on Monday."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return day
    if window == "week":
        return day - timedelta(days=day.weekday())
    if window == "month":
        return day.replace(day=1)
    return EPOCH


def window_end(window: Window, now: datetime) -> datetime | None:
    """The first instant after the window that `now` falls in; None for a window without end."""
    start = window_start(window, now)
    if window == "day":
        return start + timedelta(days=1)
    if window == "week":
        return start + timedelta(days=7)
    if window == "month":
        return (start + timedelta(days=31)).replace(day=1)
    return None
