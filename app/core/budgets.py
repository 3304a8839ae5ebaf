"""Limits and their windows: whether a call fits, decided on values read under a lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from app.core.money import usd_text
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence

Window = Literal["none", "day", "week", "month"]
ScopeKind = Literal["key", "key_model", "conversation", "team", "global"]

WINDOWS: tuple[Window, ...] = get_args(Window)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE_PPM = 1_000_000  # all of it, in millionths


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
    """The scope that a hold did not fit into, and how it stands; amounts in nano-USD.

    `running_calls` are those that hold something there; `max_tokens_that_fit` is None until it
    is worked out.
    """

    scope: ScopeKind
    limit_nano_usd: int
    spent_nano_usd: int
    held_nano_usd: int
    needed_nano_usd: int
    resets_at: datetime | None = None
    running_calls: int = 0
    max_tokens_that_fit: int | None = None

    @property
    def remaining_nano_usd(self) -> int:
        """What is neither spent nor held; 0 when more than all is."""
        return max(self.limit_nano_usd - self.spent_nano_usd - self.held_nano_usd, 0)

    @property
    def lacks(self) -> bool:
        """Whether there is too little; else others wait there that came earlier."""
        return self.remaining_nano_usd < self.needed_nano_usd

    @property
    def holds_alone(self) -> bool:
        """Whether it would fit if no call were running: then it is worth waiting."""
        return self.spent_nano_usd + self.needed_nano_usd <= self.limit_nano_usd


@value
class Grant:
    """The amount that was held: between the least that was asked for and the bound."""

    nano_usd: int


@value
class Wanted:
    """What a call asks to hold.

    `bound` is the most it can cost, `least` the smallest hold that makes sense; between them it
    takes `fixed` (what no shorter answer makes less) and `share_ppm` millionths of what is left
    after that, so that calls in parallel find room too.
    """

    bound: int
    least: int
    fixed: int = 0
    share_ppm: int = WHOLE_PPM


def admit(scopes: Sequence[Scope], wanted: Wanted) -> Grant | Shortfall:
    """Hold what is wanted on all scopes, or nothing on any.

    Where several are too small, the one is named that no end of a running call makes large enough.
    """
    left: int | None = None
    for scope in scopes:
        remaining = scope.remaining_nano_usd
        if remaining is not None and (left is None or remaining < left):
            left = remaining
    if left is None:
        return Grant(wanted.bound)
    share = (left - wanted.fixed) * wanted.share_ppm // WHOLE_PPM
    amount = min(wanted.bound, max(wanted.fixed + share, wanted.least))
    if amount <= left:
        return Grant(amount)
    limited = [scope for scope in scopes if scope.limit_nano_usd is not None]
    least = wanted.least
    short = [shortfall(s, least) for s in limited if (s.remaining_nano_usd or 0) < least]
    return min(short, key=lambda each: (each.holds_alone, each.remaining_nano_usd))


def shortfall(scope: Scope, needed: int) -> Shortfall:
    """How the scope stands, to a call that finds no place in it."""
    return Shortfall(
        scope=scope.kind,
        limit_nano_usd=scope.limit_nano_usd or 0,
        spent_nano_usd=scope.spent_nano_usd,
        held_nano_usd=scope.held_nano_usd,
        needed_nano_usd=needed,
        resets_at=scope.resets_at,
    )


def explained(short: Shortfall) -> str:
    """All of it in one sentence."""
    calls = "call" if short.running_calls == 1 else "calls"
    fits = short.max_tokens_that_fit
    length = "" if fits is None else f", so a max_tokens of at most {fits} would fit now"
    if fits == 0:
        length = ", so no max_tokens would fit now"
    resets = "never resets"
    if short.resets_at is not None:
        resets = f"resets at {short.resets_at:%Y-%m-%dT%H:%M:%SZ}"
    again = "; try again once a running call has ended" if short.holds_alone else ""
    return (
        f"the {short.scope.replace('_', ' ')} budget of {usd_text(short.limit_nano_usd)} USD has "
        f"{usd_text(short.remaining_nano_usd)} USD left ({usd_text(short.spent_nano_usd)} USD is "
        f"spent, {usd_text(short.held_nano_usd)} USD is held by {short.running_calls} running "
        f"{calls}) and {resets}; this call needs up to {usd_text(short.needed_nano_usd)} USD"
        f"{length}{again}"
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
