"""A call's ledger row: what its hold writes and what its end adds."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import orjson

from app.core.caching import CachePlan
from app.core.ended import Attempt, Basis, Ended
from app.core.misses import Miss
from app.core.money import usd_text
from app.core.pricing import Cost
from app.core.routing import Route, Weighed
from app.core.unknown import Stake
from app.core.usage import Usage
from app.ports import Reservation
from app.store.database.tables import COST_CATEGORIES, TOKEN_COLUMNS
from app.store.database.texts import (
    MOST_MESSAGE_CHARS,
    MOST_TAG_CHARS,
    stored,
)
from app.store.ledger.counting import Labels, counts
from app.store.ledger.entries import Closing, Granted
from app.store.ledger.rollups import NO_LABELS

MOST_TAGS = 16
_NOTHING_USED = Usage()
_NOTHING_COST = Cost()
_NOTHING_MISSED = (None, None, None)
_token_counts = attrgetter(*TOKEN_COLUMNS)
_category_costs = attrgetter(*COST_CATEGORIES)


def held_row(asked: Reservation, hold: Granted, process_id: str) -> tuple[Any, ...]:
    """The row as it is until the call ends, as HELD_COLUMNS."""
    periods = {window.kind: window.period for window in hold.windows}
    stake = asked.stake
    at_stake = (stake.input_nano_usd, stake.output_pico_usd, stake.max_tokens)
    return (
        asked.request_id,
        asked.key.id,
        hold.team_id,
        process_id,
        "reserved",
        hold.created_us,
        asked.dialect,
        stored(asked.requested_model),
        asked.model,
        str(asked.route.reason),
        _route_text(asked.route),
        _plan_text(asked.cache_plan),
        asked.upstream,
        asked.stream,
        _end_user(asked),
        _tags(asked.tags),
        asked.idempotency_key,
        periods.get("key"),
        periods.get("key_model"),
        periods.get("team"),
        periods.get("global"),
        asked.conversation,
        periods.get("conversation"),
        hold.nano_usd,
        *((None, None, None) if stake.whole else at_stake),
    )


def stake_of_row(row: Any) -> Stake | None:  # noqa: ANN401  # a row of `requests`
    """None where nothing less than all that was reserved is safe."""
    if row.stake_max_tokens is None:
        return None
    return Stake(row.stake_input_nano_usd, row.stake_output_pico_usd, row.stake_max_tokens)


def closing(ended: Ended, held_model: str) -> Closing:
    """The end of a row that was held for `held_model`."""
    charge, attempts, answered = ended.charge, ended.attempts, ended.model
    usage = _NOTHING_USED if charge is None else charge.usage
    cost = _NOTHING_COST if charge is None else charge.cost
    charged = cost.total
    sums = (
        ended.cost_nano_usd,
        0 if charge is None else charge.uncached_nano_usd - charged,
        0 if charge is None else charge.strongest_nano_usd - charged,
        *_token_counts(usage),
    )
    request_id = attempts[-1].request_id if attempts else None
    message_id = None if charge is None else charge.message_id
    bill = ended.awaited_bill
    awaited = (None, None, None) if bill is None else (stored(bill), 0, _waiting_trace(ended))
    columns = (
        "settled" if ended.is_charged else "released",
        ended.upstream,
        None if request_id is None else stored(request_id),
        None if message_id is None else stored(message_id),
        len(attempts),
        _attempts_text(attempts),
        ended.cost_source,
        None if charge is None else charge.rates,
        ended.status,
        ended.error_code,
        ended.latency_ms,
        ended.ttft_ms,
        answered,
        None if answered == held_model else held_model,
        ended.other_nano_usd + cost.adjustment,
        *awaited,
        ended.prefix,
        *_missed(ended.miss),
        *sums,
        *_category_costs(cost),
    )
    return Closing(answered, ended.cost_nano_usd, columns, counts(columns))


def forgotten(asked: Reservation, held_nano_usd: int) -> Closing:
    """The end of a row about whose call nothing is known: all that was held is charged."""
    sums = (held_nano_usd, 0, 0, *_token_counts(_NOTHING_USED))
    known = ("settled", asked.upstream, None, None, 0, None, "estimated", None, None)
    columns = (
        *known,
        *("internal_error", None, None, asked.model, None, held_nano_usd, None, None),
        *(None, None, *_missed(None)),
        *sums,
        *_category_costs(_NOTHING_COST),
    )
    return Closing(asked.model, held_nano_usd, columns, counts(columns))


def _missed(miss: Miss | None) -> tuple[str | None, int | None, int | None]:
    return _NOTHING_MISSED if miss is None else (str(miss.reason), miss.nano_usd, miss.tokens)


def _waiting_trace(ended: Ended) -> str:
    return "" if ended.traceparent is None else stored(ended.traceparent)


def _attempts_text(attempts: Sequence[Attempt]) -> str:
    """Their fields by name; `charged` says that one without an answer costs something."""
    return orjson.dumps(
        [
            {
                "upstream": each.upstream,
                "model": each.model,
                "status": each.status,
                "error": each.error and stored(each.error, MOST_MESSAGE_CHARS),
                "message": each.message and stored(each.message, MOST_MESSAGE_CHARS),
                "latency_ms": each.latency_ms,
                "request_id": each.request_id and stored(each.request_id),
                "charged": each.cost_nano_usd > 0 and each.basis != Basis.USAGE,
                "cost_usd": usd_text(each.cost_nano_usd),
                "basis": each.basis,
            }
            for each in attempts
        ]
    ).decode()


def _route_text(route: Route) -> str:
    """Its fields by name: orjson is slow at finding those of a class with slots.

    `features` has for each what was counted and what that added to the score.
    """
    fields: dict[str, Any] = {"tier": route.label, "score": route.score, "reason": route.reason}
    if route.threshold is not None:
        adds = route.adds
        fields["threshold"] = route.threshold
        if route.weighed is not None:
            fields["weighed"] = _weighed(route.weighed)
        fields["features"] = {name: (n, adds.get(name, 0)) for name, n in route.counts.items()}
    return orjson.dumps(fields).decode()


def _weighed(weighed: Weighed) -> dict[str, Any]:
    return {
        "warm_model": weighed.warm_model,
        "other_model": weighed.other_model,
        "warm_tokens": weighed.warm_tokens,
        "stay_usd": usd_text(weighed.stay_nano_usd),
        "switch_usd": usd_text(weighed.switch_nano_usd),
    }


def _plan_text(plan: CachePlan) -> str:
    fields = {
        "placed": plan.placed,
        "lifetimes": plan.lifetimes,
        "callers": plan.callers,
        "ttl": plan.ttl,
        "why": plan.why,
        "expected_reads": plan.expected_reads,
    }
    return orjson.dumps(fields).decode()


def labels(asked: Reservation) -> Labels:
    """The end user and the tags as they are stored, each tag once."""
    if asked.end_user is None and not asked.tags:
        return NO_LABELS
    return _end_user(asked), tuple(dict.fromkeys(_stored_tags(asked.tags)))


def _end_user(asked: Reservation) -> str | None:
    return None if asked.end_user is None else stored(asked.end_user)


def _stored_tags(tags: Sequence[str]) -> list[str]:
    return [stored(tag, MOST_TAG_CHARS) for tag in tags[:MOST_TAGS]]


def _tags(tags: Sequence[str]) -> str | None:
    return orjson.dumps(_stored_tags(tags)).decode() if tags else None
