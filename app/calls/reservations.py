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
        incoming.request_id,
        incoming.key,
        prepared.model.id,
        prepared.bound.nano_usd,
        prepared.least_nano_usd,
        stake_of(prepared.bound),
        incoming.dialect,
        request.model,
        prepared.route,
        prepared.model.upstreams[0],
        request.stream,
        prepared.cache,
        incoming.conversation,
        request.end_user,
        request.tags,
        incoming.idempotency_key,
        prepared.bound.fixed_nano_usd,
        prepared.share_ppm,
        may_wait,
        prepared.bound.unbounded,
    )
