"""How a call ended: the one value that the ledger and the recorders are told."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.caching import CachePlan
    from app.core.keys import Key
    from app.core.misses import Miss
    from app.core.pricing import Cost
    from app.core.request import Block, Request
    from app.core.routing import Route
    from app.core.usage import Unknown, Usage

CostSource = Literal["computed", "billed", "estimated", "corrected"]


class Ending(StrEnum):
    """Why a call was over; the words for one that was cut short are its row's error codes too."""

    ANSWERED = "answered"
    REFUSED = "refused"  # nothing was sent, or the upstream said no
    FAILED = "failed"  # sent, and no whole answer came
    DEADLINE = "deadline"  # the time allowed ran out
    CALLER_LEFT = "client_disconnected"
    GATEWAY_STOPPED = "gateway_stopped"
    BUG = "bug"


class Basis(StrEnum):
    """What the charge for an attempt rests on."""

    USAGE = "usage"  # what the answer said it used
    CUT = "cut"  # what a stream had said when it was cut, and the most it wrote since
    ELAPSED = "elapsed"  # the prompt, and the most that can be written in the time it took
    BOUND = "bound"  # its whole bound: nothing smaller is safe
    REFUSED = "refused"  # nothing: the upstream answered with an error
    NEVER_SENT = "never_sent"  # nothing: it did not reach the upstream


UNBILLED = (Basis.REFUSED, Basis.NEVER_SENT)


@value
class Attempt:
    """One try at an upstream, what it was charged and why.

    `begun_ms` is counted from the call's start; `message` is what the upstream said of its failure.
    `generation_id` is what the upstream tells its own bill for the answer by.
    """

    upstream: str
    model: str
    status: int | None
    error: str | None
    latency_ms: int
    request_id: str | None = None
    cost_nano_usd: int = 0
    basis: Basis = Basis.REFUSED
    begun_ms: int = 0
    message: str | None = None
    generation_id: str | None = None


@value
class Refused:
    """A call that was refused before its hold, and so has no row.

    `model` as its caller named it, where it is known; `budget` is what a 402 tells of the limit.
    """

    request_id: str
    key_id: str | None
    status: int
    code: str
    message: str
    model: str | None = None
    dialect: str | None = None
    budget: Mapping[str, object] | None = None


@value
class Charge:
    """What an answer came to. `rates` is the snapshot that `cost` was computed with, as JSON text.

    `uncached_nano_usd` is the same reply without caching, `strongest_nano_usd` the same usage
    on the strongest tier (an upper bound: that tier may cache what this one can't). `model` is the
    one that answered; None: the one that was asked. `unknown`: what had no price and was charged
    at the dearest figures. `stop_reason` is the vendor's word for why it ended.
    """

    usage: Usage
    cost: Cost
    cost_source: CostSource
    rates: str
    uncached_nano_usd: int
    strongest_nano_usd: int
    message_id: str | None = None
    model: str | None = None
    unknown: tuple[Unknown, ...] = ()
    stop_reason: str | None = None


@value
class Ended:
    """One finished call. `status` and `error_code` are what its caller was told.

    `model` is the one that answered, or was asked last.

    `charge` is for the answer, whole or as far as it came; `other_nano_usd` for the attempts
    without one. `session` is what the caller names the conversation. `content` holds the answer's
    blocks where recorders are told them. `prefix` names the tools and system prompt that the call
    came with; `miss` says why the cache gave less than it had.
    """

    request_id: str
    key: Key
    dialect: str
    request: Request
    model: str
    upstream: str
    route: Route
    cache_plan: CachePlan
    attempts: tuple[Attempt, ...]
    charge: Charge | None
    other_nano_usd: int
    held_nano_usd: int
    reason: Ending
    error: BaseException | None
    status: int
    error_code: str | None
    latency_ms: int
    ttft_ms: int | None
    conversation: str | None = None
    session: str | None = None
    traceparent: str | None = None
    content: tuple[Block, ...] | None = None
    prefix: str | None = None
    miss: Miss | None = None
    cost_nano_usd: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Sum once what is asked for again and again: all that the call is charged."""
        charged = 0 if self.charge is None else self.charge.cost.total
        object.__setattr__(self, "cost_nano_usd", self.other_nano_usd + charged)

    @property
    def awaited_bill(self) -> str | None:
        """What the vendor is asked by for what it billed for the last attempt, if it may have."""
        last = self.attempts[-1] if self.attempts else None
        if last is None or last.generation_id is None or last.basis in UNBILLED:
            return None
        return last.generation_id if self.is_charged else None

    @property
    def is_charged(self) -> bool:
        """False where nothing was used and nothing can have been billed."""
        return self.charge is not None or self.other_nano_usd > 0

    @property
    def cost_source(self) -> CostSource | None:
        """How far the cost can be trusted: an estimate for one attempt makes it one."""
        if self.other_nano_usd:
            return "estimated"
        return None if self.charge is None else self.charge.cost_source
