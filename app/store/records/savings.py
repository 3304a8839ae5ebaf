"""What caching and routing saved or lost, and what its misses cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, literal_column, or_, select

from app.core.advice import advice_for
from app.core.misses import MissReason
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import US_PER_S
from app.store.database.tables import requests
from app.store.records.ranges import Range

K = TypeVar("K")
MOST_PREFIXES: Final = 100
QUARTER_US: Final = 900 * US_PER_S  # every zone's midnight is at the quarter of an hour
EXACT: Final = ("computed", "billed", "corrected")


@dataclass(frozen=True, slots=True)
class CacheSums:
    """Of finished calls; amounts are nano-USD.

    `saved` is what the same answers would have cost without a cache, less what they did;
    `lost` of it is what calls cost more for writing than they saved, `estimated` what comes from
    rows whose cost is a guess. `missed` is what misses cost above reading.
    """

    requests: int
    prompt_tokens: int
    read_tokens: int
    written_tokens: int
    saved_nano_usd: int
    lost_nano_usd: int
    estimated_nano_usd: int
    misses: int
    missed_nano_usd: int


@dataclass(frozen=True, slots=True)
class OfMarks:
    """By whose breakpoints: `gateway`, `caller`, `both`, or `none`."""

    marks: str
    sums: CacheSums


@dataclass(frozen=True, slots=True)
class OfPrefix:
    """By tools and system prompt; `example` is a request with them, `reasons` what each cost."""

    prefix: str
    sums: CacheSums
    example: str
    reasons: Mapping[str, int]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfReason:
    """Misses of one reason, and what would help."""

    reason: str
    misses: int
    missed_nano_usd: int
    advice: str | None


@dataclass(frozen=True, slots=True)
class OfRoute:
    """What routing saved where one model answered, for one reason.

    It is an estimate: the same tokens at the prices of the strongest tier.
    """

    model: str
    reason: str
    requests: int
    saved_nano_usd: int
    lost_nano_usd: int


@dataclass(frozen=True, slots=True)
class OfDay:
    """One day of the zone that was asked for."""

    day: str
    requests: int
    cache_saved_nano_usd: int
    routing_saved_nano_usd: int
    missed_nano_usd: int


@dataclass(frozen=True, slots=True)
class Savings:
    """The whole report; `prefixes` are those that cost or saved most."""

    caching: CacheSums
    marks: tuple[OfMarks, ...]
    prefixes: tuple[OfPrefix, ...]
    reasons: tuple[OfReason, ...]
    routes: tuple[OfRoute, ...]
    days: tuple[OfDay, ...]


class SavingsReports:
    """Reads the report over any range."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def read(self, within: Range, zone: tzinfo = UTC) -> Savings:
        """Of calls that were answered, by the time of their hold; days are of `zone`."""
        return await self._database.report(lambda connection: _read(connection, within, zone))


def _read(connection: Connection, within: Range, zone: tzinfo) -> Savings:
    """Three passes over the rows of the range."""
    answered = [
        requests.c.state.in_(("settled", "orphaned")),
        *within.within(requests.c.created_us),
    ]
    marks, reasons = _marks_and_reasons(connection, answered)
    routes, days = _routes_and_days(connection, answered, zone)
    return Savings(
        caching=_total(each.sums for each in marks),
        marks=marks,
        prefixes=_prefixes(connection, answered),
        reasons=reasons,
        routes=routes,
        days=days,
    )


def _marks_and_reasons(
    connection: Connection, answered: Sequence[ColumnElement[bool]]
) -> tuple[tuple[OfMarks, ...], tuple[OfReason, ...]]:
    rows = connection.execute(
        select(_marks().label("marks"), requests.c.cache_miss_reason, *_cache_sums())
        .where(*answered)
        .group_by("marks", requests.c.cache_miss_reason)
    ).all()
    by_marks: dict[str, list[CacheSums]] = {}
    by_reason: dict[str, list[CacheSums]] = {}
    for row in rows:
        sums = _sums(row)
        by_marks.setdefault(row.marks, []).append(sums)
        if row.cache_miss_reason is not None:
            by_reason.setdefault(row.cache_miss_reason, []).append(sums)
    marks = [OfMarks(name, _total(parts)) for name, parts in by_marks.items()]
    reasons = [_of_reason(reason, _total(parts)) for reason, parts in by_reason.items()]
    return (
        tuple(sorted(marks, key=lambda each: (-each.sums.requests, each.marks))),
        tuple(sorted(reasons, key=lambda each: (-each.missed_nano_usd, each.reason))),
    )


def _of_reason(reason: str, sums: CacheSums) -> OfReason:
    missed = sums.missed_nano_usd
    told = advice_for({reason: missed}, saved_nano_usd=0, read_tokens=0)
    return OfReason(reason, sums.misses, missed, told[0] if told else None)


