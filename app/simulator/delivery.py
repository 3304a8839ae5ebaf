"""Sending an answer, or breaking off where a fault says so; the bill is settled on the way."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import orjson

from app.simulator.call import Call
from app.simulator.closing import begin, break_off, charge, leave
from app.simulator.early import meet
from app.simulator.errors import ApiError, error_body, error_type
from app.simulator.mishaps import in_pieces
from app.simulator.outcome import Outcome, decide
from app.simulator.scripts import UNBILLED, Fault, ScriptedReply
from app.simulator.streaming import Streaming

_NO_FAULT: Final = Fault("ok")
_CHUNK_PAUSE_S: Final = 0.002
_HALF_SENT: Final = MappingProxyType(
    {"truncated_body": "close", "reset_mid_stream": "reset", "hang_mid_stream": "hang"}
)


async def fail_early(call: Call, fault: Fault) -> bool:
    """Meet the faults that need no answer; whether this was one.

    A billed one has generated its answer all the same.  Raises ApiError when that is refused.
    """
    if fault.kind in UNBILLED and fault.billed:
        outcome = decide(call)
        begin(call, outcome)
        charge(call, outcome, fault)
    return await meet(call, fault)


async def deliver(call: Call, outcome: Outcome, fault: Fault | None) -> None:
    fault = fault or _NO_FAULT
    first_byte_s = call.simulator.latency_s if fault.first_byte_s is None else fault.first_byte_s
    if await call.wire.pause(first_byte_s):
        charge(call, outcome, fault)
        await break_off(call)
    elif fault.kind == "drop_after_generation":
        begin(call, outcome)
        charge(call, outcome, fault)
        await break_off(call)
        await call.wire.hang_up()
    elif outcome.reply is not None and outcome.reply.status >= 400:
        await _send_scripted_error(call, outcome, outcome.reply)
    elif outcome.reply is not None and outcome.reply.verbatim:
        await _send_verbatim(call, outcome, outcome.reply)
    elif call.entry.stream:
        await Streaming(call, outcome, fault).run()
    else:
        await _send_whole(call, outcome, fault)


async def _send_scripted_error(call: Call, outcome: Outcome, reply: ScriptedReply) -> None:
    """Billed only when the script gives a usage."""
    if reply.usage:
        charge(call, outcome, _NO_FAULT)
    body = reply.body
    if body is None:
        kind = error_type(reply.status)
        body = error_body(kind, "Scripted error", call.entry.request_id)
    await call.answer(reply.status, body, reply.headers)


async def _send_verbatim(call: Call, outcome: Outcome, reply: ScriptedReply) -> None:
    begin(call, outcome)
    charge(call, outcome, _NO_FAULT)
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
    extra = fault.headers | (outcome.reply.headers if outcome.reply is not None else {})
    begin(call, outcome)
    charge(call, outcome, fault)
    body = orjson.dumps(outcome.message)
    half = body[: len(body) // 2]
    how = fault.then if fault.kind == "cut_in_event" else _HALF_SENT.get(fault.kind)
    if how is None and fault.pieces == 1:
        shown = half.decode(errors="ignore") if fault.kind == "garbage" else outcome.message
        await call.answer(status, shown, extra)
        return
    call.journal.answered(call.entry, status)
    length = {} if how == "end" else {"content-length": str(len(body))}
    await call.wire.start(status, call.headers() | length | extra)
    gone = await call.wire.chunks(
        in_pieces(body if how is None else half, fault.pieces), fault.delta_interval_s or 0.0
    )
    if how is not None or gone:
        await leave(call, how or "end")
        return
    call.journal.close(call.entry)
    await call.wire.end()
