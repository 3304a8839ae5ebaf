"""Where a report's sums are added up from: roll-ups by key or label, or the ledger's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, Text, func, or_, select
from sqlalchemy import literal_column as literal

from app.core.zones import US_PER_DAY, US_PER_HOUR, Clock
from app.store.database.rollup_tables import (
    ANY,
    DAY,
    HOUR,
    LATENCY_COLUMNS,
    MODEL,
    OTHERS,
    OWN,
    TAG,
    TTFT_COLUMNS,
    USER,
    label_rollups,
    rollups,
    tagged,
)
from app.store.database.tables import requests
from app.store.records.sums import COUNTED
from app.store.records.tags import one_row_per_tag
from app.store.records.teams import ids_of_team
from app.store.reports.pieces import Pieces, Span, joined, only_rows, pieces_of
from app.store.reports.query import PLAIN_SUMS, SpendQuery

TIME: Final = "time"
_BY_KEY: Final = {"key": "key_id", "team": "team_id", "model": "model"}
_FILTERED: Final = {"key_id": "key_id", "team": "team_id", "model": "model"}


@dataclass(frozen=True, slots=True)
class Asked:
    """`by` are the groups that are no time, `time` the shortest of those that are.

    `only`: what is wanted of a group `by`, if not all of it.
    """

    by: Sequence[str]
    time: str | None
    filters: Mapping[str, str]
    clock: Clock
    sums: Sequence[str]
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)


def parts(connection: Connection, asked: Asked) -> list[Select[Any]]:
    """Selects of TIME (with a `time`), the groups `by` their names, and the sums.

    All of them together, grouped again, are the answer. No group is null: `''` stands for none.
    """
    source = _Source(asked, connection)
    named = {*asked.by, *asked.filters}
    labels = named & {USER, TAG}
    if named <= {*_BY_KEY, *_FILTERED}:
        return source.of_keys(pieces_of(asked.clock, asked.time))
    is_alone = len(labels) == 1 and named == labels
    both = TAG in asked.by and TAG in asked.filters  # then its calls' other tags are asked for
    if is_alone and not both:
        (kind,) = labels
        pieces = pieces_of(asked.clock, asked.time)
        if kind not in asked.filters or not _has_others(connection, kind, asked.clock):
            return source.of_labels(kind, pieces)
    return source.of_rows(only_rows(asked.clock).rows)


def wanted_sums(query: SpendQuery) -> Sequence[str]:
    """In the order of the columns; without `requests` no row is known to be one."""
    plain = [name for name in PLAIN_SUMS if name in query.sums or name == "requests"]
    return [*plain, *LATENCY_COLUMNS, *TTFT_COLUMNS] if query.latencies else plain


class _Source:
    def __init__(self, asked: Asked, connection: Connection) -> None:
        self._asked = asked
        self._connection = connection
        self._dialect = connection.dialect.name

    def of_keys(self, pieces: Pieces) -> list[Select[Any]]:
        asked = self._asked
        if not {*asked.by, *asked.filters} <= {MODEL}:
            found = self._rolled_up(rollups, DAY, pieces.days)
            found += self._rolled_up(rollups, HOUR, pieces.hours)
        elif pieces.days and self._is_less_by_hours(pieces.days):
            hours = joined([*pieces.days, *pieces.hours])
            found = self._rolled_up(label_rollups, HOUR, hours, MODEL)
        else:
            found = self._rolled_up(rollups, DAY, pieces.days)
            found += self._rolled_up(label_rollups, HOUR, pieces.hours, MODEL)
        return found + self.of_rows(pieces.rows)

    def _is_less_by_hours(self, days: Sequence[Span]) -> bool:
        """Whether a day's hours over all keys are fewer rows than that day of each key."""
        at_us = days[-1][1] - US_PER_DAY
        label, row = label_rollups.c, rollups.c
        of_hours = (label.kind == MODEL, label.grain == HOUR)
        hours = select(func.count()).where(
            *of_hours, label.from_us >= at_us, label.from_us < at_us + US_PER_DAY
        )
        each = select(func.count()).where(row.grain == DAY, row.from_us == at_us)
        found = self._connection.execute(
            select(hours.scalar_subquery(), each.scalar_subquery())
        ).one()
        return int(found[0]) < int(found[1])

    def of_labels(self, kind: str, pieces: Pieces) -> list[Select[Any]]:
        """By label; and calls without one, which are all but those with."""
        found: list[Select[Any]] = []
        for grain, spans in ((DAY, pieces.days), (HOUR, pieces.hours)):
            found += self._rolled_up(label_rollups, grain, spans, kind)
            if kind in self._asked.by and kind not in self._asked.filters:
                found += self._without(kind, grain, spans)
        return found + self.of_rows(pieces.rows)

    def of_rows(self, spans: Sequence[Span]) -> list[Select[Any]]:
        if not spans:
            return []
        row = requests.c
        source: FromClause = requests
        tag: ColumnElement[Any] = literal("NULL")
        if TAG in self._asked.by:
            source, tag = one_row_per_tag(self._dialect)
        columns: Mapping[str, ColumnElement[Any]] = {
            "key": row.key_id,
            "team": func.coalesce(row.team_id, literal("''")),
            "model": row.model,
            "user": func.coalesce(literal(f"'{OWN}'", Text) + row.end_user, literal("''")),
            "tag": func.coalesce(literal(f"'{OWN}'", Text) + tag, literal("''")),
            "conversation": func.coalesce(row.conversation, literal("''")),
        }
        sums = {name: func.sum(COUNTED[name]) for name in self._asked.sums}
        where = [row.state != "reserved", _in_spans(row.created_us, spans), *self._of_rows_where()]
        statement = self._select(columns, "requests.created_us", sums)
        return [statement.select_from(source).where(*where)]

    def _of_rows_where(self) -> list[ColumnElement[bool]]:
        row = requests.c
        found: list[ColumnElement[bool]] = []
        for name, text in self._asked.filters.items():
            if name == "tag":
                theirs = select(tagged.c.request_id).where(tagged.c.tag == text)
                clock = self._asked.clock
                theirs = theirs.where(
                    tagged.c.created_us >= clock.from_us, tagged.c.created_us < clock.before_us
                )
                found.append(row.id.in_(theirs))
            elif name == "user":
                found.append(row.end_user == text)
            else:
                found.append(_filter(requests, name, text))
        return found

    def _rolled_up(
        self,
        table: Table,
        grain: str,
        spans: Sequence[Span],
        kind: str | None = None,
    ) -> list[Select[Any]]:
        if not spans:
            return []
        row, asked = table.c, self._asked
        columns = {name: row[column] for name, column in _BY_KEY.items()} if kind is None else {}
        if kind is not None:
            columns[kind] = row.label
        sums = {name: func.sum(row[name]) for name in asked.sums}
        where = [row.grain == grain, *_enclosed(row.from_us, spans)]
        if kind is None:
            where += [_filter(rollups, name, text) for name, text in asked.filters.items()]
        else:
            where += [row.kind == kind, *self._label_where(kind)]
        return [self._select(columns, f"{table.name}.from_us", sums).where(*where)]

    def _label_where(self, kind: str) -> list[ColumnElement[bool]]:
        label = label_rollups.c.label
        wanted = self._asked.filters.get(kind)
        if wanted is not None:
            return [label == (wanted if kind == MODEL else OWN + wanted)]
        return [label != ANY] if kind == TAG else []

    def _without(self, kind: str, grain: str, spans: Sequence[Span]) -> list[Select[Any]]:
        """All calls, less those with a label."""
        if not spans:
            return []
        whole: Any = rollups if grain == DAY else label_rollups
        found: list[Select[Any]] = []
        for table, sign, where in (
            (whole, "", () if grain == DAY else (label_rollups.c.kind == MODEL,)),
            (
                label_rollups,
                "-",
                (
                    label_rollups.c.kind == kind,
                    *((label_rollups.c.label == ANY,) if kind == TAG else ()),
                ),
            ),
        ):
            row = table.c
            sums: dict[str, ColumnElement[Any]] = {
                name: literal(f"{sign}SUM({table.name}.{name})") for name in self._asked.sums
            }
            statement = self._select({kind: literal("''")}, f"{table.name}.from_us", sums, kind)
            inside = (row.grain == grain, *_enclosed(row.from_us, spans), *where)
            found.append(statement.select_from(table).where(*inside))
        return found

    def _select(
        self,
        columns: Mapping[str, ColumnElement[Any]],
        moment: str,
        sums: Mapping[str, ColumnElement[Any]],
        constant: str | None = None,
    ) -> Select[Any]:
        asked = self._asked
        by = [columns[name].label(name) for name in asked.by]
        grouped = [column for column in by if column.name != constant]
        if asked.time is not None:
            when = _time(asked.time, moment, asked.clock, self._dialect).label(TIME)
            by, grouped = [when, *by], [when, *grouped]
        chosen = select(*by, *(total.label(name) for name, total in sums.items()))
        chosen = chosen.where(*(columns[name].in_(ids) for name, ids in asked.only.items()))
        return chosen.group_by(*(column.element for column in grouped)) if grouped else chosen


