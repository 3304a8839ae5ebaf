"""What a call needs of the gateway, what it comes with, and what can cut it short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from app.calls.clock import CLOCK, Clock
from app.calls.recent_scores import RecentScores
from app.core.values import value

if TYPE_CHECKING:
    from app.calls.attempts import RetryOptions
    from app.core.ended import Ending
    from app.core.keys import Key
    from app.core.preparation import Policy
    from app.core.request import Request
    from app.ports import Breaker, Ledger, Memory, Recorder, Upstream

OutcomeOf: TypeAlias = Callable[[BaseException, str], tuple[int, str]]
"""The status and code that callers of a dialect are told when a call ends with an error."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything a call needs, built once by `create_app`; replaced whole when prices reload.

    `now` (UTC) decides which prices apply and which models are retired; `keeps_content` that the
    recorders are told what was answered. `scores` outlive a reload.
    """

    ledger: Ledger
    upstreams: Mapping[str, Upstream]
    policy: Policy
    retries: RetryOptions
    now: Callable[[], datetime]
    outcome_of: OutcomeOf
    recorder: Recorder
    breaker: Breaker
    memory: Memory
    clock: Clock = CLOCK
    keeps_content: bool = False
    scores: RecentScores = field(default_factory=RecentScores)


@value
class Incoming:
    """One call as the API layer hands it over. `native` leaves a named model's request as it is.

    `conversation` is the id of the one it belongs to, `session` what the caller names that;
    `traceparent` the caller's own span, as W3C has it; `agent` what it calls the one of several
    within the conversation that asks.
    """

    request: Request
    key: Key
    request_id: str
    dialect: str
    conversation: str
    session: str | None = None
    native: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    traceparent: str | None = None
    agent: str | None = None


@dataclass(slots=True)
class Interruption:
    """Why a call is being cut short: whoever cuts it says so here first.

    A call that is cancelled while nobody has said why is one that the stopping gateway gave up.
    """

    reason: Ending | None = None
