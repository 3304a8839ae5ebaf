"""The world as a call sees it, in memory: a ledger, an upstream that follows a script, a clock.

The ledger passes tests/store/ledger/test_contract.py, the upstream tests/upstream/test_contract.py,
beside the real ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from app.core.budgets import Grant, Scope, Shortfall, Wanted, admit
from app.core.ended import Ended, Refused
from app.core.errors import (
    APIResponseValidationError,
    BudgetExceeded,
    DuplicateRequest,
    InvalidApiKey,
    status_error,
)
from app.core.metering import Meter
from app.core.request import Reply, TokenCount
from app.core.targets import Target
from app.dialects.anthropic.stream import StreamTap
from app.dialects.anthropic.wire import status_of_error
from app.ports import Call, EndedBy, Part, Reservation


@dataclass
class FixedClock:
    """Time that passes when somebody says so."""

    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)
    interrupts: BaseException | None = None

    def now_s(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.interrupts is not None:
            raise self.interrupts
        self.now += seconds


@dataclass
class RecordingLedger:
    """Implements ports.Ledger for keys with a limit each; a row is None until its call ended."""

    limits_nano_usd: dict[str, int | None] = field(default_factory=dict)
    rows: dict[str, Ended | None] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)  # charged without an account
    spent: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    taken: set[tuple[str, str]] = field(default_factory=set)

    def hold(self, reservation: Reservation, ended: EndedBy) -> RecordingHold:
        return RecordingHold(self, reservation, ended)

    def admitted(self, key_id: str, wanted: Wanted) -> Grant | Shortfall:
        spent, held = self.spent.get(key_id, 0), self.held.get(key_id, 0)
        return admit([Scope("key", self.limits_nano_usd.get(key_id), spent, held)], wanted)

    def move(self, key_id: str, *, spent: int = 0, held: int = 0) -> None:
        self.spent[key_id] = self.spent.get(key_id, 0) + spent
        self.held[key_id] = self.held.get(key_id, 0) + held


class RecordingHold:
    """The context that the ledger hands out, and its Hold."""

    def __init__(self, ledger: RecordingLedger, asked: Reservation, ended: EndedBy) -> None:
        self.granted_nano_usd = 0
        self.held_nano_usd = 0
        self.remaining_nano_usd: int | None = None
        self._ledger = ledger
        self._asked = asked
        self._ended = ended

    async def __aenter__(self) -> Self:
        ledger, asked, key_id = self._ledger, self._asked, self._asked.key.id
        if key_id in ledger.revoked:
            raise InvalidApiKey("this key is revoked")
        if asked.idempotency_key is not None:
            once = (key_id, asked.idempotency_key)
            if once in ledger.taken:
                raise DuplicateRequest("it is running or was billed")
        wanted = Wanted(
            asked.bound_nano_usd, asked.least_nano_usd, asked.fixed_nano_usd, asked.share_ppm
        )
        granted = ledger.admitted(key_id, wanted)
        if isinstance(granted, Shortfall):
            raise BudgetExceeded(granted)
        if asked.idempotency_key is not None:
            ledger.taken.add((key_id, asked.idempotency_key))
        self.granted_nano_usd = self.held_nano_usd = granted.nano_usd
        ledger.move(key_id, held=granted.nano_usd)
        ledger.rows[asked.request_id] = None
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        ledger, asked, key_id = self._ledger, self._asked, self._asked.key.id
        cost = self.held_nano_usd
        try:
            ended = self._ended(self, error)
            ledger.rows[asked.request_id], cost = ended, ended.cost_nano_usd
            if asked.idempotency_key is not None and not ended.is_charged:
                ledger.taken.discard((key_id, asked.idempotency_key))
        except BaseException:
            ledger.lost[asked.request_id] = cost
            raise
        finally:
            ledger.move(key_id, spent=cost, held=-self.held_nano_usd)
            limit = ledger.limits_nano_usd.get(key_id)
            if limit is not None:
                self.remaining_nano_usd = limit - ledger.spent[key_id] - ledger.held[key_id]

    async def extend(self, target: Target, charged_nano_usd: int) -> bool:
        more = charged_nano_usd + target.bound.nano_usd - self.held_nano_usd
        if more <= 0:
            return True
        key_id = self._asked.key.id
        if isinstance(self._ledger.admitted(key_id, Wanted(more, more)), Shortfall):
            return False
        self._ledger.move(key_id, held=more)
        self.held_nano_usd += more
        return True


@dataclass(frozen=True)
class After:
    """What an attempt comes to, so many seconds after it was sent."""

    seconds: float
    outcome: Reply | BaseException | Sequence[After]
    event: Mapping[str, Any] | None = None


def says(seconds: float, event: Mapping[str, Any]) -> After:
    """An event of a stream."""
    return After(seconds, (), event)


HEADERS = {"request-id": "req_up"}


@dataclass
class ScriptedUpstream:
    """Implements ports.Upstream: each attempt takes the next of `script`.

    `counts` is its count of any prompt; None: it can't tell.
    """

    clock: FixedClock
    script: list[After]
    counts: int | None = 10
    sent: list[Call] = field(default_factory=list)
    counted: int = 0

    async def send(self, call: Call) -> Reply:
        outcome = self._next(call).outcome
        if isinstance(outcome, Reply):
            return outcome
        raise outcome if isinstance(outcome, BaseException) else TypeError("a stream was scripted")

    def stream(self, call: Call) -> ScriptedStream:
        return ScriptedStream(self, call)

    def _next(self, call: Call) -> After:
        self.sent.append(call)
        step = self.script.pop(0)
        self.clock.now += step.seconds
        return step

    async def count_tokens(self, _call: Call) -> TokenCount:
        self.counted += 1
        if self.counts is None:
            raise APIResponseValidationError("it does not count")
        return TokenCount(self.counts)

    async def close(self) -> None:
        self.script.clear()


class ScriptedStream:
    """Implements ports.UpstreamStream."""

    def __init__(self, upstream: ScriptedUpstream, call: Call) -> None:
        self.headers: Mapping[str, str] = HEADERS
        self.closed = False
        self._upstream = upstream
        self._call = call
        self._tap = StreamTap(lambda: False)
        self.meter: Meter = self._tap.meter
        self._steps: Iterable[After] = ()

    async def __aenter__(self) -> Self:
        outcome = self._upstream._next(self._call).outcome
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(outcome, Reply):
            raise TypeError("a whole answer was scripted")
        self._steps = outcome
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.closed = True

    async def parts(self) -> AsyncIterator[Part]:
        clock = self._upstream.clock
        for step in self._steps:
            clock.now += step.seconds
            if isinstance(step.outcome, BaseException):
                raise step.outcome
            event = dict(step.event or {})
            self._tap.feed([event], clock.now)
            yield Part(repr(event).encode(), [event])
            if self._tap.error is not None:
                status = status_of_error(self._tap.error)
                raise status_error(status)("it broke off", status=status)
            if self.meter.finished:
                return
        raise APIResponseValidationError("the stream ended too early")


@dataclass
class Recordings:
    """Implements ports.Recorder."""

    calls: list[Ended] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)

    def record(self, call: Ended) -> None:
        self.calls.append(call)

    def refused(self, call: Refused) -> None:
        self.codes.append(call.code)

    def not_counted(self, call: Refused) -> None:
        self.codes.append(call.code)
