"""A statement compiled once, whose text then goes to the driver as it is: odd, for speed's sake.

What it gains: `python bench/statements.py` says that one run of a statement on SQLite takes 13
instead of 33 microseconds when it reads, 7 instead of 41 when it writes. Every hold and settle
takes a handful.

What it would be without: `connection.execute(statement, parameters)` in place of each method, and
`column.in_(values)` in place of `among`. Nothing else in the house would change.

What it relies on: the order in which SQLAlchemy's compiler numbers parameters (`positiontup`), and
what it makes of a driver's error (`DBAPIError.instance`). So its minor version is pinned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import orjson
from sqlalchemy import ARRAY, ColumnElement, Connection, Text, any_, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Values: TypeAlias = Sequence[Any]
"""One row's values, in a fixed order."""


@cache
def dialect_named(name: str) -> Dialect:
    """For statements that are compiled once for every database of that kind."""
    if name == "sqlite":
        return sqlite.dialect()
    return PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Prepared:
    """A statement's text and its parameters: `new_x` is given as `x`, which a SET would claim.

    On SQLite the driver is spoken to directly: SQLAlchemy's own run of a statement costs more than
    most of these do.  `given` is the order of the values in the rows that `many` takes: a statement
    with another order raises ValueError.
    """

    def __init__(
        self,
        statement: ClauseElement,
        dialect: Dialect,
        columns: Sequence[str] | None = None,
        given: Sequence[str] | None = None,
    ) -> None:
        compiled = statement.compile(
            dialect=dialect, column_keys=None if columns is None else list(columns)
        )
        self.text = str(compiled)
        self._directly = dialect.name == "sqlite"
        order = getattr(compiled, "positiontup", None) or ()
        self._order = tuple(str(name).removeprefix("new_") for name in order)
        given = columns if given is None else given
        if given is not None and self._order != tuple(given):
            raise ValueError(f"the statement takes {self._order}, its rows are {tuple(given)}")

    def many(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run once for each of `rows`; how many rows that changed, where the driver counts them."""
        if not rows:
            return 0
        if not self._directly:
            return connection.exec_driver_sql(self.text, list(rows)).rowcount
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(self.text, rows)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return cursor.rowcount

    def rows(self, connection: Connection, **parameters: object) -> Sequence[Any]:
        """The rows found, with their columns as attributes."""
        return connection.exec_driver_sql(self.text, self._values(parameters)).all()

    def tuples(self, connection: Connection, **parameters: object) -> Sequence[Values]:
        """The rows found, as plain tuples."""
        if not self._directly:
            return connection.exec_driver_sql(self.text, self._values(parameters)).all()
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self.text, self._values(parameters))
            return cursor.fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _values(self, parameters: Mapping[str, Any]) -> Values:
        return tuple([parameters[name] for name in self._order])

    def _translated(self, error: sqlite3.Error) -> BaseException:
        """What SQLAlchemy raises in its place; without the parameters, which may be anything."""
        return DBAPIError.instance(self.text, None, error, sqlite3.Error)


def among(column: ColumnElement[Any], parameter: str, dialect: Dialect) -> ColumnElement[bool]:
    """`column` is one of a list of texts, given as one parameter made by `texts`."""
    if dialect.name == "sqlite":
        listed = func.json_each(bindparam(parameter, type_=Text)).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(bindparam(parameter, type_=ARRAY(Text)))


def texts(values: Iterable[str], dialect: Dialect) -> object:
    """The parameter that `among` takes."""
    listed = list(values)
    return orjson.dumps(listed).decode() if dialect.name == "sqlite" else listed
