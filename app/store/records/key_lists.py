"""Keys as an operator looks for them: by name, by what is left, by what they are used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Row,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from app.core.budgets import WINDOWS, Window
from app.core.errors import BadRequest
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.kinds import MOST_STORED
from app.store.database.moments import US_PER_DAY, microseconds, moment, period
from app.store.database.rollup_tables import DAY, rollups
from app.store.database.tables import keys, teams, windows
from app.store.records.fields import clean_text
from app.store.records.key_views import LAST_USED, key_objects
from app.store.records.pages import DEFAULT_LIMIT, Listed, checked_limit
from app.store.records.teams import ids_of_team

SORTS: Final = ("created", "name", "spent", "used", "last_used", "expires")
STATES: Final = ("active", "expired", "revoked", "all")
ONLY: Final = ("near", "unused", "expiring", "unlimited")
NEAR_PERCENT: Final = 80
UNUSED_US: Final = 30 * US_PER_DAY
EXPIRING_US: Final = 14 * US_PER_DAY
# What sorts keys by the share that is used: those without a limit last, of 0 all is used.
WITHOUT_LIMIT: Final = -1.0
OF_NOTHING: Final = 1e18
_WINDOW: Final = windows.alias("current_window")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """A key with its team's name and how its budget stands in its current window."""

    id: str
    name: str
    prefix: str
    team_id: str | None
    team_name: str | None
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    last_used_us: int | None
    models: tuple[str, ...] | None
    budget_window: Window
    limit_nano_usd: int | None
    spent_nano_usd: int
    held_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySearch:
    """`text` in a name, or what a prefix or an id begins with; `only` of ONLY, `state` of STATES.

    `sort` is of SORTS, with `-` before it for the greatest first.
    """

    text: str = ""
    state: str = "active"
    only: str = ""
    team: str = ""
    sort: str = "-created"


class KeyLists:
    """Lists of keys, sorted by the database: there may be many thousands."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def listed(
        self, search: KeySearch, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Listed[KeyLine]:
        """Raises BadRequest."""
        wanted = _Wanted(search, cursor, checked_limit(limit))
        return await self._database.run(lambda connection: _lines(connection, wanted))

    async def objects(
        self, search: KeySearch, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Listed[dict[str, Any]]:
        """The same keys as the admin API's JSON objects."""
        wanted = _Wanted(search, cursor, checked_limit(limit))

        def read(connection: Connection) -> Listed[dict[str, Any]]:
            rows, next_cursor = wanted.rows(connection)
            found = key_objects(connection, rows)
            return Listed([found[row.id] for row in rows], next_cursor)

        return await self._database.run(read)

    async def by_day(self, ids: Sequence[str], since: date) -> Mapping[str, Mapping[date, int]]:
        """What each key spent on each day, UTC, since one: nano-USD."""
        row = rollups.c
        since_us = microseconds(datetime.combine(since, time(), UTC))
        wanted = (
            select(row.key_id, row.from_us, func.sum(row.cost_nano_usd))
            .where(row.key_id.in_(ids), row.grain == DAY, row.from_us >= since_us)
            .group_by(row.key_id, row.from_us)
        )
        rows = await self._database.run(lambda connection: connection.execute(wanted).all())
        found: dict[str, dict[date, int]] = {key_id: {} for key_id in ids}
        for key_id, from_us, spent in rows:
            found[key_id][moment(from_us).date()] = int(spent)
        return found


