"""What the ledger holds at one moment, for whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping

from app.core.values import value


@value
class Standing:
    """The calls that are held, by every process, and what limited keys have left."""

    holds: int
    held_nano_usd: int
    remaining_nano_usd: Mapping[str, int]
