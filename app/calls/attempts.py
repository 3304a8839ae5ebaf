"""One call's attempts: where each goes, when a failed one is tried again, and how long after."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from app.calls.clock import CLOCK, Clock
from app.calls.retry_after import retry_after_s
from app.core.errors import APIStatusError, UpstreamError
from app.core.targets import Target
from app.core.trouble import TRANSIENT, elsewhere_may_help
from app.core.values import value

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
        """Whether what an attempt at `target` can cost is held on top of that."""


async def first_answer(
    targets: Iterable[Target],
    one_try: Callable[[Target], Awaitable[_T]],
    told: Told,
    options: RetryOptions,
    clock: Clock = CLOCK,
) -> _T:
    """The first success: each target in turn, as often as its failures pass.

    `targets` are asked for one by one, each when it is needed; one whose cost can't be held is
    passed over. Raises the last UpstreamError: when it is the same everywhere, when the time is
    over, or when no target is left.
    """
    started_s = clock.now_s()
    failure: UpstreamError | None = None
    for target in targets:
        if failure is not None and clock.now_s() - started_s > options.max_elapsed_s:
            break
        tries, wait_s = 0, 0.0
        while await told.may_try(target):
            if tries:
                await clock.sleep(wait_s)
            tries += 1
            told.begin(target)
            try:
                return await one_try(target)
            except UpstreamError as error:
                failure = error
                await told.failed(error)
                if not (is_transient(error) or elsewhere_may_help(error)):
                    raise
            asked_s = _wait_s(failure, tries, clock.now_s() - started_s, options)
            if asked_s is None:
                break
            wait_s = asked_s
    if failure is None:
        raise ValueError("a call needs a target")
    raise failure


def _wait_s(
    error: UpstreamError, tries: int, elapsed_s: float, options: RetryOptions
) -> float | None:
    """How long to wait before the same target is tried again; None when it is not."""
    if tries >= options.max_attempts or not is_transient(error):
        return None
    asked_s = None
    if isinstance(error, APIStatusError):
        asked_s = retry_after_s(error.headers, datetime.now(UTC))
        if asked_s is not None and asked_s > options.max_retry_after_s:
            return None
    if asked_s is None:
        asked_s = backoff_s(tries, random.random())  # noqa: S311 - spreads load
    return asked_s if elapsed_s + asked_s <= options.max_elapsed_s else None