class _Wanted:
    """A search as a statement, and its cursor: what it is sorted by, and the last id."""

    def __init__(self, search: KeySearch, cursor: str | None, limit: int) -> None:
        self._search = search
        self._cursor = cursor
        self._limit = limit
        self._name = search.sort.removeprefix("-")
        if self._name not in SORTS:
            raise BadRequest(f"sort must be one of {', '.join(SORTS)}", param="sort")
        for given, known, param in (
            (search.state, STATES, "state"),
            (search.only or ONLY[0], ONLY, "only"),
        ):
            if given not in known:
                raise BadRequest(f"{param} must be one of {', '.join(known)}", param=param)

    def rows(self, connection: Connection) -> tuple[Sequence[Row[Any]], str | None]:
        found = connection.execute(self._statement(clock_us(connection))).all()
        rows = found[: self._limit]
        more = len(found) > self._limit
        return rows, orjson.dumps([rows[-1].sorted_by, rows[-1].id]).decode() if more else None

    def _statement(self, now_us: int) -> Select[Any]:
        order = self._order()
        backwards = self._search.sort.startswith("-")
        place = tuple_(order, keys.c.id)
        ends = (order.desc(), keys.c.id.desc()) if backwards else (order.asc(), keys.c.id.asc())
        found = (
            select(
                keys,
                LAST_USED,
                teams.c.name.label("team_name"),
                func.coalesce(_WINDOW.c.spent_nano_usd, 0).label("spent_nano_usd"),
                func.coalesce(_WINDOW.c.held_nano_usd, 0).label("held_nano_usd"),
                order.label("sorted_by"),
            )
            .select_from(keys)
            .outerjoin(teams, teams.c.id == keys.c.team_id)
            .outerjoin(_WINDOW, _WINDOW.c.id == _window_id(now_us))
            .where(*self._conditions(now_us))
            .order_by(*ends)
            .limit(self._limit + 1)
        )
        if self._cursor is None:
            return found
        last = tuple_(*_last(self._cursor, self._name))
        return found.where(place < last if backwards else place > last)

    def _order(self) -> ColumnElement[Any]:
        taken = _taken()
        limit = keys.c.max_budget_nano_usd
        orders: dict[str, ColumnElement[Any]] = {
            "created": keys.c.created_us,
            "name": func.lower(keys.c.name),
            "spent": func.coalesce(_WINDOW.c.spent_nano_usd, 0),
            "used": case(
                (limit.is_(None), WITHOUT_LIMIT),
                (limit == 0, OF_NOTHING),
                else_=cast(taken, Double) / cast(limit, Double),
            ),
            "last_used": func.coalesce(LAST_USED.element, 0),
            "expires": func.coalesce(keys.c.expires_us, MOST_STORED),
        }
        return orders[self._name]

    def _conditions(self, now_us: int) -> list[ColumnElement[bool]]:
        search = self._search
        expired = and_(keys.c.expires_us.is_not(None), keys.c.expires_us <= now_us)
        revoked = keys.c.revoked_us.is_not(None)
        states: dict[str, list[ColumnElement[bool]]] = {
            "active": [~revoked, ~expired],
            "expired": [~revoked, expired],
            "revoked": [revoked],
            "all": [],
        }
        found = list(states[search.state])
        if search.text:
            text = clean_text(search.text)
            found.append(
                or_(
                    keys.c.name.icontains(text, autoescape=True),
                    keys.c.prefix.startswith(text, autoescape=True),
                    keys.c.id.startswith(text, autoescape=True),
                )
            )
        if search.team:
            found.append(keys.c.team_id.in_(ids_of_team(clean_text(search.team))))
        limit = keys.c.max_budget_nano_usd
        only: dict[str, ColumnElement[bool]] = {
            "near": and_(limit.is_not(None), _taken() >= limit // 100 * NEAR_PERCENT),
            "unused": and_(
                func.coalesce(LAST_USED.element, 0) < now_us - UNUSED_US,
                keys.c.created_us < now_us - UNUSED_US,
            ),
            "expiring": and_(
                keys.c.expires_us.is_not(None), keys.c.expires_us <= now_us + EXPIRING_US
            ),
            "unlimited": limit.is_(None),
        }
        return [*found, only[search.only]] if search.only else found


def _lines(connection: Connection, wanted: _Wanted) -> Listed[KeyLine]:
    rows, next_cursor = wanted.rows(connection)
    return Listed([_line(row) for row in rows], next_cursor)


def _line(row: Row[Any]) -> KeyLine:
    return KeyLine(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        team_id=row.team_id,
        team_name=row.team_name,
        created_us=row.created_us,
        expires_us=row.expires_us,
        revoked_us=row.revoked_us,
        last_used_us=row.last_used_us,
        models=None if row.models is None else tuple(orjson.loads(row.models)),
        budget_window=row.budget_window,
        limit_nano_usd=row.max_budget_nano_usd,
        spent_nano_usd=int(row.spent_nano_usd),
        held_nano_usd=int(row.held_nano_usd),
    )


def _taken() -> ColumnElement[Any]:
    return func.coalesce(_WINDOW.c.spent_nano_usd + _WINDOW.c.held_nano_usd, 0)


def _window_id(now_us: int) -> ColumnElement[str]:
    """The id of a key's current window: its kind decides on the day that it began."""
    now = moment(now_us)
    began = case(
        *((keys.c.budget_window == window, literal(period(window, now))) for window in WINDOWS),
        else_=literal(""),
    )
    return literal("key:") + keys.c.id + literal("@") + began


def _last(cursor: str, name: str) -> tuple[Any, str]:
    try:
        value, key_id = orjson.loads(cursor)
    except (orjson.JSONDecodeError, ValueError, TypeError) as error:
        raise BadRequest("cursor is not one that this list gave", param="cursor") from error
    wanted = {"name": str, "used": float}.get(name, int)
    fits = type(value) is wanted and isinstance(key_id, str)
    if not fits or (wanted is int and abs(value) > MOST_STORED):
        raise BadRequest("cursor is not one that this list gave", param="cursor")
    return clean_text(value) if wanted is str else value, clean_text(key_id)
