"""What the pipeline needs of the world: small Protocols, named by role."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from app.core.budgets import WHOLE_PPM
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from app.core.caching import CachePlan
    from app.core.keys import Key
    from app.core.metering import Meter
    from app.core.models import Model
    from app.core.pricing import Cost
    from app.core.request import Reply, Request
    from app.core.routing import Route
    from app.core.usage import Unknown, Usage

NEVER_READ = ("APIConnectionError", "StaleConnectionError")
CostSource = Literal["computed", "billed", "estimated", "corrected"]


@value
class Reservation:
    """One call as the ledger must know it before it is sent.

    `bound_nano_usd` is the most one attempt can cost, `least_nano_usd` the smallest hold that
    still makes sense (the same, unless the answer's length may be shrunk to the budget). Between
    them it holds `fixed_nano_usd`, which no shorter answer makes less, and `share_ppm` millionths
    of what the tightest budget has left. `may_wait`: it waits a while for running calls to end
    where nothing but their holds keeps it out.
    """

    request_id: str
    key: Key
    model: str
    bound_nano_usd: int
    least_nano_usd: int
    dialect: str
    requested_model: str
    route: Route
    upstream: str
    stream: bool
    cache_plan: CachePlan
    max_tokens: int
    end_user: str | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    fixed_nano_usd: int = 0
    share_ppm: int = WHOLE_PPM
    may_wait: bool = False


@value
class Charge:
    """What a call came to. `rates` is the snapshot that `cost` was computed with, as JSON text.

    `uncached_nano_usd` is the same reply without caching, `strongest_nano_usd` the same usage
    on the strongest tier (an upper bound: that tier may cache what this one can't). `model` is the
    one that answered; None: the one that was asked. `unknown`: what had no price and was charged
    at the dearest figures.
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


@value
class Attempt:
    """One try at the upstream; its fields are what the ledger's row and the admin API show.

    `charged` means that its bound stays charged: it may have been billed.
    """

    upstream: str
    status: int | None
    error: str | None
    latency_ms: int
    request_id: str | None = None
    charged: bool = False

    @property
    def may_be_billed(self) -> bool:
        """Not refused, and not known to have never reached the upstream."""
        if self.error is None or self.status == 200:
            return True
        return self.status is None and self.error not in NEVER_READ


class Hold(Protocol):
    """A durable reservation that is open; leaving its context settles or releases it."""

    request_id: str
    granted_nano_usd: int
    attempts: list[Attempt]
    ttft_ms: int | None

    async def hold_another(self) -> bool:
        """Keep the bound of the attempt that just failed charged and hold another one.

        False (and nothing changes) when that doesn't fit: then the call must not be retried.
        """

    def settle(self, charge: Charge) -> None:
        """Note what the call came to (so far, for a stream); the last note is charged on exit."""

    @property
    def kept_nano_usd(self) -> int:
        """Bounds that stay charged for earlier attempts, on top of the last charge."""

    @property
    def remaining_nano_usd(self) -> int | None:
        """What is left of the tightest limit, known once the context has been left."""


class Ledger(Protocol):
    """Keeps every call's row and every scope's sums; refuses what doesn't fit."""

    def hold(self, reservation: Reservation) -> AbstractAsyncContextManager[Hold]:
        """Reserve durably on every scope.

        Raises BudgetExceeded, InvalidApiKey (revoked or expired since it was looked up),
        DuplicateRequest or LedgerUnavailable on enter.

        On exit, shielded from cancellation and committed before it returns: settled -> that
        charge; a failure that is not billed (APIStatusError, APIConnectionError, any Refusal)
        -> released; any other way out -> charged at the bound, as `estimated`.
        Bounds kept by `hold_another` are charged on top in every case.
        """


@value
class Part:
    """A piece of a stream: its bytes as the upstream sent them, and the events they complete."""

    raw: bytes
    events: list[dict[str, Any]]


class UpstreamStream(Protocol):
    """An open stream: the answer has begun, no retry is possible any more.

    `meter` knows at any time what has been used so far.
    """

    headers: Mapping[str, str]
    meter: Meter

    def parts(self) -> AsyncIterator[Part]:
        """The answer as it comes; ends when it is whole.

        Raises APITimeoutError (nothing for `idle_timeout_s`, or longer than `stream_timeout_s`),
        APIResponseValidationError (broken off, or unreadable), and APIStatusError after the part
        with the upstream's own error event.
        """


@value
class Call:
    """One canonical request to one model. `headers` are the caller's own, in the native lane."""

    request: Request
    model: Model
    headers: Mapping[str, str] = field(default_factory=dict)


class Upstream(Protocol):
    """Speaks to a vendor.  Each call is one attempt."""

    async def send(self, call: Call) -> Reply:
        """One whole reply.  Raises UpstreamError."""

    def stream(self, call: Call) -> AbstractAsyncContextManager[UpstreamStream]:
        """A stream whose first byte has come.  Raises UpstreamError on enter."""

    async def count_tokens(self, call: Call) -> int:
        """The vendor's own count of the prompt, which is free.  Raises UpstreamError."""

    async def close(self) -> None:
        """Close every connection."""


@value
class CallRecord:
    """One finished call, told to telemetry once it is settled."""

    request_id: str
    key: Key
    model: str
    dialect: str
    route: Route
    status: int
    error_code: str | None
    attempts: Sequence[Attempt]
    latency_s: float
    ttft_s: float | None
    held_nano_usd: int
    cost_nano_usd: int
    charge: Charge | None


class Recorder(Protocol):
    """Is told what happened; never asked, never awaited."""

    def record(self, call: CallRecord) -> None:
        """Note a finished call."""

    def refused(self, code: str, key_id: str | None) -> None:
        """Note a call that was refused before its hold, and so has no row."""
