"""What stands in the log of calls: a line for each failure, with what the vendor said."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

import pytest

from app.core.ended import Attempt, Ended, Ending, Refused
from app.core.errors import BadRequestError, CallerLeft, OverloadedError
from app.telemetry.call_log import CallLog
from app.telemetry.metrics import Metrics
from app.telemetry.recorders import Recorders
from tests.telemetry.calls import KEY, MODEL, call
from tests.telemetry.test_tracing import Sink, tracing


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def failed(status: int, error: BaseException, reason: Ending = Ending.REFUSED) -> Ended:
    attempt = Attempt(
        *("anthropic", MODEL, status, type(error).__name__, 12),
        request_id="req_up",
        message="Overloaded, try later",
    )
    return replace(
        call(0.2, 0),
        charge=None,
        attempts=(attempt, attempt),
        reason=reason,
        error=error,
        status=503,
        error_code="upstream_overloaded",
    )


def test_a_served_call_stands_there_at_level_debug_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tollkeeper"):
        CallLog().record(call(0.2, 1_000))
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, "tollkeeper"):
        CallLog().record(call(0.2, 1_000))
    (line,) = caplog.records
    told = vars(line)
    assert line.getMessage() == "a call was served"
    assert (told["request_id"], told["key_id"], told["cost_usd"]) == ("req_1", KEY.id, "0.000001")


def test_each_failed_attempt_has_a_line_even_if_the_call_was_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "tollkeeper"):
        CallLog().record(call(0.2, 1_000, retried=True))
    assert lines(caplog) == [("WARNING", "an attempt failed")]
    told = vars(caplog.records[0])
    assert (told["status"], told["kind"], told["attempt"]) == (529, "OverloadedError", 1)


def test_a_failed_call_says_what_the_vendor_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tollkeeper"):
        CallLog().record(failed(529, OverloadedError("Overloaded, try later", status=529)))
    attempt = ("WARNING", "an attempt failed")
    assert lines(caplog) == [attempt, attempt, ("ERROR", "a call failed")]
    told = vars(caplog.records[-1])
    assert (told["code"], told["error"]) == ("upstream_overloaded", "Overloaded, try later")
    assert vars(caplog.records[0])["error"] == "Overloaded, try later"
    assert vars(caplog.records[0])["upstream_request_id"] == "req_up"


def test_a_callers_own_fault_is_no_error_of_the_operators(caplog: pytest.LogCaptureFixture) -> None:
    ended = failed(400, BadRequestError("max_tokens: too large", status=400))
    with caplog.at_level(logging.INFO, "tollkeeper"):
        CallLog().record(replace(ended, attempts=(), status=400, error_code="invalid_request"))
    assert lines(caplog) == [("WARNING", "a call failed")]


def test_a_caller_who_left_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    cut = Attempt("anthropic", MODEL, 200, "client_disconnected", 12)
    ended = failed(200, CallerLeft("gone"), Ending.CALLER_LEFT)
    with caplog.at_level(logging.INFO, "tollkeeper"):
        CallLog().record(replace(ended, attempts=(cut,), error_code="client_disconnected"))
    assert lines(caplog) == [("INFO", "a call was cut short")]


def test_of_a_bug_its_kind_alone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ended = failed(200, KeyError("words of a prompt"), Ending.BUG)
    with caplog.at_level(logging.INFO, "tollkeeper"):
        CallLog().record(replace(ended, attempts=(), status=500, error_code="internal_error"))
    assert vars(caplog.records[0])["error"] == "KeyError"


def test_a_refusal_has_a_line_with_its_code_and_a_message_of_bounded_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "tollkeeper"):
        CallLog().refused(Refused("req_9", "key_1", 402, "budget_exceeded", "x" * 9_000))
    assert lines(caplog) == [("INFO", "a call was refused")]
    told = vars(caplog.records[0])
    assert (told["request_id"], told["key_id"], told["code"]) == (
        "req_9",
        "key_1",
        "budget_exceeded",
    )
    assert told["error"] == "x" * 499 + "…"


class Broken:
    """A recorder with a bug."""

    def record(self, _call: Ended) -> None:
        raise KeyError("a bug")

    def refused(self, _call: Refused) -> None:
        raise KeyError("a bug")

    def not_counted(self, _call: Refused) -> None:
        raise KeyError("a bug")


def test_a_bug_of_one_recorder_is_counted_and_keeps_nothing_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics, sink = Metrics(), Sink()
    sink.open.set()
    traced = tracing(sink, Counter())
    recorders = Recorders(metrics, Broken(), [traced])
    with caplog.at_level(logging.INFO, "tollkeeper"):
        recorders.record(failed(529, OverloadedError("busy", status=529)))
        recorders.refused(Refused("req_9", None, 401, "invalid_api_key", "no API key"))
    recorders.start()
    recorders.close()
    assert [message for _, message in lines(caplog)] == ["telemetry lost a call"] * 2
    assert [told.error for told in sink.calls] == ["busy"]
    text = recorders.text()
    assert b'tollkeeper_telemetry_dropped_total{where="recorder"} 2.0' in text
    assert b'tollkeeper_refused_total{code="invalid_api_key",key_id=""} 1.0' in text
