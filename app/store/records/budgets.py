"""Every budget as it stands: over all keys, of teams, keys, models of keys, conversations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Select, func, select

from app.core.budgets import ScopeKind, Window
from app.core.money import nano_usd, usd_text
from app.core.pace import PACE_DAYS, Pace, used_up_at, whole_days
from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.moments import US_PER_DAY, iso, microseconds, moment, period
from app.store.database.rollup_tables import DAY
from app.store.database.tables import keys, rollups, teams, windows
from app.store.ledger.windows import GlobalBudget, Sums, budget_fields, key_model_id, window_id
from app.store.records.conversations import standing

MOST_OF_A_KIND: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Nano-USD in the current window.

    `name` is the key's or team's; `part` the model or the conversation within it. `pace` is that of
    the last whole days, UTC; None while they are few, or not summed for such a scope.
    """

    kind: ScopeKind
    scope_id: str
    name: str
    part: str
    window: Window
    limit_nano_usd: int
    spent_nano_usd: int
    held_nano_usd: int
    pace: Pace | None

    @property
    def left_nano_usd(self) -> int:
        """Below nothing where more was charged than the limit, which was lowered since."""
        return self.limit_nano_usd - self.spent_nano_usd - self.held_nano_usd


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit with the scope of the windows that count towards it, since it can be used."""

    created_us: int | None
    kind: ScopeKind
    scope_id: str
    name: str
    part: str
    window: Window
    limit_nano_usd: int


class Budgets:
    """What is limited, and what is left of it."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def standing(self, over_all: GlobalBudget) -> Sequence[Budget]:
        """Those nearest to their limit first; at most MOST_OF_A_KIND of each kind."""
        return await self._database.run(lambda connection: _standing(connection, over_all))


def budget_json(budget: Budget, now_us: int) -> dict[str, Any]:
    """Amounts as exact texts; `used_up_at` is null where it lasts till it starts again."""
    now, pace = moment(now_us), budget.pace
    ends = used_up_at(budget.left_nano_usd, pace, budget.window, now)
    sums = Sums(budget.spent_nano_usd, budget.held_nano_usd)
    fields = budget_fields(budget.limit_nano_usd, budget.window, sums, now_us)
    del fields["max_budget_usd"], fields["lifetime_spent_usd"]
    return {
        "scope": budget.kind,
        "id": budget.scope_id,
        "name": budget.name,
        "part": budget.part,
        "limit_usd": usd_text(budget.limit_nano_usd),
        **fields,
        "per_day_usd": None if pace is None else usd_text(pace.a_day_nano_usd),
        "used_up_at": None if ends is None else iso(microseconds(ends)),
    }


def _standing(connection: Connection, over_all: GlobalBudget) -> list[Budget]:
    now_us = clock_us(connection)
    teams_and_keys = [*_of_teams(connection), *_of_keys(connection)]
    limits = [*_over_all(connection, over_all), *teams_and_keys]
    now = moment(now_us)
    rows = {
        window_id(limit.kind, limit.scope_id, period(limit.window, now)): limit for limit in limits
    }
    sums = _sums(connection, list(rows))
    recent = _recent(connection, now_us)
    found = [
        Budget(
            kind=limit.kind,
            scope_id=limit.scope_id,
            name=limit.name,
            part=limit.part,
            window=limit.window,
            limit_nano_usd=limit.limit_nano_usd,
            spent_nano_usd=sums.get(row_id, (0, 0))[0],
            held_nano_usd=sums.get(row_id, (0, 0))[1],
            pace=_pace(limit, recent.get((limit.kind, limit.scope_id), 0), now),
        )
        for row_id, limit in rows.items()
    ]
    found += _of_conversations(connection)
    return sorted(found, key=_used, reverse=True)


def _used(budget: Budget) -> tuple[float, int]:
    """The share that is spent or held, for the order alone."""
    taken = budget.spent_nano_usd + budget.held_nano_usd
    return (taken / budget.limit_nano_usd if budget.limit_nano_usd else float(taken), taken)