def _filter(table: Any, name: str, text: str) -> ColumnElement[bool]:  # noqa: ANN401
    column = table.c[_FILTERED[name]]
    matches: ColumnElement[bool] = (
        column.in_(ids_of_team(text)) if name == "team" else column == text
    )
    return matches


def _in_spans(moment: ColumnElement[int], spans: Sequence[Span]) -> ColumnElement[bool]:
    return or_(*((moment >= from_us) & (moment < before_us) for from_us, before_us in spans))


def _enclosed(moment: ColumnElement[int], spans: Sequence[Span]) -> list[ColumnElement[bool]]:
    """In one of the spans, which are most of what lies between the first and the last."""
    found: list[ColumnElement[bool]] = [moment >= spans[0][0], moment < spans[-1][1]]
    return found if len(spans) == 1 else [*found, _in_spans(moment, spans)]


def _time(name: str, moment: str, clock: Clock, dialect: str) -> ColumnElement[Any]:
    """An hour's first microsecond, a day's number, or a month's text: literal, to be grouped by."""
    offset = _offset(moment, clock)
    local = f"({moment} + {offset})"
    if name == "hour":
        return literal(f"{local} / {US_PER_HOUR} * {US_PER_HOUR} - {offset}")
    if name == "day":
        return literal(f"{local} / {US_PER_DAY}")
    if dialect == "sqlite":
        return literal(f"strftime('%Y-%m', {local} / 1000000, 'unixepoch')")
    return literal(f"to_char(to_timestamp({local} / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM')")


def _offset(moment: str, clock: Clock) -> str:
    first, *others = clock.offsets_us
    if not others:
        return str(first) if first >= 0 else f"({first})"
    rules = [
        f"WHEN {moment} < {change} THEN {offset}"
        for change, offset in zip(clock.changes_us[1:], clock.offsets_us[:-1], strict=True)
    ]
    return f"CASE {' '.join(rules)} ELSE {clock.offsets_us[-1]} END"


def _has_others(connection: Connection, kind: str, clock: Clock) -> bool:
    """Whether calls of the range may be counted under a label that stands for many."""
    row = label_rollups.c
    first_us = clock.from_us // US_PER_DAY * US_PER_DAY
    within = (row.grain == DAY, row.from_us >= first_us, row.from_us < clock.before_us)
    one: ColumnElement[Any] = literal("1")
    found = select(one).where(row.kind == kind, *within, row.label == OTHERS).limit(1)
    return connection.execute(found).first() is not None
