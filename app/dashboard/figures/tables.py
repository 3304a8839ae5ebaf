"""A table told once: columns and lines for the page, records for its `.csv` and `.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.core.csv_text import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.dashboard.query import Query


@dataclass(frozen=True, slots=True)
class Column:
    """A head; `sorts` are the values of `sort` that it offers, `-` for the greatest first."""

    label: str
    numeric: bool = False
    sorts: tuple[str, ...] = ()
    hint: str = ""

    def next_sort(self, current: str) -> str:
        """What a click on the head asks for."""
        place = self.sorts.index(current) + 1 if current in self.sorts else 0
        return self.sorts[place % len(self.sorts)]

    def direction(self, current: str) -> str:
        """`aria-sort`, or an empty text."""
        if current not in self.sorts:
            return ""
        return "descending" if current.startswith("-") else "ascending"


@dataclass(frozen=True, slots=True)
class Line:
    """A row: one cell for each column; `href` is where it leads."""

    cells: Sequence[str]
    href: str = ""
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """What a page shows. `footer` is as a line; `empty` says what to do when there are no lines.

    `sort` is the order as a column names it; `next_cursor` leads on, `note` says what is shown.
    `of` is what the page's twins are asked for it by, where it is one of several.
    """

    caption: str
    columns: tuple[Column, ...]
    lines: Sequence[Line]
    query: Query
    sort: str = ""
    footer: Sequence[str] = ()
    next_cursor: str | None = None
    note: str = ""
    empty: str = "Nothing yet."
    empty_href: str = ""
    empty_link: str = ""
    hide_caption: bool = False
    twins: bool = True
    of: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """The same data for programs: exact texts, as the admin API gives them."""

    data: Sequence[Mapping[str, Any]]
    next_cursor: str | None = None
    totals: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As the admin API's lists are."""
        return {"data": list(self.data), "next_cursor": self.next_cursor, **self.totals}

    @property
    def names(self) -> list[str]:
        """Of the columns: each field that a record has."""
        return list(dict.fromkeys(name for record in self.data for name in record))

    def lines(self, names: Sequence[str]) -> str:
        """A line of CSV for each record."""
        return csv_text([record.get(name) for name in names] for record in self.data)

    def as_csv(self) -> str:
        """A head and the lines."""
        return csv_text([self.names]) + self.lines(self.names)


def options(values: Iterable[str], labels: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Choices of a filter: its values with their labels."""
    named = labels or {}
    return [{"value": value, "label": named.get(value, value)} for value in values]