def _pace(limit: _Limit, recent_nano_usd: int, now: datetime) -> Pace | None:
    days = None if limit.created_us is None else whole_days(moment(limit.created_us), now)
    return None if days is None else Pace(recent_nano_usd, days)


def _over_all(connection: Connection, budget: GlobalBudget) -> Iterator[_Limit]:
    if budget.limit_nano_usd is not None:
        first = connection.execute(select(func.min(keys.c.created_us))).scalar_one()
        yield _Limit(first, "global", "", "all keys", "", budget.window, budget.limit_nano_usd)


def _of_teams(connection: Connection) -> Iterator[_Limit]:
    limited = teams.c.max_budget_nano_usd.is_not(None)
    wanted = select(teams).where(limited).order_by(teams.c.created_us.desc()).limit(MOST_OF_A_KIND)
    for row in connection.execute(wanted):
        amount, window = row.max_budget_nano_usd, row.budget_window
        yield _Limit(row.created_us, "team", row.id, row.name, "", window, amount)


def _of_keys(connection: Connection) -> Iterator[_Limit]:
    alive = keys.c.revoked_us.is_(None)
    newest = select(keys).where(alive).order_by(keys.c.created_us.desc()).limit(MOST_OF_A_KIND)
    for row in connection.execute(newest.where(keys.c.max_budget_nano_usd.is_not(None))):
        amount, window = row.max_budget_nano_usd, row.budget_window
        yield _Limit(row.created_us, "key", row.id, row.name, "", window, amount)
    for row in connection.execute(newest.where(keys.c.model_budgets.is_not(None))):
        for model, amount in orjson.loads(row.model_budgets).items():
            scope, window = key_model_id(row.id, model), row.budget_window
            yield _Limit(row.created_us, "key_model", scope, row.name, model, window, amount)


def _of_conversations(connection: Connection) -> Iterator[Budget]:
    for found in standing(connection, MOST_OF_A_KIND):
        yield Budget(
            kind="conversation",
            scope_id=found["key_id"],
            name=found["key_name"],
            part=found["conversation"],
            window=found["budget_window"],
            limit_nano_usd=nano_usd(found["limit_usd"]),
            spent_nano_usd=nano_usd(found["spent_usd"]),
            held_nano_usd=nano_usd(found["reserved_usd"]),
            pace=None,
        )


def _sums(connection: Connection, ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for first in range(0, len(ids), MOST_OF_A_KIND):
        some = windows.c.id.in_(ids[first : first + MOST_OF_A_KIND])
        wanted = select(windows.c.id, windows.c.spent_nano_usd, windows.c.held_nano_usd)
        for row in connection.execute(wanted.where(some)):
            found[row.id] = (int(row.spent_nano_usd), int(row.held_nano_usd))
    return found


def _recent(connection: Connection, now_us: int) -> Mapping[tuple[str, str], int]:
    """What the last whole days came to, by kind and scope."""
    today_us = now_us - now_us % US_PER_DAY
    since_us = today_us - PACE_DAYS * US_PER_DAY
    found: dict[tuple[str, str], int] = {("global", ""): 0}
    for row in connection.execute(_recent_sums(since_us, today_us)):
        cost = int(row.cost)
        for scope in (
            ("global", ""),
            ("key", row.key_id),
            ("team", row.team_id),
            ("key_model", key_model_id(row.key_id, row.model)),
        ):
            found[scope] = found.get(scope, 0) + cost
    return found


def _recent_sums(since_us: int, until_us: int) -> Select[Any]:
    row = rollups.c
    return (
        select(row.key_id, row.team_id, row.model, func.sum(row.cost_nano_usd).label("cost"))
        .where(row.grain == DAY, row.from_us >= since_us, row.from_us < until_us)
        .group_by(row.key_id, row.team_id, row.model)
    )
