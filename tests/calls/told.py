"""One call told through to its end, over fakes of everything outside."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.calls.attempts import RetryOptions
from app.calls.clock import Clock
from app.calls.gateway import Gateway, Incoming, Interruption
from app.calls.story import process, stream
from app.core.caching import CacheRules
from app.core.ended import Ended, Ending
from app.core.keys import Key
from app.core.preparation import Policy
from app.core.receipt import Opening, Receipt
from app.core.request import Reply, Request
from app.core.routing import Rules
from app.core.usage import Usage
from app.ports import Part
from app.store.memory.process import ProcessMemory
from app.upstream.breakers import Breakers
from app.web.errors import outcome_of
from tests.calls.fakes import (
    HEADERS,
    After,
    FixedClock,
    RecordingLedger,
    Recordings,
    ScriptedUpstream,
)
from tests.core.catalogs import CATALOG

# $1 per million tokens of input, $5 of output: 10 in and 20 out are 110,000 nano-USD.
ANSWER = Reply(
    "msg_1", "haiku-model", (), "end_turn", Usage(input_tokens=10, output_tokens=20),
    headers=HEADERS,
)  # fmt: skip
CONVERSATION = "0123456789abcdef"
HI: dict[str, Any] = {
    "model": "haiku-model",
    "messages": ({"role": "user", "content": "Hi"},),
    "max_tokens": 1_000,
}


@dataclass
class Told:
    """What came of a call, and what the world saw of it."""

    ledger: RecordingLedger
    upstream: ScriptedUpstream
    recordings: Recordings
    clock: FixedClock
    raised: type[BaseException] | None = None
    receipt: Receipt | None = None
    opening: Opening | None = None
    parts: list[Part] = field(default_factory=list)

    @property
    def ended(self) -> Ended:
        (row,) = self.ledger.rows.values()
        assert row is not None
        assert self.recordings.calls == [row]  # telemetry hears what the row says
        assert self.ledger.held == {"key_1": 0}
        assert self.ledger.spent == {"key_1": row.cost_nano_usd}
        return row

    @property
    def summary(self) -> tuple[object, ...]:
        """State, cost, its source, status and code, as the row has them."""
        ended = self.ended
        state = "settled" if ended.is_charged else "released"
        source = ended.cost_source
        return state, ended.cost_nano_usd, source, ended.status, ended.error_code

    @property
    def attempts(self) -> list[tuple[object, ...]]:
        return [(a.status, a.error, a.cost_nano_usd, str(a.basis)) for a in self.ended.attempts]


async def whole(script: Sequence[After], **world: Any) -> Told:
    told, gateway, incoming = set_up(script, **world)
    try:
        _, told.receipt = await process(incoming, gateway)
    except BaseException as error:  # noqa: BLE001  # cancellations too
        told.raised = type(error)
    return told


async def streamed(
    script: Sequence[After],
    *,
    leaves_after: int | None = None,
    leaves_by: BaseException | None = None,
    reason: Ending | None = None,
    **world: Any,
) -> Told:
    """`leaves_after` so many items whoever listens is gone: closed, or ended by `leaves_by`."""
    told, gateway, incoming = set_up(script, stream=True, **world)
    interruption = Interruption()
    telling = stream(incoming, gateway, interruption)
    try:
        async for item in telling:
            if isinstance(item, Opening):
                told.opening = item
            elif isinstance(item, Receipt):
                told.receipt = item
            else:
                told.parts.append(item)
            if leaves_after == len(told.parts):
                interruption.reason = reason
                if leaves_by is None:
                    await telling.aclose()
                else:
                    await telling.athrow(leaves_by)
                break
    except BaseException as error:  # noqa: BLE001
        told.raised = type(error)
    return told


async def left_while_opening(script: Sequence[After], reason: Ending | None) -> Told:
    """A stream whose caller leaves before it begins: its task is cancelled meanwhile."""
    told, gateway, incoming = set_up([*script, After(1.0, asyncio.CancelledError())], stream=True)
    try:
        await anext(stream(incoming, gateway, Interruption(reason)))
    except BaseException as error:  # noqa: BLE001
        told.raised = type(error)
    return told


def set_up(
    script: Sequence[After],
    *,
    limit: int | None = None,
    counts: int | None = 10,
    stream: bool = False,
    native: bool = False,
    interrupts: BaseException | None = None,
    retries: RetryOptions | None = None,
    policy: Policy | None = None,
    breaker: Breakers | None = None,
    key: Mapping[str, Any] | None = None,
    **request: Any,
) -> tuple[Told, Gateway, Incoming]:
    clock = FixedClock(interrupts=interrupts)
    told = Told(
        RecordingLedger({"key_1": limit}),
        ScriptedUpstream(clock, list(script), counts),
        Recordings(),
        clock,
    )
    gateway = Gateway(
        ledger=told.ledger,
        upstreams=dict.fromkeys(("anthropic", "second", "other"), told.upstream),
        policy=policy or Policy(CATALOG, Rules(), CacheRules(mode="off")),
        retries=retries or RetryOptions(),
        now=lambda: datetime(2026, 11, 30, 12, tzinfo=UTC),
        outcome_of=outcome_of,
        recorder=told.recordings,
        breaker=breaker or Breakers(lambda *_: None, clock.now_s),
        memory=ProcessMemory(clock.now_s),
        clock=Clock(clock.now_s, clock.sleep),
    )
    made = datetime(2026, 11, 1, tzinfo=UTC)
    owner = Key("key_1", "one", "tk-one", made, max_budget_nano_usd=limit, **(key or {}))
    asked = Request(**{**HI, "stream": stream, **request})
    dialect = "anthropic_messages" if native else "openai_chat"
    return told, gateway, Incoming(asked, owner, "req_1", dialect, CONVERSATION, native=native)
