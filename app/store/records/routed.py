"""How calls were shared between tiers: by score, by cost, and by what was said of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Double, Select, cast, func, select
from sqlalchemy.dialects.postgresql import JSON

from app.store.database.engine import Database, FailClosed
from app.store.database.tables import outcomes, requests
from app.store.records.ranges import Range

BUCKETS: Final = 20
NAMED: Final = "-"
_FINEST: Final = 10_000  # a score has four digits


@dataclass(slots=True)
class OfTier:
    """Calls that went to a tier, `-` where their callers named a model; amounts are nano-USD.

    `by_auto` of them were decided by `auto`. `ok` and `not_ok` count what was said of the answers.
    """

    tier: str
    requests: int = 0
    by_auto: int = 0
    cost_nano_usd: int = 0
    saved_nano_usd: int = 0
    ok: int = 0
    not_ok: int = 0


@dataclass(slots=True)
class OfScore:
    """Calls that `auto` decided, with a score from `place` twentieths on: how many by tier."""

    place: int
    by_tier: Counter[str] = field(default_factory=Counter)
    ok: int = 0
    not_ok: int = 0


@dataclass(frozen=True, slots=True)
class Routed:
    """The whole report; the thresholds are the least and the most that scores were held against."""

    tiers: tuple[OfTier, ...]
    scores: tuple[OfScore, ...]
    least_threshold: float | None
    most_threshold: float | None

    @property
    def by_auto(self) -> int:
        """How many calls `auto` decided."""
        return sum(each.by_auto for each in self.tiers)


class RoutingReports:
    """Reads the report over any range."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def read(self, within: Range) -> Routed:
        """Of calls that were answered, by the time of their hold."""
        return await self._database.report(lambda connection: _read(connection, within))


def _read(connection: Connection, within: Range) -> Routed:
    tiers: dict[str, OfTier] = {}
    scores = [OfScore(place) for place in range(BUCKETS)]
    thresholds: list[float] = []
    for row in connection.execute(_calls(connection, within)):
        of_tier = tiers.setdefault(row.tier, OfTier(row.tier))
        of_tier.requests += row.calls
        of_tier.cost_nano_usd += int(row.cost)
        of_tier.saved_nano_usd += int(row.saved)
        if row.least is not None:
            of_tier.by_auto += row.calls
            scores[_place(row.score)].by_tier[row.tier] += row.calls
            thresholds += (row.least, row.most)
    for row in connection.execute(_said(connection, within)):
        said = "ok" if row.ok else "not_ok"
        _count(tiers[row.tier], said, row.calls)
        if row.threshold is not None:
            _count(scores[_place(row.score)], said, row.calls)
    return Routed(
        tuple(sorted(tiers.values(), key=lambda each: (-each.requests, each.tier))),
        tuple(scores),
        min(thresholds, default=None),
        max(thresholds, default=None),
    )


def _calls(connection: Connection, within: Range) -> Select[Any]:
    told = _told(connection)
    threshold = cast(told["threshold"], Double)
    return (
        select(
            *_tier_and_score(told),
            func.min(threshold).label("least"),
            func.max(threshold).label("most"),
            func.count().label("calls"),
            func.sum(requests.c.cost_nano_usd).label("cost"),
            func.sum(requests.c.routing_savings_nano_usd).label("saved"),
        )
        .where(*_answered(within))
        .group_by("tier", "score", told["threshold"].is_(None))
    )


def _said(connection: Connection, within: Range) -> Select[Any]:
    told = _told(connection)
    threshold = told["threshold"].label("threshold")
    return (
        select(*_tier_and_score(told), threshold, outcomes.c.ok, func.count().label("calls"))
        .join(outcomes, outcomes.c.request_id == requests.c.id)
        .where(*_answered(within))
        .group_by("tier", "score", "threshold", outcomes.c.ok)
    )


def _tier_and_score(told: Mapping[str, ColumnElement[Any]]) -> tuple[ColumnElement[Any], ...]:
    return func.coalesce(told["tier"], NAMED).label("tier"), told["score"].label("score")


def _answered(within: Range) -> list[ColumnElement[bool]]:
    states = requests.c.state.in_(("settled", "orphaned"))
    return [states, *within.within(requests.c.created_us)]


def _told(connection: Connection) -> Mapping[str, ColumnElement[Any]]:
    """What a row's `routing` says, in either database's words."""
    text = requests.c.routing
    names = ("tier", "score", "threshold")
    if connection.dialect.name == "sqlite":
        return {name: func.json_extract(text, f"$.{name}") for name in names}
    return {name: cast(text, JSON)[name].astext for name in names}


def _place(score: float | str) -> int:
    """Which of the buckets; the last one has the score of 1 too."""
    return min(round(float(score) * _FINEST) * BUCKETS // _FINEST, BUCKETS - 1)


def _count(of: OfTier | OfScore, said: str, calls: int) -> None:
    setattr(of, said, getattr(of, said) + calls)
