"""The tags of the ledger's rows, which are a JSON list in a column of text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSON

from app.store.database.tables import requests


def has_tag(tag: str, dialect: str) -> ColumnElement[bool]:
    """Whether a row has the tag."""
    each = tag_of_each(dialect)
    return select(literal_column("1")).select_from(each).where(each.c.value == tag).exists()


def one_row_per_tag(dialect: str) -> tuple[FromClause, ColumnElement[Any]]:
    """Each row once per tag, once with none when it has no tag; and the column of the tag."""
    each = tag_of_each(dialect)
    return requests.outerjoin(each, literal_column("1 = 1")), each.c.value


def tag_of_each(dialect: str) -> Any:  # noqa: ANN401 - SQLAlchemy has no public name for it
    """A row's tags, one a row, in a column `value`."""
    if dialect == "sqlite":
        return func.json_each(requests.c.tags).table_valued("value")
    return func.json_array_elements_text(cast(requests.c.tags, JSON)).table_valued("value")
