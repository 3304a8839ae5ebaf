"""Sending an answer, or breaking off where a fault says so; the bill is settled on the way."""

from __future__ import annotations

from typing import Final

import orjson

from app.simulator.call import Call
from app.simulator.errors import ApiError, error_body, error_type
from app.simulator.events import Event, answer_events, error_event
from app.simulator.outcome import Outcome, decide
from app.simulator.scripts import UNBILLED, Fault, ScriptedReply

_MID_STREAM: Final = frozenset(
    {"reset_mid_stream", "hang_mid_stream", "sse_error", "truncated_body", "garbage"}
)
_NO_FAULT: Final = Fault("ok")
_CHUNK_PAUSE_S: Final = 0.002


async def fail_early(call: Call, fault: Fault) -> bool:
    """Meet the faults that need no answer; whether this was one.

    A billed one has generated its answer all the same.  Raises ApiError when that is refused.
    """
    if fault.kind in UNBILLED and fault.billed:
        outcome = decide(call)
        _begin(call, outcome)
        _charge(call, outcome, fault)
    if fault.kind == "reset":
        await _break_off(call)
        await call.wire.reset(flush=False)
    elif fault.kind == "hang":
        await call.wire.hang()
        await _break_off(call)
    elif fault.kind in {"status", "overloaded", "error500"}:
        await _send_status(call, fault)
    else:
        return False
    return True


async def deliver(call: Call, outcome: Outcome, fault: Fault | None) -> None:
    fault = fault or _NO_FAULT
    first_byte_s = call.simulator.latency_s if fault.first_byte_s is None else fault.first_byte_s
    if await call.wire.pause(first_byte_s):
        _charge(call, outcome, fault)
        await _break_off(call)
    elif fault.kind == "drop_after_generation":
        _begin(call, outcome)
        _charge(call, outcome, fault)
        await _break_off(call)
        await call.wire.hang_up()
    elif outcome.reply is not None and outcome.reply.status >= 400:
        await _send_scripted_error(call, outcome, outcome.reply)
    elif outcome.reply is not None and outcome.reply.verbatim:
        await _send_verbatim(call, outcome, outcome.reply)
    elif call.entry.stream:
        await _Streaming(call, outcome, fault).run()
    else:
        await _send_whole(call, outcome, fault)


def _begin(call: Call, outcome: Outcome) -> None:
    """From the first byte on, what this request wrote can be read by others."""
    call.simulator.cache.write(outcome.plan, call.simulator.clock.now_s())


def _charge(call: Call, outcome: Outcome, fault: Fault, sent_tokens: int | None = None) -> None:
    """Bill the answer, or what was sent of it."""
    if not fault.billed:
        return
    usage = outcome.usage
    if sent_tokens is not None:
        usage = usage | {"output_tokens": sent_tokens}
    call.journal.charge(call.entry, outcome.model, usage)


async def _break_off(call: Call) -> None:
    call.entry.cut = True
    call.entry.client_gone = call.wire.gone
    call.journal.close(call.entry)


async def _send_status(call: Call, fault: Fault) -> None:
    status = {"overloaded": 529, "error500": 500}.get(fault.kind, fault.status)
    message = {"overloaded": "Overloaded", "error500": "Internal server error"}.get(
        fault.kind, f"Simulated fault: {status}"
    )
    body = fault.body
    if body is None:
        body = error_body(error_type(status), message, call.entry.request_id)
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    await call.answer(status, body, headers)


async def _send_scripted_error(call: Call, outcome: Outcome, reply: ScriptedReply) -> None:
    """Billed only when the script gives a usage."""
    if reply.usage:
        _charge(call, outcome, _NO_FAULT)
    body = reply.body
    if body is None:
        kind = error_type(reply.status)
        body = error_body(kind, "Scripted error", call.entry.request_id)
    await call.answer(reply.status, body, reply.headers)


