"""Which calls a list is narrowed to, and the quickest way to the first of them in an order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from sqlalchemy import Column, ColumnElement, Connection, Row, select
from sqlalchemy import literal_column as literal

from app.core.ended import CostSource
from app.core.errors import BadRequest
from app.core.money import nano_usd
from app.store.database.prepared import among, texts
from app.store.database.tables import requests, tagged
from app.store.records.fields import clean_text, unknown
from app.store.records.ranges import range_of
from app.store.records.request_views import VIEWED
from app.store.records.tags import has_tag
from app.store.records.teams import ids_of_team

STATES = ("reserved", "settled", "released", "orphaned")
FILTERS: Final = (
    *("key_id", "team", "model", "status", "state", "cost_source", "tag", "user"),
    *("conversation", "min_cost_usd", "from", "to"),
)
SORTS: Final = ("created", "cost")
COST_SOURCES: Final = get_args(CostSource)
FEW: Final = 6_000  # so many are read and put in order; more are found in order sooner or later
EQUAL: Final = {
    "key_id": "key_id",
    "model": "model",
    "user": "end_user",
    "conversation": "conversation",
}

# What the partial indexes are for, in their own words: a parameter would hide it.
_FAILED: Final[ColumnElement[bool]] = literal("requests.status <> 200")
_UNSETTLED: Final[ColumnElement[bool]] = literal("requests.state IN ('released', 'orphaned')")
_OPEN: Final[ColumnElement[bool]] = literal("requests.state = 'reserved'")
_UNSURE: Final[ColumnElement[bool]] = literal("requests.cost_source <> 'computed'")
_DEAR: Final[ColumnElement[bool]] = literal("requests.cost_nano_usd > 0")


Columns = Callable[[str], ColumnElement[Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Checked filters, as the rules that rows must fit."""

    filters: Mapping[str, str]
    dialect: str
    most_few: int = FEW

    @classmethod
    def of(cls, filters: Mapping[str, str], dialect: str) -> Wanted:
        """Raises BadRequest."""
        for name in filters:
            if name not in FILTERS:
                raise BadRequest(unknown("filter", name, FILTERS), param=name)
        wanted = cls({name: clean_text(text) for name, text in filters.items()}, dialect)
        wanted._rules(indexed=True)  # raises for what is no status, state, amount or time
        return wanted

    def rows(
        self,
        connection: Connection,
        order: Column[int],
        after: Sequence[ColumnElement[bool]],
        limit: int,
    ) -> Sequence[Row[Any]]:
        """The first ones, greatest `order` first.

        One filter may have an index that is in order too. Else few rows are found by their filters
        and put in order; among many, the first come soon when all are gone through in order. No
        statistics tell which it is, so it is tried.
        """
        statement = (
            select(*VIEWED).where(*after).order_by(order.desc(), requests.c.id.desc()).limit(limit)
        )
        by_cost = order.name == requests.c.cost_nano_usd.name
        narrowing = self.filters if by_cost else self.filters.keys() - {"from", "to"}
        if not by_cost and self._is_in_order(narrowing):
            return connection.execute(statement.where(*self._rules(indexed=True))).all()
        if narrowing:
            few = self._few(connection)
            if few is not None:
                ids = {"ids": texts(few, connection.dialect)}
                fitting = statement.where(among(requests.c.id, "ids", connection.dialect))
                return connection.execute(fitting, ids).all()
        is_plain = not narrowing and not by_cost
        rules = self._rules(indexed=is_plain or (by_cost and self._is_unusual))
        if by_cost and not self._is_unusual:
            found = connection.execute(statement.where(*rules, _DEAR)).all()
            if len(found) == limit:
                return found
        return connection.execute(statement.where(*rules)).all()

    def _is_in_order(self, narrowing: Collection[str]) -> bool:
        """Whether one index has just these calls, the newest first."""
        name = next(iter(narrowing), "")
        alone = len(narrowing) == 1 and name not in ("team", "tag", "min_cost_usd")
        return alone and (name in EQUAL or self._is_unusual)

    @property
    def _is_unusual(self) -> bool:
        """Only calls that have an index of their own, and that may all have cost nothing."""
        wanted = self.filters
        return (
            wanted.get("status", "200") not in ("200", "settled", "reserved")
            or wanted.get("state", "settled") not in ("settled", "reserved")
            or wanted.get("cost_source", "computed") != "computed"
        )

    def _few(self, connection: Connection) -> Sequence[str] | None:
        """The ids of all that fit; None for more than `most_few`."""
        rules = self._rules(indexed=True)
        if "tag" in self.filters:
            theirs = select(tagged.c.request_id).where(tagged.c.tag == self.filters["tag"])
            ids = connection.scalars(theirs.limit(self.most_few + 1)).all()
            if len(ids) > self.most_few:
                return None
            rules.append(requests.c.id.in_(theirs))
        found = connection.scalars(
            select(requests.c.id).where(*rules).limit(self.most_few + 1)
        ).all()
        return None if len(found) > self.most_few else found

    def _rules(self, *, indexed: bool) -> list[ColumnElement[bool]]:
        """Without `indexed` no index of a filter is used, but the one of the order."""
        wanted = self.filters

        def column(name: str) -> ColumnElement[Any]:
            hides = not indexed and self.dialect == "sqlite"
            found: ColumnElement[Any] = requests.c[name]
            return literal(f"+requests.{name}", found.type) if hides else found

        found = range_of(wanted.get("from"), wanted.get("to")).within(column("created_us"))
        found += [column(EQUAL[name]) == wanted[name] for name in EQUAL if name in wanted]
        if "team" in wanted:
            found.append(column("team_id").in_(ids_of_team(wanted["team"])))
        if "tag" in wanted and (not indexed or self._is_unusual):
            found.append(has_tag(wanted["tag"], self.dialect))
        if "status" in wanted:
            found += _status(wanted["status"], column, indexed=indexed)
        if "state" in wanted:
            found += _state(wanted["state"], column, "state", indexed=indexed)
        if "cost_source" in wanted:
            found += _cost_source(wanted["cost_source"], column, indexed=indexed)
        if "min_cost_usd" in wanted:
            least = _least(wanted["min_cost_usd"])
            found.append(requests.c.cost_nano_usd >= least)
            found += [_DEAR] if indexed and least > 0 else []
        return found


