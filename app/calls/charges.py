"""What one attempt is charged: for an answer, for a stream as far as it came, for silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.billing import Sent, bill
from app.core.ended import Basis, Charge, CostSource
from app.core.errors import APIConnectionError, APIStatusError, Refusal
from app.core.vendor_bill import as_billed

if TYPE_CHECKING:
    from app.core.billing import Answer
    from app.core.metering import Meter
    from app.core.preparation import Prepared
    from app.core.usage import Usage


def charge_of(
    usage: Usage,
    answer: Answer,
    prepared: Prepared,
    source: CostSource,
    message_id: str | None = None,
) -> Charge:
    """The charge for `usage`, with all it takes to recompute it and the two savings."""
    model_id, prices = prepared.model.id, prepared.prices
    sent = Sent(model_id, prices, prepared.strongest, prepared.price_list, prepared.day)
    found = bill(usage, answer, sent)
    if answer.billed_nano_usd is not None:
        found = as_billed(found, answer.billed_nano_usd)
        source = "billed"
    elif found.unknown:
        source = "estimated"
    return Charge(
        usage,
        found.cost,
        source,
        found.rates,
        found.uncached_nano_usd,
        found.strongest_nano_usd,
        message_id,
        None if found.model == model_id else found.model,
        found.unknown,
        answer.stop_reason,
    )


def stream_charge(meter: Meter, prepared: Prepared, now_s: float) -> tuple[Charge, Basis] | None:
    """For a stream as it stands; None before the upstream has said what the prompt counts.

    With a basis of BOUND it is what is known, and the attempt's whole bound may be due.
    """
    if meter.finished and meter.output_is_known and meter.usage is not None:
        exact = charge_of(meter.usage, meter.answer, prepared, "computed", meter.message_id)
        return exact, Basis.USAGE
    usage, basis = meter.estimate(prepared.request.max_tokens or 0, now_s), Basis.CUT
    if usage is None:
        return None
    if prepared.bound.server_tools and not meter.output_is_known:
        # What the vendor's own tools brought in is not told before the end.
        basis = Basis.BOUND
    return charge_of(usage, meter.answer, prepared, "estimated", meter.message_id), basis


def not_billed(error: BaseException | None, meter: Meter | None) -> Basis | None:
    """Why an attempt that ended with `error` costs nothing; None when it may cost something."""
    if isinstance(error, APIConnectionError | Refusal):
        return Basis.NEVER_SENT
    if isinstance(error, APIStatusError) and (meter is None or not meter.visible_bytes):
        return Basis.REFUSED
    return None
