"""The log's lines about calls: one for each refusal, failed attempt and failed call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.core.ended import Ending
from app.core.errors import GatewayError
from app.core.money import usd_text

if TYPE_CHECKING:
    from app.core.ended import Attempt, Ended, Refused

MOST_MESSAGE_CHARS = 500
CUT_SHORT = (Ending.CALLER_LEFT, Ending.GATEWAY_STOPPED)
_log = logging.getLogger("tollkeeper.calls")


class CallLog:
    """Implements the recorder's port. What was served stands in the log at level debug alone."""

    def record(self, call: Ended) -> None:
        """A line for each attempt that failed, and one for a call that did."""
        for number, attempt in enumerate(call.attempts, 1):
            if attempt.error is not None and attempt.error not in CUT_SHORT:
                _log.warning("an attempt failed", extra=_attempt(call, attempt, number))
        if call.error is not None:
            told = {"error": _message(call.error), "code": call.error_code}
            _log.log(_level(call), _what(call), extra={**_call(call), **told})
        elif _log.isEnabledFor(logging.DEBUG):
            _log.debug("a call was served", extra=_call(call))

    def refused(self, call: Refused) -> None:
        """A line for a call that was refused before its hold."""
        _log.info("a call was refused", extra=_rowless(call))

    def not_counted(self, call: Refused) -> None:
        """A line for a token count that failed."""
        _log.warning("a token count failed", extra=_rowless(call))


def _rowless(call: Refused) -> dict[str, object]:
    return {
        "request_id": call.request_id,
        "key_id": call.key_id,
        "status": call.status,
        "code": call.code,
        "error": _shortened(call.message),
    }


def _what(call: Ended) -> str:
    return "a call was cut short" if call.reason in CUT_SHORT else "a call failed"


def _level(call: Ended) -> int:
    """An operator's matter is an error; a caller's own is none."""
    if call.reason is Ending.CALLER_LEFT:
        return logging.INFO
    return logging.ERROR if call.status >= 500 else logging.WARNING


def _call(call: Ended) -> dict[str, object]:
    return {
        "request_id": call.request_id,
        "key_id": call.key.id,
        "model": call.model,
        "upstream": call.upstream,
        "status": call.status,
        "attempts": len(call.attempts),
        "latency_ms": call.latency_ms,
        "cost_usd": usd_text(call.cost_nano_usd),
    }


def _attempt(call: Ended, attempt: Attempt, number: int) -> dict[str, object]:
    return {
        "request_id": call.request_id,
        "key_id": call.key.id,
        "attempt": number,
        "model": attempt.model,
        "upstream": attempt.upstream,
        "upstream_request_id": attempt.request_id,
        "status": attempt.status,
        "kind": attempt.error,
        "error": _shortened(attempt.message or ""),
        "latency_ms": attempt.latency_ms,
        "cost_usd": usd_text(attempt.cost_nano_usd),
    }


def _message(error: BaseException) -> str:
    """What was meant to be read; of a bug its kind alone, as its text may hold anything."""
    return _shortened(error.message) if isinstance(error, GatewayError) else type(error).__name__


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_MESSAGE_CHARS else text[: MOST_MESSAGE_CHARS - 1] + "…"
