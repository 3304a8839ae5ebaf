"""The story of one call: make ready, hold, call, price, settle, answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from app.calls.attempts import OpenedStream
from app.core.adaptation import adapt
from app.core.billing import Answer, Sent, answer_of, bill
from app.core.errors import (
    APIResponseValidationError,
    BudgetExceeded,
    UpstreamError,
)
from app.core.measure import measure
from app.core.preparation import Policy, Prepared, prepare
from app.core.receipt import Opening, Receipt
from app.core.routing import route
from app.core.values import value
from app.ports import Call, Charge, CostSource, Part, Reservation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from types import TracebackType

    from app.calls.attempts import Retries
    from app.core.keys import Key
    from app.core.metering import Meter
    from app.core.request import Reply, Request
    from app.core.usage import Usage
    from app.ports import Hold, Ledger, Upstream

COUNT_TIMEOUT_S = 5.0  # a refusal must not wait for long


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything a call needs, built once by `create_app`; replaced whole when prices reload.

    `today` is the day (UTC) whose prices apply.
    """

    ledger: Ledger
    upstreams: Mapping[str, Upstream]
    policy: Policy
    today: Callable[[], date]
    retries: Retries


@value
class Incoming:
    """One call as the API layer hands it over. `native` leaves a named model's request as it is."""

    request: Request
    key: Key
    request_id: str
    dialect: str
    native: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None


async def process(incoming: Incoming, gateway: Gateway) -> tuple[Reply, Receipt]:
    """One whole answer.  Raises Refusal (nothing was sent) or UpstreamError."""
    async with _Held(_ready(incoming, gateway), incoming, gateway) as (planned, hold):
        upstream, call = _upstream(planned, gateway), _call(planned, incoming)
        reply = await gateway.retries.run(
            lambda: upstream.send(call), _reply_headers, planned.model.upstreams[0], hold
        )
        charge = charge_of(reply.usage, answer_of(reply), planned, "computed", reply.message_id)
        hold.settle(charge)
    opening = _opening(planned, incoming, hold, reply.headers)
    return reply, _receipt(replace(opening, model=charge.model or opening.model), charge, hold)


async def stream(
    incoming: Incoming, gateway: Gateway
) -> AsyncGenerator[Opening | Part | Receipt, None]:
    """An Opening once the upstream has begun, then its parts, then the settled Receipt.

    Whatever ends it early (the caller leaves, the upstream breaks) settles what was used.
    Raises Refusal and UpstreamError; after the Opening only UpstreamError.
    """
    started = time.monotonic()
    async with (
        _Held(_ready(incoming, gateway), incoming, gateway) as (planned, hold),
        _opened(planned, incoming, gateway, hold) as answer,
    ):
        opening = _opening(planned, incoming, hold, answer.headers)
        meter = answer.meter
        try:
            yield opening
            async for part in answer.parts():
                if hold.ttft_ms is None and meter.visible_bytes:
                    hold.ttft_ms = int((time.monotonic() - started) * 1000)
                yield part
        finally:
            charge = _stream_charge(meter, planned)
            if charge is not None:
                hold.settle(charge)
    if charge is None:
        raise APIResponseValidationError("the upstream's stream never said what it counted")
    yield _receipt(opening, charge, hold)


async def count_tokens(incoming: Incoming, gateway: Gateway) -> int:
    """The vendor's own count of the prompt: free, so nothing is held.  Raises GatewayError."""
    policy, request = gateway.policy, incoming.request
    chosen, model = route(
        request, measure(request), policy.catalog, policy.rules, incoming.key.models
    )
    if not incoming.native or chosen.tier is not None:
        request = adapt(request, model)
    upstream = gateway.upstreams[model.upstreams[0]]
    return await upstream.count_tokens(Call(request, model, incoming.headers))


def charge_of(
    usage: Usage,
    answer: Answer,
    planned: Prepared,
    source: CostSource,
    message_id: str | None = None,
) -> Charge:
    """The charge for `usage`, with all it takes to recompute it and the two savings."""
    model_id, prices = planned.model.id, planned.prices
    sent = Sent(model_id, prices, planned.strongest, planned.price_list, planned.day)
    found = bill(usage, answer, sent)
    return Charge(
        usage=usage,
        cost=found.cost,
        cost_source="estimated" if found.unknown else source,
        rates=found.rates,
        uncached_nano_usd=found.uncached_nano_usd,
        strongest_nano_usd=found.strongest_nano_usd,
        message_id=message_id,
        model=None if found.model == model_id else found.model,
        unknown=found.unknown,
    )


def _ready(incoming: Incoming, gateway: Gateway) -> Prepared:
    return prepare(
        incoming.request, incoming.key, gateway.policy, gateway.today(), adapted=not incoming.native
    )


