"""A key's row as the pipeline's value and as the admin API's JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, func, select

from app.core.keys import Key
from app.core.money import usd_text
from app.store.database.engine import clock_us
from app.store.database.moments import iso, moment
from app.store.database.tables import keys, requests
from app.store.ledger.windows import Sums, budget_fields, current_periods, key_model_id, read_sums
from app.store.records.columns import model_budgets, shown_fields


def key_from_row(row: Row[Any]) -> Key:
    """`row` also tells the team's budget and the secret's digest."""
    return Key(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        created_at=moment(row.created_us),
        expires_at=None if row.expires_us is None else moment(row.expires_us),
        revoked_at=None if row.revoked_us is None else moment(row.revoked_us),
        team_id=row.team_id,
        team_limited=row.team_max_budget_nano_usd is not None,
        models=None if row.models is None else tuple(orjson.loads(row.models)),
        max_budget_nano_usd=row.max_budget_nano_usd,
        budget_window=row.budget_window,
        model_budgets_nano_usd=model_budgets(row.model_budgets),
        conversation_budget_nano_usd=row.conversation_budget_nano_usd,
        rpm=row.rpm,
        tpm=row.tpm,
        max_parallel=row.max_parallel,
        metadata={} if row.metadata is None else orjson.loads(row.metadata),
        secret_sha256=row.sha256,
        secret_ends_at=None if row.valid_until_us is None else moment(row.valid_until_us),
    )


# The index on (key_id, created_us) finds it at once, however many calls a key has made.
LAST_USED: Final = (
    select(func.max(requests.c.created_us))
    .where(requests.c.key_id == keys.c.id)
    .scalar_subquery()
    .label("last_used_us")
)


def key_objects(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, dict[str, Any]]:
    """The JSON objects by key id, with the sums of each key's current window.

    `rows` have LAST_USED beside the key's columns.
    """
    now_us = clock_us(connection)
    periods = current_periods([(row.id, row.budget_window) for row in rows], now_us)
    sums = read_sums(connection, "key", periods)
    model_periods = {
        key_model_id(row.id, model): periods[row.id]
        for row in rows
        for model in model_budgets(row.model_budgets)
    }
    model_sums = read_sums(connection, "key_model", model_periods) if model_periods else {}
    return {row.id: _object(row, sums, model_sums, now_us) for row in rows}


def _object(
    row: Row[Any], sums: dict[str, Sums], model_sums: dict[str, Sums], now_us: int
) -> dict[str, Any]:
    return {
        "id": row.id,
        "prefix": row.prefix,
        "created_at": iso(row.created_us),
        "revoked_at": iso(row.revoked_us),
        "last_used_at": iso(row.last_used_us),
        **shown_fields(row),
        **budget_fields(
            row.max_budget_nano_usd, row.budget_window, sums.get(row.id, Sums()), now_us
        ),
        "model_spend": {
            model: _model_spend(limit, model_sums.get(key_model_id(row.id, model), Sums()))
            for model, limit in model_budgets(row.model_budgets).items()
        },
    }


def _model_spend(limit_nano_usd: int, sums: Sums) -> dict[str, str]:
    return {
        "spent_usd": usd_text(sums.spent),
        "reserved_usd": usd_text(sums.held),
        "remaining_usd": usd_text(limit_nano_usd - sums.spent - sums.held),
    }
