"""How near a budget came to its limit in one window: the most held at once, and the refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, union_all

from app.core.budgets import ScopeKind
from app.store.database.moments import US_PER_DAY, US_PER_S, microseconds
from app.store.database.tables import keys, refusals, requests
from app.store.records.refusal_queue import KEPT_DAYS

US_PER_MS: Final = US_PER_S // 1_000
MOST_CALLS: Final = 50_000  # of all windows together: holds are added up call by call


@dataclass(frozen=True, slots=True)
class Strain:
    """Nano-USD and calls; None where there are too many calls, or refusals are no longer kept."""

    most_held_nano_usd: int | None = None
    refused: int | None = None


class Strains:
    """Reads one window after the other, the newest first."""

    def __init__(self, connection: Connection, kind: ScopeKind, scope_id: str, now_us: int) -> None:
        self._connection = connection
        self._kind = kind
        self._scope_id = scope_id
        self._now_us = now_us
        self._left = MOST_CALLS

    def of(self, starts_at: datetime | None, ends_at: datetime | None) -> Strain:
        """Of the calls held, and those refused, from one moment up to another."""
        since_us = None if starts_at is None else microseconds(starts_at)
        until_us = None if ends_at is None else microseconds(ends_at)
        return Strain(self._most_held(since_us, until_us), self._refused(since_us, until_us))

    def _most_held(self, since_us: int | None, until_us: int | None) -> int | None:
        """Each call's hold from its beginning to its end, added up in the order of time."""
        c = requests.c
        counted = or_(c.latency_ms.is_not(None), c.state == "reserved")
        calls = (
            select(c.created_us, c.latency_ms, c.reserved_nano_usd)
            .where(self._calls(), counted, *_within(c.created_us, since_us, until_us))
            .limit(self._left + 1)
            .subquery()
        )
        number = self._connection.execute(select(func.count()).select_from(calls)).scalar_one()
        self._left = max(self._left - number, 0)
        if not self._left:
            return None
        ended_us = calls.c.created_us + calls.c.latency_ms * US_PER_MS + 1
        changes = union_all(
            select(calls.c.created_us.label("at_us"), calls.c.reserved_nano_usd.label("more")),
            select(ended_us, -calls.c.reserved_nano_usd).where(calls.c.latency_ms.is_not(None)),
        ).subquery()
        order = (changes.c.at_us, changes.c.more)
        held = select(func.sum(changes.c.more).over(order_by=order).label("held")).subquery()
        return int(self._connection.execute(select(func.max(held.c.held))).scalar_one() or 0)

    def _calls(self) -> ColumnElement[bool]:
        c, (key_id, _, model) = requests.c, self._scope_id.partition(":")
        of: dict[ScopeKind, ColumnElement[Any]] = {
            "key": c.key_id == key_id,
            "key_model": and_(c.key_id == key_id, func.coalesce(c.held_model, c.model) == model),
            "team": c.team_id == self._scope_id,
        }
        return of.get(self._kind, c.id.is_not(None))

    def _refused(self, since_us: int | None, until_us: int | None) -> int | None:
        """By this very budget; those of a key's model are told by the name that was asked for."""
        kept_us = self._now_us - KEPT_DAYS * US_PER_DAY
        if self._kind == "key_model" or (until_us is not None and until_us <= kept_us):
            return None
        c = refusals.c
        of: dict[ScopeKind, ColumnElement[bool]] = {
            "key": c.key_id == self._scope_id,
            "team": c.key_id.in_(select(keys.c.id).where(keys.c.team_id == self._scope_id)),
        }
        found = select(func.coalesce(func.sum(c.calls), 0)).where(
            c.code == "budget_exceeded",
            c.budget.contains(f'"scope":"{self._kind}"'),
            of.get(self._kind, c.id.is_not(None)),
            *_within(c.created_us, since_us, until_us),
        )
        return int(self._connection.execute(found).scalar_one())


def _within(
    column: ColumnElement[Any], since_us: int | None, until_us: int | None
) -> list[ColumnElement[bool]]:
    found = [] if since_us is None else [column >= since_us]
    return found if until_us is None else [*found, column < until_us]
