"""When a failed attempt is tried again, and how long after."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState

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
from app.core.values import value
from app.ports import Attempt, Hold, UpstreamStream

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
REQUEST_ID = "request-id"

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


class Retries:
    """Tries attempts until one succeeds, none is left, or waiting would take too long."""

    def __init__(self, options: RetryOptions) -> None:
        self._options = options

    async def run(
        self,
        attempt: Callable[[], Awaitable[_T]],
        headers_of: Callable[[_T], Mapping[str, str]],
        upstream: str,
        hold: Hold,
    ) -> _T:
        """The first success; every try is noted in `hold.attempts`.

        Before retrying what may have been billed, another bound is held.  Raises the last
        UpstreamError.
        """
        # The first try is made without tenacity, whose bookkeeping is dear and nearly always
        # idle; a failure is then raised again as the first attempt that tenacity sees.
        started_s = time.monotonic()
        try:
            return await self._noted(attempt, headers_of, upstream, hold)
        except UpstreamError as error:
            if not is_transient(error):
                raise
            first = error

        async def again() -> _T:
            return await self._noted(attempt, headers_of, upstream, hold)

        return await self._retried(again, first, started_s, hold)

    async def _retried(
        self,
        again: Callable[[], Awaitable[_T]],
        first: UpstreamError,
        started_s: float,
        hold: Hold,
    ) -> _T:
        failed: UpstreamError | None = first

        async def one_try() -> _T:
            nonlocal failed
            if failed is not None:
                error, failed = failed, None
                raise error
            return await again()

        async def keep_bound(state: RetryCallState) -> None:
            error = _error_of(state)
            if isinstance(error, UncertainError):
                if not await hold.hold_another():
                    raise error
                hold.attempts[-1] = replace(hold.attempts[-1], charged=True)

        retrying = AsyncRetrying(
            retry=lambda state: state.outcome is not None and _is_retried(state),
            wait=self._wait_s,
            stop=lambda state: self._is_over(state, time.monotonic() - started_s),
            before_sleep=keep_bound,
            reraise=True,
        )
        return await retrying(one_try)

    async def _noted(
        self,
        attempt: Callable[[], Awaitable[_T]],
        headers_of: Callable[[_T], Mapping[str, str]],
        upstream: str,
        hold: Hold,
    ) -> _T:
        started_s = time.monotonic()
        status: int | None = 200
        error_name: str | None = None
        request_id: str | None = None
        try:
            result = await attempt()
            request_id = headers_of(result).get(REQUEST_ID)
            return result
        except BaseException as error:
            status = error.status if isinstance(error, APIStatusError | UncertainError) else None
            if isinstance(error, APIStatusError):
                request_id = error.headers.get(REQUEST_ID)
            elif isinstance(error, UncertainError):
                request_id = error.request_id
            error_name = type(error).__name__
            raise
        finally:
            latency_ms = round((time.monotonic() - started_s) * 1000)
            hold.attempts.append(Attempt(upstream, status, error_name, latency_ms, request_id))

    def _wait_s(self, state: RetryCallState) -> float:
        asked_s = self._asked_s(state)
        if asked_s is not None:
            return asked_s
        return backoff_s(state.attempt_number, random.random())  # noqa: S311 - spreads load

    def _is_over(self, state: RetryCallState, elapsed_s: float) -> bool:
        options = self._options
        asked_s = self._asked_s(state)
        return (
            state.attempt_number >= options.max_attempts
            or (asked_s is not None and asked_s > options.max_retry_after_s)
            or elapsed_s + state.upcoming_sleep > options.max_elapsed_s
        )

    @staticmethod
    def _asked_s(state: RetryCallState) -> float | None:
        error = _error_of(state)
        if not isinstance(error, APIStatusError):
            return None
        return retry_after_s(error.headers, datetime.now(UTC))


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _is_retried(state: RetryCallState) -> bool:
    error = _error_of(state)
    return error is not None and is_transient(error)


class OpenedStream:
    """A stream once an attempt has opened it; entered and left as a context."""

    def __init__(
        self,
        retries: Retries,
        stream: Callable[[], AbstractAsyncContextManager[UpstreamStream]],
        upstream: str,
        hold: Hold,
    ) -> None:
        self._retries = retries
        self._stream = stream
        self._upstream = upstream
        self._hold = hold

    async def __aenter__(self) -> UpstreamStream:
        return await self._retries.run(self._attempt, _stream_headers, self._upstream, self._hold)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, traceback)

    async def _attempt(self) -> UpstreamStream:
        self._context = self._stream()
        return await self._context.__aenter__()


def _stream_headers(stream: UpstreamStream) -> Mapping[str, str]:
    return stream.headers
