"""One call under its hold: entered before anything is sent, left with the account of its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from app.calls.chain import Chain, judge, target_of
from app.calls.charges import charge_of, not_billed, stream_charge
from app.calls.ended import Course, ended, error_name, warn_of_overrun, why_ended
from app.calls.gateway import Interruption
from app.calls.ready import ready
from app.calls.receipts import give_receipt
from app.calls.recollection import Recollection
from app.calls.reservations import reservation_of
from app.core.billing import answer_of
from app.core.ended import Basis, Ending
from app.core.errors import APIResponseValidationError, BudgetExceeded, NotSupported, UpstreamError
from app.core.transcript import Transcript
from app.core.unknown import stake_of, unknown_outcome
from app.ports import Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from types import TracebackType

    from app.calls.gateway import Gateway, Incoming
    from app.core.bounds import Bound
    from app.core.ended import Ended
    from app.core.metering import Meter
    from app.core.preparation import Prepared
    from app.core.request import Reply
    from app.core.targets import Target
    from app.ports import Hold, Part, Upstream, UpstreamStream

COUNT_FOR_HOLD_S = 5.0  # a refusal must not wait for long
COUNT_FOR_CHARGE_S = 2.0
_log = logging.getLogger("tollkeeper.calls")


class Held:
    """One call from its hold to its end; implements attempts.Told.

    It is held by its bound or, if only that fits, by the vendor's free count. However it is
    left, the ledger asks for the call's `Ended` and enters that: nobody can forget to settle.
    """

    def __init__(
        self, incoming: Incoming, gateway: Gateway, interruption: Interruption | None = None
    ) -> None:
        self.incoming = incoming
        self.prepared: Prepared
        self.memory = Recollection(gateway)
        self.course = Course(gateway.clock.now_s)
        self._gateway = gateway
        self._interruption = interruption or Interruption()
        self._chain: Chain
        self._hold: Hold
        self._context: AbstractAsyncContextManager[Hold]
        self._entered = False
        self._ended: Ended | None = None
        self._meter: Meter | None = None
        self._transcript = Transcript() if gateway.keeps_content else None
        self._counted: int | None = None
        self._asked_count = False

    async def __aenter__(self) -> Self:
        now = self._gateway.now()
        known = await self.memory.recall(self.incoming, now)
        self.prepared = ready(self.incoming, self._gateway, now, known)
        try:
            await self._enter()
        except BudgetExceeded as refusal:
            await self._enter_again(refusal)
        self._chain = Chain(self.incoming, self._gateway, self.prepared)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.course.is_open:
                await self._close(error)
        finally:
            try:
                await self._context.__aexit__(kind, error, traceback)
            finally:
                self._tell()
                give_receipt(self, error)

    def targets(self) -> Iterable[Target]:
        """Where the call may be sent, in the order in which they are tried."""
        return self._chain.targets(self.course)

    @property
    def _first(self) -> Target:
        return target_of(self.prepared, self.prepared.model.upstreams[0])

    def upstream(self, target: Target) -> Upstream:
        """Who serves the target."""
        return self._gateway.upstreams[target.upstream]

    def call(self, target: Target) -> Call:
        """What it is sent."""
        request = self.memory.asking(self.prepared.request, target, native=self.incoming.native)
        return Call(request, target.model, self.incoming.headers)

    def begin(self, target: Target) -> None:
        """See attempts.Told."""
        if target.model is not self.prepared.model:
            self.prepared = self._chain.prepared_for(target)
            self._counted, self._asked_count = None, False  # each model counts in its own way
        self.course.begin(target)

    async def failed(self, error: UpstreamError) -> None:
        """See attempts.Told."""
        await self._close(error)

    def send(self, target: Target) -> Awaitable[Reply]:
        """One try at a whole answer."""
        return self._gateway.upstreams[target.upstream].send(self.call(target))

    async def may_try(self, target: Target) -> bool:
        """See attempts.Told.  The first one at the call's own model is held already."""
        if target.model is self.prepared.model and not self.course.attempts:
            return True
        return await self._hold.extend(target, self.course.charged_nano_usd)

    def answered(self, reply: Reply) -> None:
        """A whole answer has come: it is charged exactly."""
        self._judge(None)
        course = self.course
        course.answered(reply.headers)
        course.told = reply.cache_miss
        answer = answer_of(reply)
        if self._transcript is not None:
            course.content = reply.content
        charge = charge_of(reply.usage, answer, self.prepared, "computed", reply.message_id)
        course.charge = charge
        course.close(None, charge.cost.total, Basis.USAGE)

    def opened(self, answer: UpstreamStream) -> None:
        """A stream has begun: from here on its meter knows what it used."""
        self.course.answered(answer.headers)
        self._meter = answer.meter

    def seen(self, part: Part) -> None:
        """A part of a stream has come: perhaps the first that the caller can read."""
        course = self.course
        if self._transcript is not None:
            self._transcript.feed(part.events)
        meter = self._meter
        if meter is None or course.ttft_ms is not None:
            return
        if meter.visible_bytes or meter.output_is_known:
            course.ttft_ms = int((course.now_s() - course.started_s) * 1_000)

    def streamed(self) -> None:
        """The stream is whole.  Raises APIResponseValidationError when it never said its count."""
        if not self._close_stream(None):
            raise APIResponseValidationError("the upstream's stream never said what it counted")
        self._judge(None)

    @property
    def remaining_nano_usd(self) -> int | None:
        """What the tightest limit has left, once the hold is settled."""
        return self._hold.remaining_nano_usd

    @property
    def ended(self) -> Ended | None:
        """How the call ended, once it has."""
        return self._ended

    async def _enter(self, *, may_wait: bool = False) -> None:
        asked = reservation_of(self.incoming, self.prepared, may_wait=may_wait)
        context = self._gateway.ledger.hold(asked, self._ended_by)
        self._hold = await context.__aenter__()
        self._context = context
        self._entered = True
        self.prepared = self.prepared.shortened(self._hold.granted_nano_usd)

    async def _enter_again(self, refusal: BudgetExceeded) -> None:
        """The bound does not fit: what the vendor counts may, or what running calls give back.

        Raises BudgetExceeded.
        """
        short = refusal.shortfall
        if short.lacks and self.prepared.count_may_help(short.remaining_nano_usd):
            counted = await self._count(COUNT_FOR_HOLD_S)
            if counted is None:
                raise self._with_tokens_that_fit(refusal) from refusal
            self.prepared = self.prepared.recounted(counted)
        elif not short.holds_alone:
            raise self._with_tokens_that_fit(refusal) from refusal
        try:
            await self._enter(may_wait=True)
        except BudgetExceeded as again:
            raise self._with_tokens_that_fit(again) from again

    def _with_tokens_that_fit(self, refusal: BudgetExceeded) -> BudgetExceeded:
        room = refusal.shortfall.remaining_nano_usd
        fits = self.prepared.bound.output_that_fits(room)
        return BudgetExceeded(replace(refusal.shortfall, max_tokens_that_fit=fits))

    async def _count(self, timeout_s: float) -> int | None:
        """The vendor's count of the prompt, asked for once; None when it doesn't tell."""
        if not self._asked_count:
            self._asked_count = True
            target = self.course.target or self._first
            try:
                async with asyncio.timeout(timeout_s):
                    counted = await self.upstream(target).count_tokens(self.call(target))
                    self._counted = counted.tokens
            except (UpstreamError, NotSupported, TimeoutError):
                _log.info("no count", extra={"request_id": self.incoming.request_id})
        return self._counted

    async def _close(self, error: BaseException | None) -> None:
        """End the open attempt: `error` and what has come decide what it is charged."""
        course, meter = self.course, self._meter
        self._judge(error)
        course.failed(error)
        if self._close_stream(error):
            return
        reason = why_ended(error, self._interruption)
        name = error_name(error, reason)
        free = not_billed(error, meter)
        if free is not None:
            course.close(name, 0, free)
            return
        elapsed_s, seen_bytes = course.elapsed_s, 0 if meter is None else meter.visible_bytes
        bound, counted = self._open_bound, self._counted
        try:
            if bound.input_is_loose and reason is not Ending.GATEWAY_STOPPED:
                counted = await self._count(COUNT_FOR_CHARGE_S)
        finally:
            stake = stake_of(bound, counted)
            cost_nano_usd = unknown_outcome(stake, elapsed_s, seen_bytes=seen_bytes)
            course.close(name, cost_nano_usd, Basis.BOUND if stake.whole else Basis.ELAPSED)

    def _judge(self, error: BaseException | None) -> None:
        """Tell the breaker how the open attempt ended; a call that was cut short says nothing."""
        if error is None or isinstance(error, UpstreamError):
            judge(self.course.target or self._first, error, self._gateway.breaker)

    @property
    def _open_bound(self) -> Bound:
        return (self.course.target or self._first).bound

    def _close_stream(self, error: BaseException | None) -> bool:
        """End an attempt whose stream has said what the prompt counts; False where none has."""
        if self._meter is None:
            return False
        found = stream_charge(self._meter, self.prepared, self.course.now_s())
        if found is None:
            return False
        charge, basis = found
        if self._transcript is not None:
            self.course.content = self._transcript.content()
        self.course.charge, self.course.told = charge, self._meter.cache_miss
        exact = basis is Basis.USAGE
        name = None if exact else error_name(error, why_ended(error, self._interruption))
        least = self._open_bound.nano_usd if basis is Basis.BOUND else 0
        self.course.close(name, max(charge.cost.total, least), basis)
        return True

    def _ended_by(self, hold: Hold, error: BaseException | None) -> Ended:
        """How the call ended, for the ledger."""
        self._ended = told = ended(
            self.course,
            self.incoming,
            self.prepared,
            hold,
            reason=why_ended(error, self._interruption),
            error=error,
            outcome_of=self._gateway.outcome_of,
            prefix=self.memory.prefix,
            miss=self.memory.miss(self.course, self.prepared),
        )
        if not self._entered and isinstance(error, asyncio.CancelledError):
            self._tell()  # nobody is there any more to leave the context
        return told

    def _tell(self) -> None:
        told = self._ended
        if told is None:
            return
        self._gateway.recorder.record(told)
        self.memory.learn(told, self.course)
        warn_of_overrun(told)
