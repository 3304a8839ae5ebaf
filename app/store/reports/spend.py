"""One report read from the database, with its totals and the cursor to its next page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    func,
    or_,
    select,
    union_all,
)

from app.core.errors import BadRequest
from app.core.zones import US_PER_HOUR, Clock, clock
from app.store.database.prepared import among, texts
from app.store.database.rollup_tables import HOUR, MODEL, OTHERS, OWN, TAG, USER, label_rollups
from app.store.database.tables import keys, teams
from app.store.records.fields import clean_text, unknown
from app.store.records.ranges import range_of
from app.store.reports import details
from app.store.reports.cursors import BAD_CURSOR, PLACE, cursor_of, cursor_values
from app.store.reports.query import (
    GROUPS,
    OTHERS_SHOWN,
    SORTED_SUMS,
    SORTS,
    SPEND_FILTERS,
    TIMES,
    SpendQuery,
    SpendReport,
    SpendRow,
    Sums,
)
from app.store.reports.sources import TIME, Asked, parts, wanted_sums
from app.store.reports.stretches import day_of, stretches

MOST_ROWS: Final = 1_000
UNSURE: Final = ("estimated_nano_usd", "orphaned_nano_usd")

Order = tuple[ColumnElement[Any], bool]
"""A column and whether it descends."""


def checked(query: SpendQuery) -> SpendQuery:
    """The query with each group once and texts as they are stored.  Raises BadRequest."""
    for name in query.groups:
        if name not in GROUPS:
            raise BadRequest(unknown("group", name, GROUPS), param="group_by")
    for name in query.filters:
        if name not in SPEND_FILTERS:
            raise BadRequest(unknown("filter", name, SPEND_FILTERS), param=name)
    sort = None if query.sort is None else query.sort.removeprefix("-")
    if sort is not None and sort not in SORTS:
        raise BadRequest(unknown("column", sort, SORTS), param="sort")
    groups = tuple(dict.fromkeys(query.groups))
    if sort in GROUPS and sort not in groups:
        raise BadRequest(f"sort: the report is not grouped by {sort}", param="sort")
    if query.limit is not None and not 1 <= query.limit <= MOST_ROWS:
        raise BadRequest(f"limit must be between 1 and {MOST_ROWS}", param="limit")
    range_of(query.from_, query.to, zone=query.zone)
    filters = {name: clean_text(text) for name, text in query.filters.items()}
    return replace(query, groups=groups, filters=filters)


def read(connection: Connection, query: SpendQuery) -> SpendReport:
    """What a `checked` query asks for.  Raises BadRequest for a cursor of another report."""
    asked = _asked(connection, query)
    order_after = cursor_values(query)
    if asked.clock.from_us >= asked.clock.before_us:
        return SpendReport(query.groups, (), Sums())
    totals = Sums()
    if query.totals or not query.groups:
        totals = _totals(connection, replace(asked, by=(), time=None, only={}))
    if not query.groups:
        rows = [SpendRow({}, {}, totals)] if totals.requests else []
        return SpendReport((), rows, totals)
    paged = query.limit is not None and bool(asked.by)
    ranked = replace(asked, sums=_ranking(query)) if paged else asked
    found = _first(connection, query, ranked, order_after)
    more = query.limit is not None and len(found) > query.limit
    page = found[: query.limit] if more else found
    cursor = cursor_of(query, page[-1]) if more else None
    shown = [dict(row._mapping) for row in page]  # noqa: SLF001
    if paged and shown:
        details.add(connection, asked, shown, _grouped)
    return SpendReport(query.groups, _rows(connection, query, asked, shown), totals, cursor)


def _ranking(query: SpendQuery) -> Sequence[str]:
    """The sums that decide which rows are on a page, and where."""
    name = (query.sort or "").removeprefix("-")
    sorts = UNSURE if name == "estimated_usd" else (SORTED_SUMS.get(name, "requests"),)
    return tuple(dict.fromkeys(("requests", *sorts)))


def _first(
    connection: Connection, query: SpendQuery, asked: Asked, after: Sequence[Any] | None
) -> Sequence[Row[Any]]:
    """The rows behind `after`; with a limit so many and one more, if there are."""
    name = (query.sort or "").removeprefix("-")
    if query.limit is None or asked.time is None or not asked.by or name not in ("", *TIMES):
        return connection.execute(_statement(connection, query, asked, after)).all()
    descends = query.sort is None or query.sort.startswith("-")
    found: list[Row[Any]] = []
    try:
        parts = stretches(asked.clock, asked.time, after and after[0], descends=descends)
        for part in parts:
            statement = _statement(connection, query, replace(asked, clock=part), after)
            found += connection.execute(statement.limit(query.limit + 1 - len(found))).all()
            if len(found) > query.limit:
                break
    except (ValueError, TypeError, OverflowError) as error:  # the cursor's time is none
        raise BadRequest(BAD_CURSOR, param="cursor") from error
    return found


def _asked(connection: Connection, query: SpendQuery) -> Asked:
    times = [name for name in TIMES if name in query.groups]
    return Asked(
        by=[name for name in query.groups if name not in TIMES],
        time=times[0] if times else None,
        filters=query.filters,
        clock=_clock(connection, query),
        sums=wanted_sums(query),
        only={
            name: [_stored(name, value) for value in values] for name, values in query.only.items()
        },
    )


def _clock(connection: Connection, query: SpendQuery) -> Clock:
    """The range asked for, as far as there are calls."""
    within = range_of(query.from_, query.to, zone=query.zone)
    row = label_rollups.c
    hours = (row.kind == MODEL, row.grain == HOUR)
    first, last = (
        connection.execute(select(edge(row.from_us)).where(*hours)).scalar()
        for edge in (func.min, func.max)
    )
    if first is None or last is None:
        return clock(UTC, 0, 0)
    from_us = max(int(first), within.from_us or 0)
    end_us = int(last) + US_PER_HOUR
    before_us = end_us if within.before_us is None else min(end_us, within.before_us)
    return clock(query.zone, from_us, max(before_us, from_us))


def _grouped(connection: Connection, asked: Asked) -> Select[Any]:
    """One row per group, with the calls of every part."""
    found = parts(connection, asked)
    names = [*([] if asked.time is None else [TIME]), *asked.by]
    if len(found) == 1:
        return found[0]
    every = union_all(*found).subquery("every")
    sums = [func.sum(every.c[name]).label(name) for name in asked.sums]
    groups = [every.c[name] for name in names]
    return select(*groups, *sums).group_by(*groups)


def _totals(connection: Connection, asked: Asked) -> Sums:
    row = connection.execute(_grouped(connection, asked)).first()
    return Sums() if row is None else Sums.of_row(row._mapping)  # noqa: SLF001  # its documented name


def _statement(
    connection: Connection, query: SpendQuery, asked: Asked, after: Sequence[Any] | None
) -> Select[Any]:
    grouped = _grouped(connection, asked).subquery("grouped")
    order: list[Order] = []
    if query.sort is not None:
        name = query.sort.removeprefix("-")
        order.append((_sorted_by(grouped, name), query.sort.startswith("-")))
    if asked.time is not None and (query.sort or "").removeprefix("-") not in TIMES:
        order.append((grouped.c[TIME], True))
    order += [(grouped.c[name], False) for name in asked.by]
    statement = select(
        grouped, *(column.label(f"{PLACE}{place}") for place, (column, _) in enumerate(order))
    ).where(grouped.c.requests > 0)
    if after is not None:
        statement = statement.where(_beyond(order, after))
    statement = statement.order_by(
        *(column.desc() if descends else column.asc() for column, descends in order)
    )
    return statement.limit(None if query.limit is None else query.limit + 1)


def _sorted_by(grouped: Any, name: str) -> ColumnElement[Any]:  # noqa: ANN401  # a subquery
    if name == "estimated_usd":
        unsure: ColumnElement[Any] = grouped.c.estimated_nano_usd + grouped.c.orphaned_nano_usd
        return unsure
    if name in TIMES:
        name = TIME
    column: ColumnElement[Any] = grouped.c[SORTED_SUMS.get(name, name)]
    return column


def _beyond(order: Sequence[Order], after: Sequence[Any]) -> ColumnElement[bool]:
    """What stands behind a row in the order; ties are broken by the groups."""
    found = []
    for place, (column, descends) in enumerate(order):
        before = [order[i][0] == after[i] for i in range(place)]
        here = column < after[place] if descends else column > after[place]
        found.append(and_(*before, here))
    return or_(*found)


def _rows(
    connection: Connection, query: SpendQuery, asked: Asked, rows: Sequence[Mapping[Any, Any]]
) -> list[SpendRow]:
    found = []
    for fields in rows:
        when = {} if asked.time is None else _times(asked, fields[TIME])
        group = {
            name: when[name] if name in TIMES else _shown(name, fields[name])
            for name in query.groups
        }
        found.append((group, Sums.of_row(fields)))
    names = _names(connection, [group for group, _ in found])
    return [
        SpendRow(group, {name: known.get(group[name] or "") for name, known in names.items()}, sums)
        for group, sums in found
    ]


def _shown(name: str, text: str) -> str | None:
    """A group's value as it is told."""
    if name not in ("user", "tag"):
        return text or None
    if text == OTHERS:
        return OTHERS_SHOWN
    return text.removeprefix(OWN) if text else None


