"""The ledger's hot SQL, compiled once."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import and_, literal_column, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from app.core.budgets import Window
from app.store.database.prepared import Prepared, among, dialect_named
from app.store.database.tables import (
    key_secrets,
    keys,
    requests,
    teams,
    windows,
)
from app.store.ledger.writes import CLOSED_COLUMNS, writes_for

FOUND_COLUMNS = (
    *("id", "key_id", "team_id", "created_us", "reserved_nano_usd", *CLOSED_COLUMNS),
    *("key_period", "key_model_period", "team_period", "global_period", "windows_moved"),
    *("conversation", "conversation_period"),
    *("end_user", "tags"),
    *("process_id", "stake_input_nano_usd", "stake_output_pico_usd", "stake_max_tokens"),
)
_PG_CLOCK = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


class Limits(NamedTuple):
    """What admission needs of a key and its team, and the database's clock (0 on SQLite)."""

    id: str
    team_id: str | None
    budget_window: Window
    max_budget_nano_usd: int | None
    model_budgets: str | None
    conversation_budget_nano_usd: int | None
    expires_us: int | None
    revoked_us: int | None
    team_window: Window | None
    team_max_budget_nano_usd: int | None
    sha256: str | None
    valid_until_us: int | None
    now_us: int


class Statements:
    """The statements for one dialect; what locks rows locks them in the order of their ids."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        make_insert: Any = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
        self.limits = Prepared(_limits(dialect), dialect)
        self.lock_windows = Prepared(
            select(windows.c.id, windows.c.spent_nano_usd, windows.c.held_nano_usd)
            .where(among(windows.c.id, "ids", dialect))
            .order_by(windows.c.id)
            .with_for_update(),
            dialect,
        )
        self.make_windows = Prepared(
            make_insert(windows).on_conflict_do_nothing(),
            dialect,
            ("id", "scope_kind", "scope_id", "period"),
        )
        self.writes = writes_for(dialect)
        found = (
            select(*(requests.c[name] for name in FOUND_COLUMNS))
            .where(among(requests.c.id, "ids", dialect))
            .order_by(requests.c.id)
        )
        self.find = Prepared(found, dialect)
        self.lock_requests = Prepared(found.with_for_update(), dialect)
        self.duplicates = Prepared(_duplicates(dialect), dialect)


def statements_for(dialect: Dialect) -> Statements:
    """The same for every database of a kind: compiling them takes a tenth of a second."""
    return _of_kind(dialect.name)


@cache
def _of_kind(name: str) -> Statements:
    return Statements(dialect_named(name))


def _limits(dialect: Dialect) -> Any:  # noqa: ANN401  # each statement has its own long type
    """`Limits`: a row for each of `secrets` that is the key's own, or one row without any."""
    shown = and_(key_secrets.c.key_id == keys.c.id, among(key_secrets.c.sha256, "secrets", dialect))
    columns = {
        **{column.name: column for column in keys.c},
        "team_window": teams.c.budget_window,
        "team_max_budget_nano_usd": teams.c.max_budget_nano_usd,
        "sha256": key_secrets.c.sha256,
        "valid_until_us": key_secrets.c.valid_until_us,
        "now_us": literal_column("0" if dialect.name == "sqlite" else _PG_CLOCK),
    }
    return (
        select(*(columns[name].label(name) for name in Limits._fields))
        .outerjoin_from(keys, teams, teams.c.id == keys.c.team_id)
        .outerjoin(key_secrets, shown)
        .where(among(keys.c.id, "ids", dialect))
    )


def _duplicates(dialect: Dialect) -> Any:  # noqa: ANN401
    """Idempotency keys that are running or were billed; worded as its partial index is."""
    return select(requests.c.key_id, requests.c.idempotency_key).where(
        among(requests.c.key_id, "key_ids", dialect),
        among(requests.c.idempotency_key, "values", dialect),
        text("idempotency_key IS NOT NULL AND state <> 'released'"),
    )
