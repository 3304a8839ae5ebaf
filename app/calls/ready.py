"""A call made ready by the gateway as it stands: its policy, the scores so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.preparation import prepare

if TYPE_CHECKING:
    from datetime import datetime

    from app.calls.gateway import Gateway, Incoming
    from app.core.preparation import Prepared
    from app.core.remembered import Recalled


def ready(incoming: Incoming, gateway: Gateway, now: datetime, known: Recalled) -> Prepared:
    """Routed, adapted, marked and bounded; its score counts for the calls to come.

    Raises ModelNotFound, ModelNotAllowed and UnboundedCost.
    """
    prepared = prepare(
        incoming.request,
        incoming.key,
        gateway.policy,
        now,
        adapted=not incoming.native,
        known=known,
        threshold=gateway.scores.threshold(gateway.policy.rules),
    )
    gateway.scores.add(prepared.route)
    return prepared
