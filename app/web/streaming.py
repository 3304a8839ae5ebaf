"""Relay one stream to its caller, and stop the upstream when the caller leaves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from app.calls.gateway import Incoming, Interruption
from app.calls.story import stream
from app.core.ended import Ending
from app.core.receipt import Opening, Receipt
from app.ports import Part
from app.web.exchange import NO_STORE, SSE, UNBUFFERED, Exchange
from app.web.headers import opening_headers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from starlette.types import Receive

STALLED_S = 60.0  # a caller that reads nothing for so long is gone


class Writer(Protocol):
    """Puts one stream into a dialect's own bytes."""

    def part(self, raw: bytes, events: list[dict[str, Any]]) -> bytes:
        """Bytes for what has just come; may be empty."""

    def finish(self, receipt: Receipt) -> bytes:
        """The last bytes of a whole stream."""

    def fail(self, error: Exception) -> bytes:
        """The error event that ends a broken stream."""


@dataclass(slots=True)
class _Caller:
    """Watches for the caller's leaving; `task` is cancelled then, unless the rest is drained."""

    task: asyncio.Task[Any]
    drain: bool
    interruption: Interruption
    gone: bool = False

    async def watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if not self.drain:
            self.interruption.reason = Ending.CALLER_LEFT
            self.task.cancel()

    def stalled(self) -> None:
        """It reads nothing any more: as good as gone."""
        self.gone = True
        self.interruption.reason = Ending.CALLER_LEFT


@dataclass(slots=True)
class _Story:
    """Closes the story with whatever ended its telling, so that its row says the same."""

    parts: AsyncGenerator[Opening | Part | Receipt, None]

    async def __aenter__(self) -> AsyncGenerator[Opening | Part | Receipt, None]:
        return self.parts

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is None:
            await self.parts.aclose()
        else:
            await self.parts.athrow(error)


async def send_stream(
    incoming: Incoming, exchange: Exchange, writer_for: Callable[[Opening], Writer]
) -> None:
    """Answer with a stream.  Raises GatewayError; once it has begun, `exchange.fail` is set."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a stream is sent from within a task")
    drain = exchange.running.settings.streams.on_disconnect == "drain"
    interruption = Interruption()
    caller = _Caller(task, drain, interruption)
    watcher = asyncio.create_task(caller.watch(exchange.receive))
    try:
        async with _Story(stream(incoming, exchange.running.gateway, interruption)) as parts:
            opening = await anext(parts)
            if not isinstance(opening, Opening):
                raise TypeError("a stream opens with its Opening")
            writer = writer_for(opening)
            await exchange.begin(200, [SSE, NO_STORE, UNBUFFERED, *opening_headers(opening)])
            exchange.fail = writer.fail
            await _relay(parts, writer, caller, exchange)
            if not caller.gone:
                await exchange.last()
    except asyncio.CancelledError:
        if not caller.gone:
            raise
        task.uncancel()
    finally:
        watcher.cancel()


async def _relay(
    parts: AsyncGenerator[Opening | Part | Receipt, None],
    writer: Writer,
    caller: _Caller,
    exchange: Exchange,
) -> None:
    sent = False  # the first part takes the head along, even one that says nothing
    async for part in parts:
        if isinstance(part, Part):
            body = writer.part(part.raw, part.events)
        elif isinstance(part, Receipt):
            body = writer.finish(part)
        else:
            continue
        if (body or not sent) and not caller.gone and not await _taken(exchange, body):
            caller.stalled()
            return
        sent = True


async def _taken(exchange: Exchange, body: bytes) -> bool:
    """Send a part; False when the caller has not read for so long that it must be gone."""
    try:
        async with asyncio.timeout(STALLED_S):
            await exchange.part(body)
    except TimeoutError:
        return False
    return True
