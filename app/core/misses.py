"""Why the prompt cache missed, and what that cost."""

from __future__ import annotations

from enum import StrEnum

from app.core.values import value


class MissReason(StrEnum):
    """Every reason there is: one word for the ledger, the metric and the reports."""

    FIRST_SEEN = "first_seen"  # nothing of the prompt was cached before
    EXPIRED = "expired"  # it had been, for less time than has passed
    MODEL_CHANGED = "model_changed"
    TOOLS_CHANGED = "tools_changed"
    SYSTEM_CHANGED = "system_changed"
    MESSAGES_CHANGED = "messages_changed"  # an earlier turn, or what the vendor keeps with them
    BELOW_MINIMUM = "below_minimum"  # too short a prompt for the model's cache
    LOOK_BACK = "look_back"  # no mark looks as far back as where it was written
    UNKNOWN = "unknown"


@value
class Miss:
    """One call that read less than its conversation had in the cache, and what that cost more."""

    reason: MissReason
    nano_usd: int = 0
