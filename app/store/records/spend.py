"""Spend by any combination of key, model, team, day, user and tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    cast,
    func,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import JSON

from app.core.errors import BadRequest
from app.core.money import usd_text
from app.store.database.engine import Database, FailClosed
from app.store.database.moments import after_us, day_text, is_day, parse_us
from app.store.database.prepared import among, texts
from app.store.database.tables import SUM_COLUMNS, TOKEN_COLUMNS, keys, requests, rollups, teams
from app.store.records.reconcile import reconcile

GROUPS: Final = ("key", "model", "team", "day", "user", "tag")


# Literal, without parameters: PostgreSQL must see that what is selected is what is grouped by.
_DAYS: Final = {
    "sqlite": "date(requests.created_us / 1000000, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(requests.created_us / 1000000) AT TIME ZONE 'UTC',"
    " 'YYYY-MM-DD')",
}


class Reports:
    """What was spent, and whether the sums agree with the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def spend(
        self,
        group_by: Sequence[str] = (),
        from_: str | None = None,
        to: str | None = None,
    ) -> dict[str, Any]:
        """`{"data": rows, "total_cost_usd": …}` of finished calls by the time of their hold.

        `from_` and `to` are days, both included, or moments, `to` excluded. A call with two tags
        is in two rows but once in the total. Raises BadRequest.
        """
        for name in group_by:
            if name not in GROUPS:
                raise BadRequest(
                    f"unknown group {name!r}; known: {', '.join(GROUPS)}", param="group_by"
                )
        groups = tuple(dict.fromkeys(group_by))
        sums = _Sums(groups, from_, to, self._database.dialect.name)

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
        self, groups: Sequence[str], from_: str | None, to: str | None, dialect: str
    ) -> None:
        self._groups = groups
        self._dialect = dialect
        self._from_us = None if from_ is None else parse_us(from_, param="from")
        self._before_us = None if to is None else after_us(to, param="to")
        whole_days = all(text is None or is_day(text) for text in (from_, to))
        self._rolled_up = whole_days and not {"user", "tag"} & set(groups)
        self._table: Table = rollups if self._rolled_up else requests

    def statement(self) -> Select[Any]:
        source: FromClause = self._table
        tag: ColumnElement[Any] = null()
        if "tag" in self._groups:
            source, tag = self._with_tags()
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
            .order_by(*(column.desc() if column.name == "day" else column for column in columns))
        )

    def total(self) -> Select[Any]:
        cost = func.coalesce(func.sum(self._table.c.cost_nano_usd), 0)
        return select(cost).where(*self._conditions())

    def _column(self, name: str, tag: ColumnElement[Any]) -> ColumnElement[Any]:
        table = self._table
        columns: Mapping[str, ColumnElement[Any]] = {
            "key": table.c.key_id,
            "model": table.c.model,
            "team": func.nullif(table.c.team_id, literal_column("''")),
            "day": table.c.day if self._rolled_up else literal_column(_DAYS[self._dialect]),
            "user": requests.c.end_user,
            "tag": tag,
        }
        return columns[name]

    def _conditions(self) -> list[ColumnElement[bool]]:
        moments: Column[Any] = self._table.c.day if self._rolled_up else self._table.c.created_us
        start, end = self._from_us, self._before_us
        found: list[ColumnElement[bool]] = []
        if start is not None:
            found.append(moments >= (day_text(start) if self._rolled_up else start))
        if end is not None:
            found.append(moments < (day_text(end) if self._rolled_up else end))
        if not self._rolled_up:
            found.append(requests.c.state != "reserved")
        return found

    def _with_tags(self) -> tuple[FromClause, ColumnElement[Any]]:
        """Each row once per tag, once with none when it has no tag."""
        if self._dialect == "sqlite":
            each = func.json_each(requests.c.tags).table_valued("value")
        else:
            tags = cast(requests.c.tags, JSON)
            each = func.json_array_elements_text(tags).table_valued("value")
        return requests.outerjoin(each, literal_column("1 = 1")), each.c.value


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
