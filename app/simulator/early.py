"""Faults that strike before there is an answer."""

from __future__ import annotations

from typing import Final

from app.simulator.call import Call, api_key
from app.simulator.closing import break_off
from app.simulator.errors import ApiError, error_body, error_status, error_type
from app.simulator.events import error_event
from app.simulator.mishaps import COMMENT, PING, in_pieces
from app.simulator.scripts import Fault

_HTML: Final = "<html><head><title>{status}</title></head><body>Bad gateway</body></html>"


async def meet(call: Call, fault: Fault) -> bool:
    """Meet the fault; whether the call ended with it."""
    if fault.kind in {"reset", "reset_kept_alive"}:
        await break_off(call)
        await call.wire.reset(flush=False)
    elif fault.kind == "hang":
        await call.wire.hang()
        await break_off(call)
    elif fault.kind in {"status", "overloaded", "error500"}:
        await _send_status(call, fault)
    elif fault.kind == "html_error":
        await _send_html(call, fault)
    elif fault.kind == "echo_key":
        message = f"invalid x-api-key: {api_key(call.wire.headers)}"
        await call.refuse(ApiError(_own_status(fault, 401), message))
    elif fault.kind == "error_in_200":
        await call.answer(200, _error_body(call, fault), fault.headers)
    elif fault.kind == "error_first":
        await _send_error_first(call, fault)
    else:
        return False
    return True


def _own_status(fault: Fault, usual: int) -> int:
    """The status that the script names; 429 is what it says when it names none."""
    return usual if fault.status == 429 else fault.status


def _error_body(call: Call, fault: Fault) -> object:
    if fault.body is not None:
        return fault.body
    return error_body(fault.error_type, "Simulated fault", call.entry.request_id)


async def _send_status(call: Call, fault: Fault) -> None:
    status = {"overloaded": 529, "error500": 500}.get(fault.kind, fault.status)
    message = {"overloaded": "Overloaded", "error500": "Internal server error"}.get(
        fault.kind, f"Simulated fault: {status}"
    )
    body = fault.body
    if body is None:
        body = error_body(error_type(status), message, call.entry.request_id)
    await call.answer(status, body, _headers(fault))


async def _send_html(call: Call, fault: Fault) -> None:
    status = _own_status(fault, 502)
    body = str(fault.body) if fault.body is not None else _HTML.format(status=status)
    await call.answer(status, body, {"content-type": "text/html; charset=utf-8"} | _headers(fault))


def _headers(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return fault.headers
    return {**fault.headers, "retry-after": str(fault.retry_after)}


async def _send_error_first(call: Call, fault: Fault) -> None:
    """A stream that begins with comments and pings, and then has nothing but an error to say."""
    if not call.entry.stream:
        status = error_status(fault.error_type)
        await call.answer(status, _error_body(call, fault), _headers(fault))
        return
    call.journal.answered(call.entry, 200)
    call.journal.close(call.entry)
    await call.wire.start(200, call.headers("text/event-stream; charset=utf-8") | fault.headers)
    error = error_event(fault.error_type, "Simulated fault", call.entry.request_id)
    parts = [COMMENT] * fault.comments + [PING] * fault.pings + in_pieces(error, fault.pieces)
    parts = [part.replace(b"\n", fault.line_end.encode()) for part in parts]
    if not await call.wire.chunks(parts, fault.delta_interval_s or 0.0):
        await call.wire.end()
