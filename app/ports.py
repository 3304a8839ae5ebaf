"""What a call needs of the world: small Protocols, named by role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from app.core.budgets import WHOLE_PPM
from app.core.ended import Ended, Refused
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from app.core.breaking import State
    from app.core.caching import CachePlan
    from app.core.keys import Key
    from app.core.metering import Meter
    from app.core.models import Model
    from app.core.remembered import Asked, Conversation, Lesson, Shared
    from app.core.request import Reply, Request, TokenCount
    from app.core.routing import Route
    from app.core.targets import Target
    from app.core.unknown import Stake


@value
class Reservation:
    """One call as the ledger must know it before it is sent.

    `bound_nano_usd` is the most one attempt can cost, `least_nano_usd` the smallest hold that
    still makes sense (the same, unless the answer's length may be shrunk to the budget). Between
    them it holds `fixed_nano_usd`, which no shorter answer makes less, and `share_ppm` millionths
    of what the tightest budget has left. `may_wait`: it waits a while for running calls to end
    where nothing but their holds keeps it out. `stake` is what it is charged by if this process
    is lost. `unbounded` names what of it has no bound: a limit that was set since the key was
    looked up lets none of that in.
    """

    request_id: str
    key: Key
    model: str
    bound_nano_usd: int
    least_nano_usd: int
    stake: Stake
    dialect: str
    requested_model: str
    route: Route
    upstream: str
    stream: bool
    cache_plan: CachePlan
    conversation: str
    end_user: str | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    fixed_nano_usd: int = 0
    share_ppm: int = WHOLE_PPM
    may_wait: bool = False
    unbounded: tuple[str, ...] = ()


class Hold(Protocol):
    """A durable reservation that is open; leaving its context settles or releases it."""

    granted_nano_usd: int

    @property
    def held_nano_usd(self) -> int:
        """All that is held now, for every attempt."""

    @property
    def remaining_nano_usd(self) -> int | None:
        """What is left of the tightest limit, known once the context has been left."""

    async def extend(self, target: Target, charged_nano_usd: int) -> bool:
        """Hold what another attempt at `target` can cost, on top of what is charged so far.

        False (and nothing changes) when that doesn't fit: then it must not be made.
        """


EndedBy = Callable[[Hold, BaseException | None], Ended]
"""How a call ended that was left by that exception, or by none."""


class Ledger(Protocol):
    """Keeps every call's row and every scope's sums; refuses what doesn't fit."""

    def hold(self, reservation: Reservation, ended: EndedBy) -> AbstractAsyncContextManager[Hold]:
        """Reserve durably on every scope.

        Raises BudgetExceeded, InvalidApiKey (revoked or expired since it was looked up),
        DuplicateRequest or LedgerUnavailable on enter.

        On exit, shielded from cancellation and committed before it returns, what `ended` says is
        entered: settled where it is charged, else released.  It is asked just as well where the
        context was never entered though something was held: its caller had gone.
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

    async def count_tokens(self, call: Call) -> TokenCount:
        """The vendor's own count of the prompt, which is free.  Raises UpstreamError."""

    async def close(self) -> None:
        """Close every connection."""


class Breaker(Protocol):
    """Knows which models fail at which upstreams."""

    @property
    def states(self) -> Mapping[tuple[str, str], State]:
        """By upstream and model, those that are not closed."""

    def admits(self, upstream: str, model: str) -> bool:
        """Whether a call should go there that could go elsewhere."""

    def failed(self, upstream: str, model: str) -> None:
        """An attempt there failed, by no fault of its caller."""

    def answered(self, upstream: str, model: str) -> None:
        """An attempt there was answered, if only by a refusal."""


class Memory(Protocol):
    """Remembers conversations between calls.

    Everything is right without it: it may have forgotten anything, and raises nothing.
    """

    async def recall(self, asked: Asked) -> tuple[Conversation | None, Mapping[str, Shared]]:
        """What is known of the call's conversation, and, by model, of its prompt's prefix."""

    def learn(self, lesson: Lesson) -> None:
        """Note what an answered call taught; nobody waits for it."""

    async def close(self) -> None:
        """Let go of every connection."""


class Recorder(Protocol):
    """Is told what happened; never asked, never awaited."""

    def record(self, call: Ended) -> None:
        """Note a finished call."""

    def refused(self, call: Refused) -> None:
        """Note a call that was refused before its hold, and so has no row."""

    def not_counted(self, call: Refused) -> None:
        """Note that the upstream would not count a prompt's tokens for a caller."""


class LedgerWatcher(Protocol):
    """Is told of the ledger's own work."""

    def committed(self, entries: int, seconds: float) -> None:
        """Note a transaction, how much was entered and how long it took."""

    def orphaned(self, holds: int) -> None:
        """Note holds of lost processes that were charged."""
