"""A call's ledger row: what its hold writes and what its end adds."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import orjson

from app.core.pricing import Cost
from app.core.usage import Usage
from app.ports import Attempt, Charge, CostSource, Reservation
from app.store.entries import Closing, Granted, State
from app.store.fields import clean_text
from app.store.tables import COST_CATEGORIES, COST_COLUMNS, SUM_COLUMNS, TOKEN_COLUMNS

_PERIODS = {
    "key": "key_period",
    "key_model": "key_model_period",
    "team": "team_period",
    "global": "global_period",
}
_NO_PERIODS = dict.fromkeys(_PERIODS.values())
_NOTHING_USED = Usage()
_NOTHING_COST = Cost()
_token_counts = attrgetter(*TOKEN_COLUMNS)
_category_costs = attrgetter(*COST_CATEGORIES)
_stored_sums = attrgetter(*SUM_COLUMNS)


def held_row(asked: Reservation, hold: Granted, process_id: str) -> dict[str, Any]:
    """The row as it is until the call ends."""
    row: dict[str, Any] = {
        "id": asked.request_id,
        "key_id": asked.key.id,
        "team_id": hold.team_id,
        "process_id": process_id,
        "state": "reserved",
        "created_us": hold.created_us,
        "dialect": asked.dialect,
        "requested_model": clean_text(asked.requested_model),
        "model": asked.model,
        "route_reason": str(asked.route.reason),
        "routing": orjson.dumps(asked.route).decode(),
        "cache_plan": orjson.dumps(asked.cache_plan).decode(),
        "upstream": asked.upstream,
        "stream": asked.stream,
        "end_user": None if asked.end_user is None else clean_text(asked.end_user),
        "tags": _tags(asked.tags),
        "idempotency_key": asked.idempotency_key,
        "reserved_nano_usd": hold.nano_usd,
        **_NO_PERIODS,
    }
    for window in hold.windows:
        row[_PERIODS[window.kind]] = window.period
    return row


def closing(  # noqa: PLR0913  # the facts of an end, all of them different
    state: State,
    charge: Charge | None,
    *,
    other_nano_usd: int,
    source: CostSource | None,
    upstream: str,
    attempts: Sequence[Attempt],
    status: int,
    error_code: str | None,
    latency_ms: int,
    ttft_ms: int | None,
) -> Closing:
    """The row's end. `other_nano_usd` are the bounds that stay charged beside `charge`."""
    usage = _NOTHING_USED if charge is None else charge.usage
    cost = _NOTHING_COST if charge is None else charge.cost
    charged = cost.total
    sums = (
        charged + other_nano_usd,
        0 if charge is None else charge.uncached_nano_usd - charged,
        0 if charge is None else charge.strongest_nano_usd - charged,
        *_token_counts(usage),
    )
    last = attempts[-1] if attempts else None
    request_id = None if last is None else last.request_id
    message_id = None if charge is None else charge.message_id
    columns = {
        "state": state,
        "upstream": upstream if last is None else last.upstream,
        "upstream_request_id": None if request_id is None else clean_text(request_id),
        "upstream_message_id": None if message_id is None else clean_text(message_id),
        "attempts": len(attempts),
        "attempt_details": _attempts(attempts),
        "cost_source": source,
        "rates": None if charge is None else orjson.dumps(dict(charge.rates)).decode(),
        "status": status,
        "error_code": error_code,
        "latency_ms": latency_ms,
        "ttft_ms": ttft_ms,
        "other_nano_usd": other_nano_usd,
    }
    columns.update(zip(SUM_COLUMNS, sums, strict=True))
    columns.update(zip(COST_COLUMNS, _category_costs(cost), strict=True))
    return Closing(state, sums, columns)


def sums_of(row: Any) -> tuple[int, ...]:  # noqa: ANN401  # a row of `requests`
    """What the row has added to its day's roll-up, as SUM_COLUMNS."""
    sums: tuple[int, ...] = _stored_sums(row)
    return sums


def _tags(tags: Sequence[str]) -> str | None:
    return orjson.dumps([clean_text(tag) for tag in tags]).decode() if tags else None


def _attempts(attempts: Sequence[Attempt]) -> str:
    shown = [attempt.as_json() for attempt in attempts]
    for attempt in shown:
        if attempt["error"] is not None:
            attempt["error"] = clean_text(attempt["error"])
    return orjson.dumps(shown).decode()
