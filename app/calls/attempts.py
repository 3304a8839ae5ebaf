"""One call's attempts: where each goes, when a failed one is tried again, and how long after."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from app.calls.clock import CLOCK, Clock
from app.calls.retry_after import retry_after_s
from app.core.errors import (
    APIConnectionError,
    APIStatusError,
    ConflictError,
    InternalServerError,
    RateLimitError,
    RequestTimeoutError,
    UncertainError,
    UpstreamError,
)
from app.core.targets import Target
from app.core.values import value

TRANSIENT = (
    APIConnectionError,
    RequestTimeoutError,
    ConflictError,
    RateLimitError,
    InternalServerError,
    UncertainError,
)
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
JITTER = 0.25

_T = TypeVar("_T")


@value
class RetryOptions:
    """How often and how long a call is tried."""

    max_attempts: int = 3
    max_elapsed_s: float = 60.0
    max_retry_after_s: float = 30.0


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help; the upstream's `x-should-retry` has the last word."""
    if isinstance(error, APIStatusError):
        wish = error.headers.get("x-should-retry")
        if wish in ("true", "false"):
            return wish == "true"
    return isinstance(error, TRANSIENT)


def backoff_s(attempt: int, jitter: float) -> float:
    """0.5 s doubled after each attempt, at most 8 s, less up to a quarter (`jitter` in 0..1)."""
    longest_s = min(FIRST_WAIT_S * 2.0 ** (attempt - 1), LONGEST_WAIT_S)
    return longest_s * (1 - JITTER * jitter)


class Told(Protocol):
    """Who is told of each attempt, and asked before another one is made."""

    def begin(self, target: Target) -> None:
        """An attempt is about to be sent to `target`."""

    async def failed(self, error: UpstreamError) -> None:
        """It failed: what it is charged is settled now."""

    async def may_try(self, target: Target) -> bool:
        """Whether what another attempt can cost could be held on top of that."""


async def first_answer(
    targets: Sequence[Target],
    one_try: Callable[[Target], Awaitable[_T]],
    told: Told,
    options: RetryOptions,
    clock: Clock = CLOCK,
) -> _T:
    """The first success: each target in turn, as often as its failures pass.

    Raises the last UpstreamError: when it is no passing one, when every target has been tried
    often enough, when the wait would be too long, or when another attempt doesn't fit.
    """
    started_s = clock.now_s()
    for target, other in zip(targets, (*targets[1:], None), strict=False):
        tries = 0
        while True:
            tries += 1
            told.begin(target)
            try:
                return await one_try(target)
            except UpstreamError as error:
                await told.failed(error)
                if not is_transient(error):
                    raise
                wait_s = _wait_s(error, tries, clock.now_s() - started_s, options)
                following = other if wait_s is None else target
                if following is None or not await told.may_try(following):
                    raise
            if wait_s is None:
                break
            await clock.sleep(wait_s)
    raise ValueError("a call needs a target")


def _wait_s(
    error: UpstreamError, tries: int, elapsed_s: float, options: RetryOptions
) -> float | None:
    """How long to wait before the same target is tried again; None when it is not."""
    if tries >= options.max_attempts:
        return None
    asked_s = None
    if isinstance(error, APIStatusError):
        asked_s = retry_after_s(error.headers, datetime.now(UTC))
        if asked_s is not None and asked_s > options.max_retry_after_s:
            return None
    if asked_s is None:
        asked_s = backoff_s(tries, random.random())  # noqa: S311 - spreads load
    return asked_s if elapsed_s + asked_s <= options.max_elapsed_s else None
