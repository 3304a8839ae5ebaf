"""What caching and routing saved or lost, and what its misses cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, literal_column, or_, select

from app.core.advice import advice_for
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import US_PER_S
from app.store.database.tables import requests
from app.store.records.ranges import Range

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

    async def read(self, within: Range, zone: ZoneInfo | None = None) -> Savings:
        """Of calls that were answered, by the time of their hold; days are of `zone`, or UTC."""
        return await self._database.run(lambda connection: _read(connection, within, zone))


def _read(connection: Connection, within: Range, zone: ZoneInfo | None) -> Savings:
    answered = [
        requests.c.state.in_(("settled", "orphaned")),
        *within.within(requests.c.created_us),
    ]
    marks = connection.execute(
        select(_marks().label("marks"), *_cache_sums()).where(*answered).group_by("marks")
    ).all()
    by_marks = tuple(OfMarks(row.marks, _sums(row)) for row in marks if row.requests)
    return Savings(
        caching=_total(each.sums for each in by_marks),
        marks=tuple(sorted(by_marks, key=lambda each: -each.sums.requests)),
        prefixes=_prefixes(connection, answered),
        reasons=_reasons(connection, answered),
        routes=_routes(connection, answered),
        days=_days(connection, answered, zone),
    )


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
    saved = func.abs(func.sum(requests.c.cache_savings_nano_usd))
    weight = saved + func.coalesce(func.sum(requests.c.cache_miss_nano_usd), 0)
    rows = connection.execute(
        select(requests.c.prefix, func.max(requests.c.id).label("example"), *_cache_sums())
        .where(*answered, requests.c.prefix.is_not(None))
        .group_by(requests.c.prefix)
        .having(func.count() > 1)
        .order_by(weight.desc(), requests.c.prefix)
        .limit(MOST_PREFIXES)
    ).all()
    reasons: dict[str, dict[str, int]] = {row.prefix: {} for row in rows}
    missed = connection.execute(
        select(
            requests.c.prefix,
            requests.c.cache_miss_reason,
            func.sum(requests.c.cache_miss_nano_usd).label("nano_usd"),
        )
        .where(*answered, requests.c.prefix.in_(reasons), requests.c.cache_miss_reason.is_not(None))
        .group_by(requests.c.prefix, requests.c.cache_miss_reason)
    )
    for prefix, reason, nano_usd in missed:
        reasons[prefix][reason] = int(nano_usd or 0)
    return tuple(_of_prefix(row, reasons[row.prefix]) for row in rows)


def _of_prefix(row: Row[Any], reasons: Mapping[str, int]) -> OfPrefix:
    sums = _sums(row)
    told = advice_for(reasons, saved_nano_usd=sums.saved_nano_usd, read_tokens=sums.read_tokens)
    return OfPrefix(row.prefix, sums, row.example, reasons, told)


def _reasons(
    connection: Connection, answered: Sequence[ColumnElement[bool]]
) -> tuple[OfReason, ...]:
    rows = connection.execute(
        select(
            requests.c.cache_miss_reason,
            func.count(),
            func.coalesce(func.sum(requests.c.cache_miss_nano_usd), 0),
        )
        .where(*answered, requests.c.cache_miss_reason.is_not(None))
        .group_by(requests.c.cache_miss_reason)
    )
    found = []
    for reason, misses, nano_usd in rows:
        told = advice_for({reason: int(nano_usd)}, saved_nano_usd=0, read_tokens=0)
        found.append(OfReason(reason, int(misses), int(nano_usd), told[0] if told else None))
    return tuple(sorted(found, key=lambda each: (-each.missed_nano_usd, each.reason)))


def _routes(connection: Connection, answered: Sequence[ColumnElement[bool]]) -> tuple[OfRoute, ...]:
    saved = requests.c.routing_savings_nano_usd
    rows = connection.execute(
        select(
            requests.c.model,
            requests.c.route_reason,
            func.count(),
            func.sum(saved),
            func.sum(case((saved < 0, -saved), else_=0)),
        )
        .where(*answered, saved != 0)
        .group_by(requests.c.model, requests.c.route_reason)
    )
    found = (OfRoute(model, why, *map(int, numbers)) for model, why, *numbers in rows)
    return tuple(sorted(found, key=lambda each: (-each.saved_nano_usd, each.model, each.reason)))


def _days(
    connection: Connection, answered: Sequence[ColumnElement[bool]], zone: ZoneInfo | None
) -> tuple[OfDay, ...]:
    quarter: ColumnElement[int] = literal_column(f"requests.created_us / {QUARTER_US}")
    rows = connection.execute(
        select(
            quarter,
            func.count(),
            func.sum(requests.c.cache_savings_nano_usd),
            func.sum(requests.c.routing_savings_nano_usd),
            func.coalesce(func.sum(requests.c.cache_miss_nano_usd), 0),
        )
        .where(*answered)
        .group_by(quarter)
    )
    days: dict[str, list[int]] = {}
    for number, *counts in rows:
        moment = datetime.fromtimestamp(int(number) * QUARTER_US // US_PER_S, zone or UTC)
        sums = days.setdefault(moment.date().isoformat(), [0, 0, 0, 0])
        for n, count in enumerate(counts):
            sums[n] += int(count)
    return tuple(OfDay(day, *sums) for day, sums in sorted(days.items()))
