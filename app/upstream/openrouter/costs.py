"""What OpenRouter says that it bills, from the text of its numbers to nano-USD.  Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, DecimalException
from typing import Any

from app.core.money import MOST_USD, NANO_PER_USD

COST = b'"cost"'


def exact_json(text: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The value, its numbers as decimals with all their digits.  Raises ValueError."""
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refused)
    except (RecursionError, DecimalException) as error:
        raise ValueError("it can't be read") from error


def billed_nano_usd(usage: object) -> int | None:
    """What a reply's `usage` says; None where it says nothing that can be read.

    With a key of the account's own at the vendor, `cost` is OpenRouter's fee alone and the
    vendor bills the rest.
    """
    if not isinstance(usage, Mapping):
        return None
    details = usage.get("cost_details")
    upstream = details.get("upstream_inference_cost") if isinstance(details, Mapping) else None
    return with_own_key(usage.get("cost"), upstream, is_own=usage.get("is_byok"))


def with_own_key(cost: object, upstream: object, *, is_own: object) -> int | None:
    """The cost, and the vendor's where it is billed apart; without a word on that, if it is more.

    None unless each is a number of USD from 0 on.
    """
    fee, vendor = nano_usd(cost), nano_usd(upstream)
    if fee is None or (vendor is None and upstream is not None):
        return None
    if vendor is None or is_own is False or (is_own is not True and vendor <= fee):
        return fee
    return fee + vendor


def nano_usd(amount: object, *, signed: bool = False) -> int | None:
    """The nearest whole nano-USD; None for what is no amount."""
    if not isinstance(amount, Decimal) or not amount.is_finite():
        return None
    if not (-MOST_USD if signed else 0) <= amount <= MOST_USD:
        return None
    return int((amount * NANO_PER_USD).to_integral_value(ROUND_HALF_EVEN))


def billed_in_reply(body: bytes) -> int | None:
    """What a whole reply says."""
    if COST not in body:
        return None
    try:
        reply = exact_json(body)
    except ValueError:
        return None
    return billed_nano_usd(reply.get("usage")) if isinstance(reply, dict) else None


def billed_in_events(raw: bytes) -> int | None:
    """What the last of a stream's whole events says that tells a cost at its end."""
    found = None
    for line in raw.splitlines():
        if line.startswith(b"data:") and COST in line and b'"message_delta"' in line:
            try:
                event = exact_json(line[5:])
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("type") == "message_delta":
                told = billed_nano_usd(event.get("usage"))
                found = found if told is None else told
    return found


def _refused(word: str) -> object:
    raise ValueError(word)
