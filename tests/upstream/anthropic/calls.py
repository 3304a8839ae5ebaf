"""Calls to make and a hold that remembers them, for the upstream's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.calls.attempts import OpenedStream, Retries
from app.core.models import Limits, Model
from app.core.request import Reply, Request
from app.ports import Attempt, Call, Charge, Upstream, UpstreamStream

HAIKU = "claude-haiku-4-5-20251001"
API_KEY = "sk-ant-very-secret"


@dataclass
class RecordingHold:
    """A hold with room for `room` more bounds."""

    room: int = 9
    request_id: str = "call_1"
    granted_nano_usd: int = 1_000
    kept_nano_usd: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    ttft_ms: int | None = None
    held: int = 0
    charges: list[Charge] = field(default_factory=list)

    async def hold_another(self) -> bool:
        if self.held >= self.room:
            return False
        self.held += 1
        self.kept_nano_usd += self.granted_nano_usd
        return True

    def settle(self, charge: Charge) -> None:
        self.charges.append(charge)

    @property
    def remaining_nano_usd(self) -> int | None:
        return None

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
    model = Model(HAIKU, ("anthropic",), (), Limits(200_000, 64_000, 4_096))
    return Call(Request(**request), model, headers or {})


@dataclass(frozen=True)
class Tried:
    """An upstream whose failed attempts are made again."""

    upstream: Upstream
    retries: Retries

    async def send(self, call: Call, hold: RecordingHold) -> Reply:
        upstream = self.upstream
        return await self.retries.run(
            lambda: upstream.send(call), lambda reply: reply.headers, "anthropic", hold
        )

    def stream(self, call: Call, hold: RecordingHold) -> OpenedStream:
        upstream = self.upstream
        return OpenedStream(self.retries, lambda: upstream.stream(call), "anthropic", hold)

    async def count_tokens(self, call: Call) -> int:
        return await self.upstream.count_tokens(call)


async def bytes_of(stream: UpstreamStream) -> AsyncIterator[bytes]:
    """What a stream's parts carry."""
    async for part in stream.parts():
        yield part.raw
