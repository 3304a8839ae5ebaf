"""What the caller is told of its call: before the first byte, and when all is settled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.core.errors import UpstreamError
from app.core.pricing import Cost
from app.core.receipt import Opening, Receipt
from app.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.calls.held import Held


def opening_of(held: Held, headers: Mapping[str, str]) -> Opening:
    """What is known before the first byte of a stream, or of a whole answer that has come.

    `headers` are the upstream's.
    """
    prepared, incoming, charge = held.prepared, held.incoming, held.course.charge
    return Opening(
        incoming.request_id,
        int(time.time()),
        incoming.request.model,
        (charge and charge.model) or prepared.model.id,
        prepared.route,
        held.course.number,
        incoming.conversation,
        prepared.request.dropped,
        prepared.request.max_tokens if prepared.max_tokens_set else None,
        headers if incoming.native else {},
    )


def receipt_of(held: Held, opening: Opening) -> Receipt:
    """The account of an answered call, once its hold is settled."""
    charge, ended = held.course.charge, held.ended
    if charge is None or ended is None:
        raise RuntimeError("only an answered call has a receipt")
    return Receipt(
        opening,
        charge.usage,
        charge.cost,
        ended.cost_nano_usd,
        charge.uncached_nano_usd - charge.cost.total,
        held.remaining_nano_usd,
    )


def give_receipt(held: Held, error: BaseException | None) -> None:
    """A call that failed and is charged all the same tells what it cost, as an answer does."""
    ended = held.ended
    if ended is None or not ended.cost_nano_usd or not isinstance(error, UpstreamError):
        return
    error.receipt = Receipt(
        opening_of(held, {}),
        Usage(),
        Cost(),
        ended.cost_nano_usd,
        0,
        held.remaining_nano_usd,
    )
