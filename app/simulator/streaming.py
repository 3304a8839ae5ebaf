"""One answer as a stream: how far it got, and what that comes to."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from app.simulator.call import Call
from app.simulator.closing import begin, break_off, charge, leave
from app.simulator.events import Event, answer_events, error_event
from app.simulator.mishaps import DONE, GARBAGE, PING, PROCESSING, in_pieces, odd_events
from app.simulator.outcome import Outcome
from app.simulator.scripts import ENDINGS, Fault

_BREAKING: Final = MappingProxyType(
    {
        "reset_mid_stream": "reset",
        "hang_mid_stream": "hang",
        "sse_error": "end",
        "truncated_body": "end",
        "garbage": "end",
        "cut_in_event": None,
        "endless_pings": "end",
    }
)
"""The faults that end a stream half way, and how it is left; None: as the script says."""
_PING_S: Final = 0.05


class Streaming:
    """Sends an outcome's events, with what the fault makes of them."""

    def __init__(self, call: Call, outcome: Outcome, fault: Fault) -> None:
        self._call = call
        self._outcome = outcome
        self._fault = fault
        self._sent_tokens = 0
        interval_s = fault.delta_interval_s
        self._interval_s = call.simulator.delta_interval_s if interval_s is None else interval_s

    async def run(self) -> None:
        call, outcome, fault = self._call, self._outcome, self._fault
        extra = outcome.reply.headers if outcome.reply is not None else {}
        call.journal.answered(call.entry, 200)
        begin(call, outcome)
        call.wire.watch()
        headers = call.headers("text/event-stream; charset=utf-8") | fault.headers | extra
        await call.wire.start(200, headers)
        if call.generation_id is not None:
            await self._send_bytes(PROCESSING)
        for event in self._events():
            if self._breaks_before(event):
                await self._fail(event)
                return
            if event.is_delta and await call.wire.pause(self._interval_s):
                self._charge_sent()
                await break_off(call)
                return
            await self._send(event)
        await self._end()

    def _events(self) -> Iterator[Event]:
        outcome = self._outcome
        events = answer_events(
            outcome.message, outcome.answer, outcome.attempt.model, outcome.start_usage
        )
        return odd_events(events, self._fault)

    def _breaks_before(self, event: Event) -> bool:
        if self._fault.kind not in _BREAKING:
            return False
        sent = self._call.entry.deltas_sent
        return event.name == "message_delta" or (
            event.is_delta and sent >= self._fault.after_deltas
        )

    async def _send(self, event: Event) -> None:
        call, fault = self._call, self._fault
        self._sent_tokens = event.sent_tokens
        call.entry.deltas_sent += event.is_delta
        if event.name == "message_delta":
            final = event.data["delta"]["stop_reason"] is not None
            charge(call, self._outcome, fault, None if final else event.sent_tokens)
        encoded = event.encode()
        if event.name == "message_stop":
            call.journal.close(call.entry)
            if fault.kind == "after_stop" and fault.then == "no_stop":
                return
            if fault.kind == "after_stop" and fault.then == "no_blank_line":
                encoded = encoded.rstrip(b"\n")
        await self._send_bytes(encoded)

    async def _send_bytes(self, encoded: bytes) -> None:
        fault = self._fault
        encoded = encoded.replace(b"\n", fault.line_end.encode())
        await self._call.wire.chunks(in_pieces(encoded, fault.pieces), self._interval_s)

    def _charge_sent(self) -> None:
        charge(self._call, self._outcome, self._fault, self._sent_tokens)

    async def _fail(self, event: Event) -> None:
        call, fault = self._call, self._fault
        self._charge_sent()
        if fault.kind == "sse_error":
            await self._send_bytes(error_event(fault.error_type, "Overloaded", _id(call)))
        elif fault.kind == "garbage":
            await self._send_bytes(GARBAGE)
        elif fault.kind == "cut_in_event":
            encoded = event.encode()
            await self._send_bytes(encoded[: len(encoded) // 2])
        elif fault.kind == "endless_pings":
            await self._ping_for_ever()
        await leave(call, _BREAKING[fault.kind] or fault.then)

    async def _end(self) -> None:
        """After the last event: nothing more, or what the script wants."""
        call, fault = self._call, self._fault
        if fault.kind != "after_stop":
            await self._say_done()
            await call.wire.end()
            return
        if fault.then == "done":
            await self._send_bytes(DONE)
        elif fault.then == "error":
            await self._send_bytes(error_event(fault.error_type, "Too late", _id(call)))
        elif fault.then == "garbage":
            await self._send_bytes(GARBAGE)
        elif fault.then == "pings":
            await self._ping_for_ever()
        if fault.then == "hang":
            await call.wire.hang()
        elif fault.then == "reset":
            await call.wire.reset(flush=True)
        elif fault.then == "close":
            await call.wire.hang_up()
        elif fault.then in ENDINGS or not call.wire.gone:
            await call.wire.end()

    async def _say_done(self) -> None:
        """OpenRouter says that it was all."""
        if self._call.generation_id is not None:
            await self._send_bytes(DONE)

    async def _ping_for_ever(self) -> None:
        while not await self._call.wire.pause(self._interval_s or _PING_S):
            await self._call.wire.chunk(PING)


def _id(call: Call) -> str:
    return call.entry.request_id
