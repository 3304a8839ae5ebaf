"""A call's ledger row: what its hold writes and what its end adds."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import orjson

from app.core.caching import CachePlan
from app.core.pricing import Cost
from app.core.routing import Route
from app.core.usage import Usage
from app.ports import Attempt, Charge, CostSource, Reservation
from app.store.database.tables import COST_CATEGORIES, SUM_COLUMNS, TOKEN_COLUMNS
from app.store.ledger.entries import Closing, Granted, State
from app.store.records.fields import clean_text

_NOTHING_USED = Usage()
_NOTHING_COST = Cost()
_token_counts = attrgetter(*TOKEN_COLUMNS)
_category_costs = attrgetter(*COST_CATEGORIES)
_stored_sums = attrgetter(*SUM_COLUMNS)


def held_row(asked: Reservation, hold: Granted, process_id: str) -> tuple[Any, ...]:
    """The row as it is until the call ends, as HELD_COLUMNS."""
    periods = {window.kind: window.period for window in hold.windows}
    return (
        asked.request_id,
        asked.key.id,
        hold.team_id,
        process_id,
        "reserved",
        hold.created_us,
        asked.dialect,
        clean_text(asked.requested_model),
        asked.model,
        str(asked.route.reason),
        _route_text(asked.route),
        _plan_text(asked.cache_plan),
        asked.upstream,
        asked.stream,
        None if asked.end_user is None else clean_text(asked.end_user),
        _tags(asked.tags),
        asked.idempotency_key,
        periods.get("key"),
        periods.get("key_model"),
        periods.get("team"),
        periods.get("global"),
        hold.nano_usd,
    )


def closing(  # noqa: PLR0913  # the facts of an end, all of them different
    state: State,
    charge: Charge | None,
    *,
    other_nano_usd: int,
    source: CostSource | None,
    model: str,
    upstream: str,
    attempts: Sequence[Attempt],
    status: int,
    error_code: str | None,
    latency_ms: int,
    ttft_ms: int | None,
) -> Closing:
    """The row's end. `other_nano_usd` are the bounds that stay charged beside `charge`.

    `model` is the one that it was held for.
    """
    usage = _NOTHING_USED if charge is None else charge.usage
    cost = _NOTHING_COST if charge is None else charge.cost
    charged = cost.total
    sums = (
        charged + other_nano_usd,
        0 if charge is None else charge.uncached_nano_usd - charged,
        0 if charge is None else charge.strongest_nano_usd - charged,
        *_token_counts(usage),
    )
    answered = model if charge is None else charge.model or model
    last = attempts[-1] if attempts else None
    request_id = None if last is None else last.request_id
    message_id = None if charge is None else charge.message_id
    columns = (
        state,
        upstream if last is None else last.upstream,
        None if request_id is None else clean_text(request_id),
        None if message_id is None else clean_text(message_id),
        len(attempts),
        orjson.dumps(attempts).decode(),
        source,
        None if charge is None else charge.rates,
        status,
        error_code,
        latency_ms,
        ttft_ms,
        answered,
        None if answered == model else model,
        other_nano_usd,
        *sums,
        *_category_costs(cost),
    )
    return Closing(status, error_code, answered, sums, columns)


def _route_text(route: Route) -> str:
    """Its fields by name: orjson is slow at finding those of a class with slots."""
    fields = {"tier": route.label, "score": route.score, "reason": route.reason}
    return orjson.dumps(fields).decode()


def _plan_text(plan: CachePlan) -> str:
    fields = {"placed": plan.placed, "callers": plan.callers, "ttl": plan.ttl, "why": plan.why}
    return orjson.dumps(fields).decode()


def sums_of(row: Any) -> tuple[int, ...]:  # noqa: ANN401  # a row of `requests`
    """What the row has added to its day's roll-up, as SUM_COLUMNS."""
    sums: tuple[int, ...] = _stored_sums(row)
    return sums


def _tags(tags: Sequence[str]) -> str | None:
    return orjson.dumps([clean_text(tag) for tag in tags]).decode() if tags else None
