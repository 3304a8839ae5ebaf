"""Spend by any combination of key, model, team, hour, day, month, user and tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    func,
    literal_column,
    null,
    select,
)

from app.core.errors import BadRequest
from app.core.money import usd_text
from app.store.database.engine import Database, FailClosed
from app.store.database.prepared import among, texts
from app.store.database.rollup_tables import DAY
from app.store.database.tables import SUM_COLUMNS, TOKEN_COLUMNS, keys, requests, rollups, teams
from app.store.records.fields import clean_text, unknown
from app.store.records.ranges import Range, range_of
from app.store.records.reconcile import reconcile
from app.store.records.tags import has_tag, one_row_per_tag
from app.store.records.teams import ids_of_team

GROUPS: Final = ("key", "model", "team", "hour", "day", "month", "user", "tag")
SPEND_FILTERS: Final = ("key_id", "team", "model", "user", "tag")
TIMES: Final = ("hour", "day", "month")
NOT_ROLLED_UP: Final = frozenset({"hour", "user", "tag"})

# How each database writes a time; each text begins with that of the longer time.
_FORMATS: Final = {
    "sqlite": {"hour": "%Y-%m-%dT%H:00:00Z", "day": "%Y-%m-%d", "month": "%Y-%m"},
    "postgresql": {
        "hour": 'YYYY-MM-DD"T"HH24:00:00"Z"',
        "day": "YYYY-MM-DD",
        "month": "YYYY-MM",
    },
}


def _time(name: str, dialect: str, moment: str) -> ColumnElement[Any]:
    """Literal, without parameters: PostgreSQL must see that what is selected is grouped by."""
    wanted = _FORMATS[dialect][name]
    if dialect == "sqlite":
        return literal_column(f"strftime('{wanted}', {moment} / 1000000, 'unixepoch')")
    utc = f"to_timestamp({moment} / 1000000) AT TIME ZONE 'UTC'"
    return literal_column(f"to_char({utc}, '{wanted}')")


class Reports:
    """What was spent, and whether the sums agree with the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def spend(
        self,
        group_by: Sequence[str] = (),
        from_: str | None = None,
        to: str | None = None,
        filters: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """`{"data": rows, "total_cost_usd": …}` of finished calls by the time of their hold.

        `from_` and `to` are days or moments, `to` excluded; `filters` are of SPEND_FILTERS, `team`
        a name or an id. A call with two tags is in two rows but once in the total. Raises
        BadRequest.
        """
        for name in group_by:
            if name not in GROUPS:
                raise BadRequest(unknown("group", name, GROUPS), param="group_by")
        groups = tuple(dict.fromkeys(group_by))
        wanted = {name: clean_text(text) for name, text in (filters or {}).items()}
        sums = _Sums(groups, range_of(from_, to), wanted, self._database.dialect.name)

        def read(connection: Connection) -> dict[str, Any]:
            rows = connection.execute(sums.statement()).all()
            total = connection.execute(sums.total()).scalar_one()
            names = _names(connection, groups, rows)
            return {
                "data": [_shown(row, groups, names) for row in rows if row.requests],
                "total_cost_usd": usd_text(int(total)),
            }

        return await self._database.run(read)

    async def reconcile(self) -> dict[str, Any]:
        """`{"consistent": …, "requests": n, "differences": […]}` over the whole ledger."""
        return await self._database.run(reconcile)


class _Sums:
    """The query: over roll-ups where whole days are asked for, else over the rows themselves."""

    def __init__(
        self, groups: Sequence[str], within: Range, filters: Mapping[str, str], dialect: str
    ) -> None:
        self._groups = groups
        self._within = within
        self._filters = filters
        self._dialect = dialect
        self._rolled_up = within.whole_days and NOT_ROLLED_UP.isdisjoint({*groups, *filters})
        self._table: Table = rollups if self._rolled_up else requests

    def statement(self) -> Select[Any]:
        source: FromClause = self._table
        tag: ColumnElement[Any] = null()
        if "tag" in self._groups:
            source, tag = one_row_per_tag(self._dialect)
        columns = [self._column(name, tag).label(name) for name in self._groups]
        count = func.sum(rollups.c.requests) if self._rolled_up else func.count()
        sums = (func.coalesce(func.sum(self._table.c[name]), 0) for name in SUM_COLUMNS)
        return (
            select(
                *columns,
                func.coalesce(count, 0).label("requests"),
                *(total.label(name) for total, name in zip(sums, SUM_COLUMNS, strict=True)),
            )
            .select_from(source)
            .where(*self._conditions())
            .group_by(*columns)
            .order_by(*(column.desc() if column.name in TIMES else column for column in columns))
        )

    def total(self) -> Select[Any]:
        cost = func.coalesce(func.sum(self._table.c.cost_nano_usd), 0)
        return select(cost).where(*self._conditions())

    def _column(self, name: str, tag: ColumnElement[Any]) -> ColumnElement[Any]:
        table = self._table
        if name in TIMES:
            moment = "rollups.from_us" if self._rolled_up else "requests.created_us"
            return _time(name, self._dialect, moment)
        columns: Mapping[str, ColumnElement[Any]] = {
            "key": table.c.key_id,
            "model": table.c.model,
            "team": func.nullif(table.c.team_id, literal_column("''")),
            "user": requests.c.end_user,
            "tag": tag,
        }
        return columns[name]

    def _conditions(self) -> list[ColumnElement[bool]]:
        table = self._table
        found = [self._filter(name, text) for name, text in self._filters.items()]
        if self._rolled_up:
            return [*found, table.c.grain == DAY, *self._within.within(table.c.from_us)]
        return [*found, *self._within.within(table.c.created_us), table.c.state != "reserved"]

    def _filter(self, name: str, text: str) -> ColumnElement[bool]:
        if name == "team":
            return self._table.c.team_id.in_(ids_of_team(text))
        if name == "tag":
            return has_tag(text, self._dialect)
        column = "end_user" if name == "user" else name
        matches: ColumnElement[bool] = self._table.c[column] == text
        return matches


def _names(
    connection: Connection, groups: Sequence[str], rows: Sequence[Row[Any]]
) -> Mapping[str, Mapping[str, str]]:
    """Names of keys and teams by id, where they are grouped by."""
    tables = {"key": keys, "team": teams}
    found = {}
    for group in tables.keys() & set(groups):
        table = tables[group]
        ids = {i for row in rows if (i := row._mapping[group]) is not None}  # noqa: SLF001
        named = select(table.c.id, table.c.name).where(among(table.c.id, "ids", connection.dialect))
        wanted = {"ids": texts(ids, connection.dialect)}
        found[group] = {row.id: row.name for row in connection.execute(named, wanted)}
    return found


def _shown(
    row: Row[Any], groups: Sequence[str], names: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    fields = row._mapping  # noqa: SLF001  # SQLAlchemy's documented name
    shown: dict[str, Any] = {name: fields[name] for name in groups}
    for group, known in names.items():
        shown[f"{group}_name"] = known.get(fields[group])
    shown["requests"] = int(row.requests)
    for name in ("cost", "cache_savings", "routing_savings"):
        shown[f"{name}_usd"] = usd_text(int(fields[f"{name}_nano_usd"]))
    return shown | {name: int(fields[name]) for name in TOKEN_COLUMNS}
