"""When a vendor is asked what it billed for an answer, and what it tells.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.values import value

if TYPE_CHECKING:
    from app.core.ended import CostSource, Ended

FIRST_S = 10  # before that it knows of nothing
LONGEST_S = 3_600
MOST_ASKED = 20  # some twelve hours


@value
class Pending:
    """An answer whose bill is still to be asked for; `asked` counts how often it was, now too."""

    request_id: str
    upstream: str
    generation_id: str
    asked: int


@value
class Told:
    """What was billed, and what the cache took off it; None where no cache was used."""

    cost_nano_usd: int
    cache_discount_nano_usd: int | None


@value
class Billed:
    """What a row came to once nothing more is to be told of it.

    `cache_discount_nano_usd` is None where its vendor never told.
    """

    cost_nano_usd: int
    cost_source: CostSource
    cache_discount_nano_usd: int | None


@value
class Left:
    """A call that its process did not live to tell of, as its row has it."""

    call: Ended
    ended_ns: int
    bill: Billed


def wait_s(asked: int) -> int | None:
    """How long until the next question, after so many; None when there is none."""
    if asked >= MOST_ASKED:
        return None
    return min(FIRST_S << min(asked - 1, 10), LONGEST_S)
