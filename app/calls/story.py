"""The story of one call: make ready, hold, call, price, settle, answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.calls.attempts import first_answer
from app.calls.held import Held
from app.calls.opened import Opened
from app.calls.receipts import opening_of, receipt_of
from app.calls.recollection import Recollection
from app.core.adaptation import adapt
from app.core.errors import UpstreamError
from app.core.measure import measure
from app.core.staying import route_known
from app.core.trouble import elsewhere_may_help
from app.ports import Call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from app.calls.gateway import Gateway, Incoming, Interruption
    from app.core.receipt import Opening, Receipt
    from app.core.request import Reply, TokenCount
    from app.ports import Part


async def process(incoming: Incoming, gateway: Gateway) -> tuple[Reply, Receipt]:
    """One whole answer.  Raises Refusal (nothing was sent) or UpstreamError."""
    async with Held(incoming, gateway) as held:
        reply = await first_answer(held.targets(), held.send, held, gateway.retries, gateway.clock)
        held.answered(reply)
    return reply, receipt_of(held, opening_of(held, reply.headers))


async def stream(
    incoming: Incoming, gateway: Gateway, interruption: Interruption
) -> AsyncGenerator[Opening | Part | Receipt, None]:
    """An Opening once the upstream has begun, then its parts, then the settled Receipt.

    Whatever ends it early settles what was used; `interruption` says why nobody waits any more.
    Raises Refusal and UpstreamError; after the Opening only UpstreamError.
    """
    async with (
        Held(incoming, gateway, interruption) as held,
        Opened(held, gateway.retries, gateway.clock) as answer,
    ):
        opening = opening_of(held, answer.headers)
        yield opening
        async for part in answer.parts():
            held.seen(part)
            yield part
        held.streamed()
    yield receipt_of(held, opening)


async def count_tokens(incoming: Incoming, gateway: Gateway) -> TokenCount:
    """The count of the vendor whose model would be sent the call: free, so nothing is held.

    What is known of the conversation is asked for, and nothing is learned.  Raises GatewayError.
    """
    policy, request = gateway.policy, incoming.request
    now, threshold = gateway.now(), gateway.scores.threshold(policy.rules)
    known = await Recollection(gateway).recall(incoming, now)
    catalog, allowed = policy.catalog.at(now), incoming.key.models
    chosen, model = route_known(
        request,
        measure(request),
        catalog,
        policy.rules,
        allowed,
        now.date(),
        threshold,
        known,
    )
    if not incoming.native or chosen.tier is not None:
        request = adapt(request, model)
    call = Call(request, model, incoming.headers)
    *others, last = model.upstreams
    for name in others:
        try:
            return await gateway.upstreams[name].count_tokens(call)
        except UpstreamError as error:
            if not elsewhere_may_help(error):
                raise
    return await gateway.upstreams[last].count_tokens(call)
