"""Where an attempt goes: one model at one upstream, with its prices and the most it can cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.values import value

if TYPE_CHECKING:
    from app.core.bounds import Bound
    from app.core.models import Model
    from app.core.pricing import Prices


@value
class Target:
    """One of the places that a call may be sent to, in the order in which they are tried."""

    model: Model
    upstream: str
    prices: Prices
    bound: Bound
