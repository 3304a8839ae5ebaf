"""What has happened so far in one call, and the value that it ends as."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from app.core.ended import Attempt, Basis, Ended, Ending
from app.core.errors import (
    APIStatusError,
    APITimeoutError,
    CallerLeft,
    GatewayStopped,
    Refusal,
    UncertainError,
    UpstreamError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.calls.gateway import Incoming, Interruption, OutcomeOf
    from app.core.ended import Charge
    from app.core.misses import Miss
    from app.core.preparation import Prepared
    from app.core.request import Block
    from app.core.targets import Target
    from app.ports import Hold

REQUEST_ID = "request-id"
GENERATION_ID = "x-generation-id"
OK = 200
_log = logging.getLogger("tollkeeper.calls")
CUT_SHORT = {Ending.CALLER_LEFT: CallerLeft, Ending.GATEWAY_STOPPED: GatewayStopped}


class Course:
    """The attempts of one call, the last of them perhaps still open.

    `charge` is for the answer, whole or as far as it came; `date` the upstream's clock with it,
    `told` its word for why its cache missed.
    """

    __slots__ = (
        *("attempts", "charge", "content", "date", "is_open", "now_s", "started_s", "target"),
        *("told", "ttft_ms"),
        *("_begun_s", "_generation_id", "_message", "_request_id", "_status"),
    )

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.attempts: list[Attempt] = []
        self.charge: Charge | None = None
        self.now_s = now_s
        self.started_s = self._begun_s = now_s()
        self.ttft_ms: int | None = None
        self.content: tuple[Block, ...] | None = None
        self.target: Target | None = None
        self.date: str | None = None
        self.told: str | None = None
        self.is_open = False
        self._status: int | None = None
        self._request_id: str | None = None
        self._message: str | None = None
        self._generation_id: str | None = None

    @property
    def number(self) -> int:
        """How many attempts were made, the open one too."""
        return len(self.attempts) + self.is_open

    @property
    def elapsed_s(self) -> float:
        """Since the last attempt was begun."""
        return self.now_s() - self._begun_s

    @property
    def charged_nano_usd(self) -> int:
        """What all attempts that are over are charged."""
        return sum([attempt.cost_nano_usd for attempt in self.attempts])

    def begin(self, target: Target) -> None:
        """An attempt is about to be sent."""
        self.target, self.is_open = target, True
        self._status = self._request_id = self._message = self._generation_id = None
        self._begun_s = self.now_s()

    def answered(self, headers: Mapping[str, str]) -> None:
        """The open attempt's answer has come, or begun to."""
        self._status, self._request_id = OK, headers.get(REQUEST_ID)
        self._generation_id = headers.get(GENERATION_ID)
        self.date = headers.get("date")

    def close(self, error: str | None, cost_nano_usd: int, basis: Basis) -> None:
        """The open attempt is over."""
        target, self.is_open = self.target, False
        if target is None:
            raise RuntimeError("no attempt was begun")
        self.attempts.append(
            Attempt(
                target.upstream,
                target.model.id,
                self._status,
                error,
                round((self.now_s() - self._begun_s) * 1_000),
                self._request_id,
                cost_nano_usd,
                basis,
                round((self._begun_s - self.started_s) * 1_000),
                self._message,
                self._generation_id,
            )
        )

    def failed(self, error: BaseException | None) -> None:
        """Note what the upstream said with an error."""
        if isinstance(error, UpstreamError):
            self._message = error.message
        if isinstance(error, APIStatusError):
            self._status = error.status
            self._request_id = error.headers.get(REQUEST_ID) or self._request_id
        elif isinstance(error, UncertainError):
            self._status = error.status or self._status
            self._request_id = error.request_id or self._request_id
            self._generation_id = error.generation_id or self._generation_id


def why_ended(error: BaseException | None, interruption: Interruption) -> Ending:
    """The kind of a call's end; being cancelled says nothing, so `interruption` does."""
    if error is None:
        return Ending.ANSWERED
    if isinstance(error, asyncio.CancelledError):
        return interruption.reason or Ending.GATEWAY_STOPPED
    if isinstance(error, GeneratorExit):
        return interruption.reason or Ending.BUG
    if isinstance(error, Refusal | APIStatusError):
        return Ending.REFUSED
    if isinstance(error, APITimeoutError):
        return Ending.DEADLINE
    return Ending.FAILED if isinstance(error, UpstreamError) else Ending.BUG


def ended(  # noqa: PLR0913  # the facts of an end, all of them different
    course: Course,
    incoming: Incoming,
    prepared: Prepared,
    hold: Hold,
    *,
    reason: Ending,
    error: BaseException | None,
    outcome_of: OutcomeOf,
    prefix: str | None = None,
    miss: Miss | None = None,
) -> Ended:
    """The call as it stands, ended by `error`.  Whatever attempt is open is charged its bound."""
    if course.is_open:
        course.close(error_name(error, reason), prepared.bound.nano_usd, Basis.BOUND)
    charge, attempts, target = course.charge, tuple(course.attempts), course.target
    answered = 0 if charge is None else charge.cost.total
    other_nano_usd = course.charged_nano_usd - answered
    latency_ms = round((course.now_s() - course.started_s) * 1_000)
    status, code = _told(error, reason, incoming.dialect, outcome_of)
    return Ended(
        incoming.request_id,
        incoming.key,
        incoming.dialect,
        prepared.request,
        (charge and charge.model) or prepared.model.id,
        prepared.model.upstreams[0] if target is None else target.upstream,
        prepared.route,
        prepared.cache,
        attempts,
        charge,
        other_nano_usd,
        hold.held_nano_usd,
        reason,
        error,
        status,
        code,
        latency_ms,
        course.ttft_ms,
        incoming.conversation,
        incoming.session,
        incoming.traceparent,
        course.content,
        prefix,
        miss,
    )


def _told(
    error: BaseException | None, reason: Ending, dialect: str, outcome_of: OutcomeOf
) -> tuple[int, str | None]:
    """The status and the code that the caller was told, or would have been."""
    if error is None:
        return OK, None
    cut = CUT_SHORT.get(reason)
    return outcome_of(error if cut is None else cut("the call was cut short"), dialect)


def error_name(error: BaseException | None, reason: Ending) -> str | None:
    """What an attempt shows of its end: the error's name, or why it was cut short."""
    if error is None:
        return None
    return str(reason) if reason in CUT_SHORT else type(error).__name__


def warn_of_overrun(told: Ended) -> None:
    """A bound that was none is somebody's mistake: the log says whose call it was."""
    if told.cost_nano_usd > told.held_nano_usd:
        _log.warning(
            "a call cost more than was held for it",
            extra={
                "request_id": told.request_id,
                "key_id": told.key.id,
                "model": told.model,
                "cost_nano_usd": told.cost_nano_usd,
                "held_nano_usd": told.held_nano_usd,
            },
        )