class _Held:
    """The hold of one call, by its bound or, if only that fits, by the vendor's free count."""

    def __init__(self, planned: Prepared, incoming: Incoming, gateway: Gateway) -> None:
        self._planned = planned
        self._incoming = incoming
        self._gateway = gateway

    async def __aenter__(self) -> tuple[Prepared, Hold]:
        try:
            return await self._enter(self._planned)
        except BudgetExceeded as refusal:
            exact, short = self._planned, refusal.shortfall
            if short.lacks and exact.count_may_help(short.remaining_nano_usd):
                exact = await _recount(exact, self._incoming, self._gateway, refusal)
            elif not short.holds_alone:
                raise _with_tokens_that_fit(refusal, exact) from refusal
        try:
            return await self._enter(exact, may_wait=True)
        except BudgetExceeded as refusal:
            raise _with_tokens_that_fit(refusal, exact) from refusal

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, traceback)

    async def _enter(self, planned: Prepared, *, may_wait: bool = False) -> tuple[Prepared, Hold]:
        asked = replace(_reservation(planned, self._incoming), may_wait=may_wait)
        self._context = self._gateway.ledger.hold(asked)
        hold = await self._context.__aenter__()
        return planned.shortened(hold.granted_nano_usd), hold


async def _recount(
    planned: Prepared, incoming: Incoming, gateway: Gateway, refusal: BudgetExceeded
) -> Prepared:
    try:
        async with asyncio.timeout(COUNT_TIMEOUT_S):
            counted = await _upstream(planned, gateway).count_tokens(_call(planned, incoming))
    except (UpstreamError, TimeoutError):
        raise _with_tokens_that_fit(refusal, planned) from refusal
    return planned.recounted(counted)


def _with_tokens_that_fit(refusal: BudgetExceeded, planned: Prepared) -> BudgetExceeded:
    room = refusal.shortfall.remaining_nano_usd
    fits = planned.bound.output_that_fits(room)
    return BudgetExceeded(replace(refusal.shortfall, max_tokens_that_fit=fits))


def _reservation(planned: Prepared, incoming: Incoming) -> Reservation:
    return Reservation(
        request_id=incoming.request_id,
        key=incoming.key,
        model=planned.model.id,
        bound_nano_usd=planned.bound.nano_usd,
        least_nano_usd=planned.least_nano_usd,
        dialect=incoming.dialect,
        requested_model=incoming.request.model,
        route=planned.route,
        upstream=planned.model.upstreams[0],
        stream=incoming.request.stream,
        cache_plan=planned.cache,
        max_tokens=planned.request.max_tokens or 0,
        end_user=incoming.request.end_user,
        tags=incoming.request.tags,
        idempotency_key=incoming.idempotency_key,
        fixed_nano_usd=planned.bound.fixed_nano_usd,
        share_ppm=planned.share_ppm,
    )


def _upstream(planned: Prepared, gateway: Gateway) -> Upstream:
    return gateway.upstreams[planned.model.upstreams[0]]


def _call(planned: Prepared, incoming: Incoming) -> Call:
    return Call(planned.request, planned.model, incoming.headers)


def _opened(planned: Prepared, incoming: Incoming, gateway: Gateway, hold: Hold) -> OpenedStream:
    upstream, call = _upstream(planned, gateway), _call(planned, incoming)
    name = planned.model.upstreams[0]
    return OpenedStream(gateway.retries, lambda: upstream.stream(call), name, hold)


def _reply_headers(reply: Reply) -> Mapping[str, str]:
    return reply.headers


def _opening(
    planned: Prepared, incoming: Incoming, hold: Hold, headers: Mapping[str, str]
) -> Opening:
    return Opening(
        request_id=incoming.request_id,
        created=int(time.time()),
        requested_model=incoming.request.model,
        model=planned.model.id,
        route=planned.route,
        attempts=len(hold.attempts),
        dropped=planned.request.dropped,
        max_tokens_set=planned.request.max_tokens if planned.max_tokens_set else None,
        native_headers=headers if incoming.native else {},
    )


def _receipt(opening: Opening, charge: Charge, hold: Hold) -> Receipt:
    charged = charge.cost.total
    return Receipt(
        opening=opening,
        usage=charge.usage,
        cost=charge.cost,
        total_nano_usd=charged + hold.kept_nano_usd,
        cache_savings_nano_usd=charge.uncached_nano_usd - charged,
        remaining_nano_usd=hold.remaining_nano_usd,
    )


def _stream_charge(meter: Meter, planned: Prepared) -> Charge | None:
    if meter.finished and meter.output_is_known and meter.usage is not None:
        return charge_of(meter.usage, meter.answer, planned, "computed", meter.message_id)
    estimate = meter.estimate(planned.request.max_tokens or 0, time.monotonic())
    if estimate is not None and planned.bound.server_tools and not meter.output_is_known:
        # What the vendor's own tools brought in is not told before the end.
        estimate = planned.worst_usage
    if estimate is None:
        return None
    return charge_of(estimate, meter.answer, planned, "estimated", meter.message_id)