def _stored(name: str, shown: str | None) -> str:
    """As the sums have it."""
    if shown is None or name not in (USER, TAG):
        return shown or ""
    return OTHERS if shown == OTHERS_SHOWN else OWN + shown


def _times(asked: Asked, value: Any) -> Mapping[str, str]:  # noqa: ANN401
    if asked.time != "hour":
        text = day_of(int(value)).isoformat() if asked.time == "day" else str(value)
        return {"day": text, "month": text[:7]}
    local = asked.clock.local(int(value))
    text = local.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"hour": text, "day": text[:10], "month": text[:7]}


def _names(
    connection: Connection, groups: Sequence[Mapping[str, str | None]]
) -> Mapping[str, Mapping[str, str]]:
    """Names of keys and teams by id, where they are grouped by."""
    found: dict[str, Mapping[str, str]] = {}
    for name, table in (("key", keys), ("team", teams)):
        if groups and name in groups[0]:
            ids = {value for group in groups if (value := group[name]) is not None}
            found[name] = _named(connection, table.c.id, table.c.name, ids)
    return found


def _named(
    connection: Connection, row_id: Column[str], name: Column[str], ids: set[str]
) -> Mapping[str, str]:
    wanted = select(row_id, name).where(among(row_id, "ids", connection.dialect))
    rows = connection.execute(wanted, {"ids": texts(ids, connection.dialect)})
    return {row[0]: row[1] for row in rows}
