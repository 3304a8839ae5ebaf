"""Whether every roll-up is what the ledger's rows add up to, found out by the database itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    case,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from app.store.database.moments import US_PER_DAY, US_PER_HOUR, iso
from app.store.database.prepared import dialect_named
from app.store.database.rollup_tables import (
    ANY,
    DAY,
    HOUR,
    MODEL,
    OTHERS,
    OWN,
    ROLLUP_SUMS,
    TAG,
    USER,
    label_rollups,
    rollups,
)
from app.store.database.tables import requests
from app.store.records.sums import COUNTED
from app.store.records.tags import tag_of_each

MOST_DIFFERENCES = 100  # of each kind of roll-up

_HOUR_US: Final[ColumnElement[Any]] = literal_column(
    f"requests.created_us - requests.created_us % {US_PER_HOUR}"
)
_DAY_US: Final[ColumnElement[Any]] = literal_column(
    f"requests.created_us - requests.created_us % {US_PER_DAY}"
)
_OWN: Final[ColumnElement[str]] = literal_column(f"'{OWN}'", Text)
_FINISHED: ColumnElement[bool] = requests.c.state != literal_column("'reserved'")


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What `statement` finds: a key of so many columns, each sum as it is kept and as it should be.

    Its text has 30 kB: made again for every run it would take longer than a small ledger's sums.
    """

    kind: str
    statement: str
    key_columns: int


def differences(connection: Connection) -> Iterator[dict[str, Any]]:
    """Each as `{"kind": "rollup", "id": …, "field": …, "counted": …, "ledger": …}`."""
    for comparison in _comparisons(connection.dialect.name):
        for row in connection.exec_driver_sql(comparison.statement):
            key = row[: comparison.key_columns]
            sums = [int(value) for value in row[comparison.key_columns :]]
            for place, name in enumerate(ROLLUP_SUMS):
                found, wanted = sums[place], sums[place + len(ROLLUP_SUMS)]
                if found != wanted:
                    yield {
                        "kind": "rollup",
                        "id": "/".join(
                            [comparison.kind, str(iso(int(key[0]))), *map(str, key[1:])]
                        ),
                        "field": name,
                        "counted": str(found),
                        "ledger": str(wanted),
                    }


@cache
def _comparisons(dialect: str) -> Sequence[_Comparison]:
    key = rollups.c
    whose = (key.key_id, key.team_id, key.model)
    team = func.coalesce(requests.c.team_id, literal_column("''"))
    by_row = (_HOUR_US, requests.c.key_id, team, requests.c.model)
    hours = _sums(rollups, (key.from_us, *whose), key.grain == HOUR)
    days = _sums(rollups, (key.from_us, *whose), key.grain == DAY)
    days_of_hours = _sums(rollups, (_day(rollups), *whose), key.grain == HOUR)
    models = _sums(rollups, (key.from_us, key.model), key.grain == HOUR)
    found = [
        _compared(dialect, HOUR, hours, _rows(by_row)),
        _compared(dialect, DAY, days, days_of_hours),
        _compared(dialect, MODEL, _labels(MODEL, HOUR), models),
    ]
    for kind, rows in ((USER, _of_users()), (TAG, _of_tags(dialect))):
        of_hours = _labels(kind, HOUR, _day(label_rollups))
        found += [
            _compared(dialect, kind, _labels(kind, HOUR), rows),
            _compared(dialect, f"{kind}/{DAY}", _labels(kind, DAY), of_hours),
        ]
    return found


def _compared(dialect: str, kind: str, kept: Select[Any], expected: Select[Any]) -> _Comparison:
    """`kept` and `expected` have the same columns: those of the key, then ROLLUP_SUMS."""
    both = union_all(
        kept.add_columns(literal_column("1").label("is_kept")),
        expected.add_columns(literal_column("0").label("is_kept")),
    ).subquery()
    names = [column.name for column in both.c][: -len(ROLLUP_SUMS) - 1]
    ids = [both.c[name] for name in names]
    sides = [
        [func.sum(case((both.c.is_kept == side, both.c[name]), else_=0)) for name in ROLLUP_SUMS]
        for side in (1, 0)
    ]
    differ = or_(*(found != wanted for found, wanted in zip(*sides, strict=True)))
    statement = (
        select(*ids, *(side.label(f"s{place}") for place, side in enumerate(sides[0] + sides[1])))
        .group_by(*ids)
        .having(differ)
        .order_by(*ids)
        .limit(MOST_DIFFERENCES)
    )
    compiled = statement.compile(
        dialect=dialect_named(dialect), compile_kwargs={"literal_binds": True}
    )
    return _Comparison(kind, str(compiled), len(names))


def _sums(
    table: Any,  # noqa: ANN401  # one of the two tables of roll-ups
    key: Sequence[ColumnElement[Any]],
    *where: ColumnElement[bool],
) -> Select[Any]:
    ids = [column.label(f"k{place}") for place, column in enumerate(key)]
    sums = [func.sum(table.c[name]).label(name) for name in ROLLUP_SUMS]
    return select(*ids, *sums).where(*where).group_by(*key)


def _labels(kind: str, grain: str, moment: ColumnElement[Any] | None = None) -> Select[Any]:
    row = label_rollups.c
    key = (row.from_us if moment is None else moment, row.label)
    return _sums(label_rollups, key, row.kind == kind, row.grain == grain)


def _day(table: Any) -> ColumnElement[Any]:  # noqa: ANN401
    return literal_column(f"{table.name}.from_us - {table.name}.from_us % {US_PER_DAY}")


def _rows(key: Sequence[ColumnElement[Any]], *where: ColumnElement[bool]) -> Select[Any]:
    ids = [column.label(f"k{place}") for place, column in enumerate(key)]
    sums = [func.sum(COUNTED[name]).label(name) for name in ROLLUP_SUMS]
    return select(*ids, *sums).where(_FINISHED, *where).group_by(*key)


def _of_users() -> Select[Any]:
    row = requests.c
    return _rows((_HOUR_US, _row_label(USER, row.end_user)), row.end_user.is_not(None))


def _of_tags(dialect: str) -> Select[Any]:
    """Each call once in every row where it is counted, and once in the one of any tag."""
    each = tag_of_each(dialect)
    tagged = requests.join(each, literal_column("1 = 1"))
    request_id = requests.c.id.label("request_id")
    labels = union_all(
        select(request_id, _row_label(TAG, each.c.value).label("label"))
        .select_from(tagged)
        .distinct(),
        select(request_id, literal_column(f"'{ANY}'").label("label"))
        .select_from(tagged)
        .distinct(),
    ).subquery()
    source = requests.join(labels, labels.c.request_id == requests.c.id)
    return _rows((_HOUR_US, labels.c.label)).select_from(source)


def _row_label(kind: str, label: ColumnElement[Any]) -> ColumnElement[Any]:
    """Where calls of that label are counted: by itself if it has a row for the day."""
    row = label_rollups.c
    place = (
        row.kind == literal_column(f"'{kind}'"),
        row.grain == literal_column(f"'{DAY}'"),
        row.from_us == _DAY_US,
    )
    mine = _OWN + label
    has_row = select(literal_column("1")).where(*place, row.label == mine).exists()
    return case(
        (has_row.correlate_except(label_rollups), mine), else_=literal_column(f"'{OTHERS}'")
    )
