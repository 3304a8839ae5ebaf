"""Calls to make and a hold that remembers them, for the upstream's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.calls.attempts import RetryOptions, first_answer
from app.core.bounds import Bound
from app.core.errors import APIStatusError, UncertainError, UpstreamError
from app.core.models import Limits, Model
from app.core.request import Reply, Request, TokenCount
from app.core.targets import Target
from app.ports import Call, Upstream, UpstreamStream
from tests.core.catalogs import HAIKU_RATES, prices

HAIKU = "claude-haiku-4-5-20251001"
API_KEY = "sk-ant-very-secret"
MODEL = Model(HAIKU, ("anthropic",), (), Limits(200_000, 64_000, 4_096))
TARGET = Target(MODEL, "anthropic", prices(HAIKU_RATES), Bound(9, 64, 9_000, 1_000_000, 5_000_000))


@dataclass
class Noted:
    """One attempt as it was told; `charged` where another one had to be held beside it."""

    upstream: str
    status: int | None
    error: str | None
    request_id: str | None
    charged: bool = False


@dataclass
class RecordingHold:
    """Is told of attempts; `room` is how many may be charged and made again."""

    room: int = 9
    held: int = 0
    attempts: list[Noted] = field(default_factory=list)

    def begin(self, _target: Target) -> None:
        self.attempts.append(Noted("anthropic", None, "CancelledError", None))

    def answered(self, headers: Mapping[str, str]) -> None:
        last = self.attempts[-1]
        last.status, last.error, last.request_id = 200, None, headers.get("request-id")

    async def failed(self, error: UpstreamError) -> None:
        last = self.attempts[-1]
        last.error = type(error).__name__
        if isinstance(error, APIStatusError):
            last.status, last.request_id = error.status, error.headers.get("request-id")
        elif isinstance(error, UncertainError):
            last.status, last.request_id = error.status, error.request_id

    async def may_try(self, _target: Target) -> bool:
        if not self.attempts:
            return True
        last = self.attempts[-1]
        if last.error not in ("APITimeoutError", "APIResponseValidationError"):
            return True
        if self.held >= self.room:
            return False
        self.held += 1
        last.charged = True
        return True

    @property
    def outcomes(self) -> list[tuple[int | None, str | None]]:
        return [(attempt.status, attempt.error) for attempt in self.attempts]


def call(headers: Mapping[str, str] | None = None, **fields: Any) -> Call:
    """A call to Haiku that says hi."""
    request = {
        "model": HAIKU,
        "messages": ({"role": "user", "content": "Hi"},),
        "max_tokens": 64,
        **fields,
    }
    return Call(Request(**request), MODEL, headers or {})


@dataclass(frozen=True)
class Tried:
    """An upstream whose failed attempts are made again."""

    upstream: Upstream
    options: RetryOptions

    async def send(self, call: Call, hold: RecordingHold) -> Reply:
        async def one_try(_target: Target) -> Reply:
            return await self.upstream.send(call)

        reply = await first_answer((TARGET,), one_try, hold, self.options)
        hold.answered(reply.headers)
        return reply

    @asynccontextmanager
    async def stream(self, call: Call, hold: RecordingHold) -> AsyncIterator[UpstreamStream]:
        async with AsyncExitStack() as opened:

            async def one_try(_target: Target) -> UpstreamStream:
                return await opened.enter_async_context(self.upstream.stream(call))

            answer = await first_answer((TARGET,), one_try, hold, self.options)
            hold.answered(answer.headers)
            yield answer

    async def count_tokens(self, call: Call) -> TokenCount:
        return await self.upstream.count_tokens(call)


async def bytes_of(stream: UpstreamStream) -> AsyncIterator[bytes]:
    """What a stream's parts carry."""
    async for part in stream.parts():
        yield part.raw
