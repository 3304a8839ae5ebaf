"""What a vendor itself bills for an answer, in place of what was computed.  Pure."""

from __future__ import annotations

from dataclasses import replace

from app.core.billing import Bill
from app.core.money import usd_text
from app.core.pricing import json_text


def as_billed(found: Bill, billed_nano_usd: int) -> Bill:
    """What the upstream billed instead of what was computed; `rates` tells both.

    What caching and routing saved stays what was computed.
    """
    computed = found.cost.total
    more = billed_nano_usd - computed
    told = {
        "usd": usd_text(billed_nano_usd),
        "computed_usd": usd_text(computed),
        "difference_usd": usd_text(more),
    }
    return Bill(
        found.model,
        replace(found.cost, adjustment=more),
        f'{found.rates[:-1]},"billed":{json_text(told)}}}',
        found.uncached_nano_usd + more,
        found.strongest_nano_usd + more,
        found.unknown,
    )
