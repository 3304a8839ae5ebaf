"""A call's stream, once one of its targets has begun to answer."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from app.calls.attempts import first_answer

if TYPE_CHECKING:
    from types import TracebackType

    from app.calls.attempts import RetryOptions
    from app.calls.clock import Clock
    from app.calls.held import Held
    from app.core.targets import Target
    from app.ports import UpstreamStream


class Opened:
    """The first stream that begins, as a context: left, its connection is let go."""

    def __init__(self, held: Held, options: RetryOptions, clock: Clock) -> None:
        self._held = held
        self._options = options
        self._clock = clock
        self._context: AbstractAsyncContextManager[UpstreamStream]

    async def __aenter__(self) -> UpstreamStream:
        held = self._held
        answer = await first_answer(held.targets(), self._open, held, self._options, self._clock)
        held.opened(answer)
        return answer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, traceback)

    async def _open(self, target: Target) -> UpstreamStream:
        self._context = self._held.upstream(target).stream(self._held.call(target))
        return await self._context.__aenter__()
