"""A statement compiled once, whose text then goes to the driver as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import ARRAY, ColumnElement, Connection, Text, any_, bindparam, func, select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement


class Prepared:
    """A statement's text and its parameters: `new_x` is given as `x`, which a SET would claim."""

    def __init__(
        self, statement: ClauseElement, dialect: Dialect, columns: Sequence[str] | None = None
    ) -> None:
        compiled = statement.compile(
            dialect=dialect, column_keys=None if columns is None else list(columns)
        )
        self.text = str(compiled)
        order = getattr(compiled, "positiontup", None) or ()
        self._order = tuple(str(name).removeprefix("new_") for name in order)
        self._values: Callable[[Mapping[str, Any]], Any] = (
            itemgetter(*self._order) if len(self._order) > 1 else self._one_value
        )

    def many(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run once for each of `rows`; how many rows that changed, where the driver counts them."""
        parameters = [self._values(row) for row in rows]
        return connection.exec_driver_sql(self.text, parameters).rowcount if parameters else 0

    def rows(self, connection: Connection, **parameters: object) -> Sequence[Any]:
        return connection.exec_driver_sql(self.text, self._values(parameters)).all()

    def _one_value(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._order)


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