async def _send_verbatim(call: Call, outcome: Outcome, reply: ScriptedReply) -> None:
    _begin(call, outcome)
    _charge(call, outcome, _NO_FAULT)
    if not reply.sse_chunks:
        await call.answer(reply.status, reply.body, reply.headers)
        return
    call.journal.answered(call.entry, reply.status)
    call.journal.close(call.entry)
    await call.wire.start(reply.status, call.headers("text/event-stream") | reply.headers)
    for chunk in reply.sse_chunks:
        await call.wire.chunk(chunk)
        await call.wire.pause(max(_CHUNK_PAUSE_S, call.simulator.delta_interval_s))
    await call.wire.end()


async def _send_whole(call: Call, outcome: Outcome, fault: Fault) -> None:
    if fault.kind == "sse_error":
        await call.refuse(ApiError(529, "Overloaded"))
        return
    status = outcome.reply.status if outcome.reply is not None else 200
    extra = outcome.reply.headers if outcome.reply is not None else {}
    _begin(call, outcome)
    _charge(call, outcome, fault)
    body = orjson.dumps(outcome.message)
    half = body[: len(body) // 2]
    if fault.kind in {"truncated_body", "reset_mid_stream", "hang_mid_stream"}:
        call.journal.answered(call.entry, status)
        await call.wire.start(status, call.headers() | {"content-length": str(len(body))})
        await call.wire.chunk(half)
        await _stop_sending(call, fault.kind)
        return
    await call.answer(
        status, half.decode(errors="ignore") if fault.kind == "garbage" else outcome.message, extra
    )


async def _stop_sending(call: Call, kind: str) -> None:
    if kind == "hang_mid_stream":
        await call.wire.hang()
    await _break_off(call)
    if kind == "reset_mid_stream":
        await call.wire.reset(flush=True)
    elif kind == "truncated_body":
        await call.wire.hang_up()


class _Streaming:
    """One stream: how far it got, and what that comes to."""

    def __init__(self, call: Call, outcome: Outcome, fault: Fault) -> None:
        self._call = call
        self._outcome = outcome
        self._fault = fault
        self._sent_tokens = 0
        interval_s = fault.delta_interval_s
        self._interval_s = call.simulator.delta_interval_s if interval_s is None else interval_s

    async def run(self) -> None:
        call, outcome = self._call, self._outcome
        extra = outcome.reply.headers if outcome.reply is not None else {}
        call.journal.answered(call.entry, 200)
        _begin(call, outcome)
        call.wire.watch()
        await call.wire.start(200, call.headers("text/event-stream; charset=utf-8") | extra)
        for event in answer_events(
            outcome.message, outcome.answer, outcome.model, outcome.start_usage
        ):
            if self._breaks_before(event):
                await self._fail()
                return
            if event.is_delta and await call.wire.pause(self._interval_s):
                self._charge_sent()
                await _break_off(call)
                return
            await self._send(event)
        await call.wire.end()

    def _breaks_before(self, event: Event) -> bool:
        if self._fault.kind not in _MID_STREAM:
            return False
        sent = self._call.entry.deltas_sent
        return event.name == "message_delta" or (
            event.is_delta and sent >= self._fault.after_deltas
        )

    async def _send(self, event: Event) -> None:
        call = self._call
        self._sent_tokens = event.sent_tokens
        call.entry.deltas_sent += event.is_delta
        if event.name == "message_delta":
            _charge(call, self._outcome, self._fault)
        if event.name == "message_stop":
            call.journal.close(call.entry)
        await call.wire.chunk(event.encode())

    def _charge_sent(self) -> None:
        _charge(self._call, self._outcome, self._fault, self._sent_tokens)

    async def _fail(self) -> None:
        call, kind = self._call, self._fault.kind
        self._charge_sent()
        if kind in {"reset_mid_stream", "hang_mid_stream"}:
            await _stop_sending(call, kind)
            return
        last = b""
        if kind == "sse_error":
            last = error_event("overloaded_error", "Overloaded", call.entry.request_id)
        elif kind == "garbage":
            last = b'event: content_block_delta\ndata: {"type": "content_block_de\n\n'
        await _break_off(call)
        await call.wire.end(last)