def _least(usd: str) -> int:
    try:
        return nano_usd(usd)
    except ValueError as error:
        raise BadRequest(f"min_cost_usd: {error}", param="min_cost_usd") from error


def _state(wanted: str, column: Columns, param: str, *, indexed: bool) -> list[ColumnElement[bool]]:
    if wanted not in STATES:
        raise BadRequest(f"state must be one of {', '.join(STATES)}", param=param)
    found = [column("state") == wanted]
    if not indexed or wanted == "settled":
        return found
    return [*found, _OPEN if wanted == "reserved" else _UNSETTLED]


def _cost_source(wanted: str, column: Columns, *, indexed: bool) -> list[ColumnElement[bool]]:
    if wanted not in COST_SOURCES:
        allowed = ", ".join(COST_SOURCES)
        raise BadRequest(f"cost_source must be one of {allowed}", param="cost_source")
    found = [column("cost_source") == wanted]
    return [*found, _UNSURE] if indexed and wanted != "computed" else found


def _status(wanted: str, column: Columns, *, indexed: bool) -> list[ColumnElement[bool]]:
    if wanted in STATES:
        return _state(wanted, column, "status", indexed=indexed)
    if not (wanted.isascii() and wanted.isdecimal() and len(wanted) == len("200")):
        allowed = ", ".join(STATES)
        raise BadRequest(f"status must be an HTTP status or one of {allowed}", param="status")
    found = [column("status") == int(wanted)]
    return [*found, _FAILED] if indexed and wanted != "200" else found
