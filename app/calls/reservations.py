"""What the ledger must know of a call before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.unknown import stake_of
from app.ports import Reservation

if TYPE_CHECKING:
    from app.calls.gateway import Incoming
    from app.core.preparation import Prepared


def reservation_of(incoming: Incoming, prepared: Prepared, *, may_wait: bool) -> Reservation:
    """One attempt at its first target; `may_wait` for running calls to end."""
    request = incoming.request
    return Reservation(
        request_id=incoming.request_id,
        key=incoming.key,
        model=prepared.model.id,
        bound_nano_usd=prepared.bound.nano_usd,
        least_nano_usd=prepared.least_nano_usd,
        stake=stake_of(prepared.bound),
        dialect=incoming.dialect,
        requested_model=request.model,
        route=prepared.route,
        upstream=prepared.model.upstreams[0],
        stream=request.stream,
        cache_plan=prepared.cache,
        conversation=incoming.conversation,
        end_user=request.end_user,
        tags=request.tags,
        idempotency_key=incoming.idempotency_key,
        fixed_nano_usd=prepared.bound.fixed_nano_usd,
        share_ppm=prepared.share_ppm,
        may_wait=may_wait,
        unbounded=prepared.bound.unbounded,
    )