def _marks() -> ColumnElement[str]:
    """The plan's own text tells: see `call_rows`."""
    plan = requests.c.cache_plan
    ours, theirs = plan.not_like('%"placed":[]%'), plan.not_like('%"callers":0,%')
    return case(
        (and_(ours, theirs), literal_column("'both'")),
        (ours, literal_column("'gateway'")),
        (theirs, literal_column("'caller'")),
        else_=literal_column("'none'"),
    )


def _cache_sums() -> list[ColumnElement[Any]]:
    c = requests.c
    written = c.cache_write_5m_tokens + c.cache_write_1h_tokens
    saved = c.cache_savings_nano_usd
    exact = or_(c.cost_source.in_(EXACT), c.cost_source.is_(None))
    found = {
        "requests": func.count(),
        "prompt_tokens": func.sum(c.input_tokens + written + c.cache_read_tokens),
        "read_tokens": func.sum(c.cache_read_tokens),
        "written_tokens": func.sum(written),
        "saved_nano_usd": func.sum(saved),
        "lost_nano_usd": func.sum(case((saved < 0, -saved), else_=0)),
        "estimated_nano_usd": func.sum(case((exact, 0), else_=saved)),
        "misses": func.count(c.cache_miss_reason),
        "missed_nano_usd": func.sum(func.coalesce(c.cache_miss_nano_usd, 0)),
    }
    return [func.coalesce(column, 0).label(name) for name, column in found.items()]


def _sums(row: Row[Any]) -> CacheSums:
    fields = row._mapping  # noqa: SLF001  # SQLAlchemy's documented name
    return CacheSums(*(int(fields[name]) for name in CacheSums.__slots__))


def _total(parts: Iterable[CacheSums]) -> CacheSums:
    found = list(parts)
    return CacheSums(*(sum(getattr(part, name) for part in found) for name in CacheSums.__slots__))


def _prefixes(
    connection: Connection, answered: Sequence[ColumnElement[bool]]
) -> tuple[OfPrefix, ...]:
    """Those that came more than once: a system prompt that always changes is no prefix."""
    c = requests.c
    missed = func.coalesce(func.sum(c.cache_miss_nano_usd), 0)
    weight = func.abs(func.sum(c.cache_savings_nano_usd)) + missed
    reasons = [
        func.sum(case((c.cache_miss_reason == reason, c.cache_miss_nano_usd))).label(reason)
        for reason in MissReason
    ]
    rows = connection.execute(
        select(c.prefix, func.max(c.id).label("example"), *_cache_sums(), *reasons)
        .where(*answered, c.prefix.is_not(None))
        .group_by(c.prefix)
        .having(func.count() > 1)
        .order_by(weight.desc(), c.prefix)
        .limit(MOST_PREFIXES)
    )
    return tuple(_of_prefix(row) for row in rows)


def _of_prefix(row: Row[Any]) -> OfPrefix:
    fields = row._mapping  # noqa: SLF001  # SQLAlchemy's documented name
    sums = _sums(row)
    reasons = {str(r): int(fields[r]) for r in MissReason if fields[r] is not None}
    told = advice_for(reasons, saved_nano_usd=sums.saved_nano_usd, read_tokens=sums.read_tokens)
    return OfPrefix(row.prefix, sums, row.example, reasons, told)


def _routes_and_days(
    connection: Connection, answered: Sequence[ColumnElement[bool]], zone: tzinfo
) -> tuple[tuple[OfRoute, ...], tuple[OfDay, ...]]:
    c = requests.c
    quarter: ColumnElement[int] = literal_column(f"requests.created_us / {QUARTER_US}")
    routed = c.routing_savings_nano_usd
    rows = connection.execute(
        select(
            quarter,
            c.model,
            c.route_reason,
            func.count(),
            func.sum(c.cache_savings_nano_usd),
            func.sum(routed),
            func.coalesce(func.sum(c.cache_miss_nano_usd), 0),
            func.sum(case((routed != 0, 1), else_=0)),
            func.sum(case((routed < 0, -routed), else_=0)),
        )
        .where(*answered)
        .group_by(quarter, c.model, c.route_reason)
    )
    routes: dict[tuple[str, str], list[int]] = {}
    days: dict[str, list[int]] = {}
    for number, model, reason, *counts in rows:
        calls, cached, saved, missed, differ, lost = map(int, counts)
        moment = datetime.fromtimestamp(int(number) * QUARTER_US // US_PER_S, zone)
        _add(days, moment.date().isoformat(), calls, cached, saved, missed)
        if differ:
            _add(routes, (model, reason), differ, saved, lost)
    found = [OfRoute(model, reason, *sums) for (model, reason), sums in routes.items()]
    return (
        tuple(sorted(found, key=lambda each: (-each.saved_nano_usd, each.model, each.reason))),
        tuple(OfDay(day, *sums) for day, sums in sorted(days.items())),
    )


def _add(sums: dict[K, list[int]], key: K, *counts: int) -> None:
    before = sums.setdefault(key, [0] * len(counts))
    sums[key] = [one + other for one, other in zip(before, counts, strict=True)]
