"""Every way that a streamed call ends: what it is charged, what its row says, what telemetry hears.

Input costs 1,000 nano-USD a token, output 5,000; the prompt counts 10 tokens, 34 at most.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.calls.attempts import RetryOptions
from app.core import errors
from app.core.ended import Ending
from tests.calls.fakes import After, says
from tests.calls.told import left_while_opening, streamed

PING = {"type": "ping"}
START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "model": "haiku-model",
        "usage": {"input_tokens": 10, "output_tokens": 1},
    },
}
TEXT = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abcd"}}
LONG_TEXT = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x" * 500}}
COUNT = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 20},
}
UNCOUNTED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
STOP = {"type": "message_stop"}
OVERLOAD = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
NO = {"retry-after": "1"}
BUSY = errors.OverloadedError("busy", status=529, headers=NO)
SILENT = errors.APITimeoutError("silence")


def opens(*steps: After, seconds: float = 1.0) -> After:
    """A stream that begins after so many seconds."""
    return After(seconds, steps)


WHOLE = opens(says(0.125, START), says(0.125, TEXT), says(0.125, COUNT), says(0.0, STOP))
EXACT = (200, None, 110_000, "usage")
# A second after its start a stream may have written 300 tokens and 64 that nobody saw yet.
SECOND = 10_000 + 364 * 5_000

ENDS: dict[str, tuple[list[After], tuple[Any, ...], list[tuple[Any, ...]], Any]] = {
    # what the upstream does: (state, cost, source, status, code), attempts, what is raised
    "answers": ([WHOLE], ("settled", 110_000, "computed", 200, None), [EXACT], None),
    "refuses once, then answers": (
        [After(1.0, BUSY), WHOLE],
        ("settled", 110_000, "computed", 200, None),
        [(529, "OverloadedError", 0, "refused"), EXACT],
        None,
    ),
    "refuses until it is given up": (
        [After(1.0, BUSY)] * 3,
        ("released", 0, None, 503, "upstream_overloaded"),
        [(529, "OverloadedError", 0, "refused")] * 3,
        errors.OverloadedError,
    ),
    "never begins, then answers": (
        [After(2.0, SILENT), WHOLE],
        ("settled", 3_330_000 + 110_000, "estimated", 200, None),
        [(None, "APITimeoutError", 3_330_000, "elapsed"), EXACT],
        None,
    ),
    "sends an error after it began": (
        [opens(says(0.1, START), says(0.5, TEXT), says(0.5, OVERLOAD))],
        ("settled", SECOND, "estimated", 503, "upstream_overloaded"),
        [(529, "OverloadedError", SECOND, "cut")],
        errors.OverloadedError,
    ),
    "ends too early": (
        [opens(says(0.1, START), says(1.0, TEXT))],
        ("settled", SECOND, "estimated", 502, "upstream_error"),
        [(200, "APIResponseValidationError", SECOND, "cut")],
        errors.APIResponseValidationError,
    ),
    "falls silent": (
        [opens(says(0.1, START), After(1.0, SILENT))],
        ("settled", SECOND, "estimated", 504, "upstream_timeout"),
        [(200, "APITimeoutError", SECOND, "cut")],
        errors.APITimeoutError,
    ),
    "sends more than time tells": (
        [opens(says(0.1, START), says(1.0, LONG_TEXT), After(0.0, SILENT))],
        ("settled", 10_000 + 564 * 5_000, "estimated", 504, "upstream_timeout"),
        [(200, "APITimeoutError", 2_830_000, "cut")],
        errors.APITimeoutError,
    ),
    "falls silent after its count": (
        [opens(says(0.1, START), says(1.0, TEXT), says(0.0, COUNT), After(1.0, SILENT))],
        ("settled", 10_000 + 384 * 5_000, "estimated", 504, "upstream_timeout"),
        [(200, "APITimeoutError", 1_930_000, "cut")],
        errors.APITimeoutError,
    ),
    "falls silent before its start": (
        [opens(says(0.0, PING), After(1.0, SILENT))],
        ("settled", 10_000 + 664 * 5_000, "estimated", 504, "upstream_timeout"),
        [(200, "APITimeoutError", 3_330_000, "elapsed")],
        errors.APITimeoutError,
    ),
    "refuses before its start": (
        [opens(says(0.0, PING), says(1.0, OVERLOAD))],
        ("released", 0, None, 503, "upstream_overloaded"),
        [(529, "OverloadedError", 0, "refused")],
        errors.OverloadedError,
    ),
    "sends text without a start, then breaks off": (
        [opens(says(0.0, LONG_TEXT), seconds=0.1)],
        ("settled", 10_000 + 564 * 5_000, "estimated", 502, "upstream_error"),
        [(200, "APIResponseValidationError", 2_830_000, "elapsed")],
        errors.APIResponseValidationError,
    ),
    "never says its count": (
        [opens(says(0.0, PING), says(0.0, STOP))],
        ("settled", SECOND, "estimated", 502, "upstream_error"),
        [(200, "APIResponseValidationError", SECOND, "elapsed")],
        errors.APIResponseValidationError,
    ),
    "never says what it wrote": (
        [opens(says(0.1, START), says(1.0, TEXT), says(0.0, UNCOUNTED), says(0.0, STOP))],
        ("settled", SECOND, "estimated", 200, None),
        [(200, None, SECOND, "cut")],
        None,
    ),
    "meets a bug of ours": (
        [opens(says(0.1, START), After(1.0, KeyError("a bug")))],
        ("settled", SECOND, "estimated", 500, "internal_error"),
        [(200, "KeyError", SECOND, "cut")],
        KeyError,
    ),
    "is not waited for by a gateway that stops": (
        [opens(says(0.1, START), After(1.0, asyncio.CancelledError("the grace is over")))],
        ("settled", SECOND, "estimated", 503, "gateway_stopped"),
        [(200, "gateway_stopped", SECOND, "cut")],
        asyncio.CancelledError,
    ),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_streamed_call_is_settled_by_how_it_ended(name: str) -> None:
    script, summary, attempts, raised = ENDS[name]
    told = await streamed(script)
    assert (told.summary, told.attempts, told.raised) == (summary, attempts, raised)
    assert (told.receipt is None) is (raised is not None)
    if told.receipt is not None:
        assert told.receipt.total_nano_usd == summary[1]
    if told.opening is not None:
        assert told.opening.attempts == len(attempts)


LEAVES = {
    # parts that were read before whoever listens left: cost, source, attempts
    "before anything came": (0, 10_000 + 364 * 5_000, "elapsed"),
    "after the start": (1, 10_000 + 64 * 5_000, "cut"),
    "after some text": (2, 10_000 + 102 * 5_000, "cut"),  # 37.5 tokens in an eighth of a second
    "after the count": (3, 10_000 + 84 * 5_000, "cut"),
}


@pytest.mark.parametrize("when", LEAVES)
@pytest.mark.parametrize("by", [None, asyncio.CancelledError()])
@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Ending.CALLER_LEFT, 499, "client_disconnected"),
        (Ending.GATEWAY_STOPPED, 503, "gateway_stopped"),
    ],
)
async def test_a_stream_that_nobody_reads_any_more_costs_what_came(
    when: str, by: BaseException | None, *, reason: Ending, status: int, code: str
) -> None:
    parts, cost, basis = LEAVES[when]
    if parts == 0 and reason is Ending.GATEWAY_STOPPED:
        cost += 24_000  # nobody is asked for a count any more
    told = await streamed([WHOLE], leaves_after=parts, leaves_by=by, reason=reason)
    assert told.summary == ("settled", cost, "estimated", status, code)
    assert told.attempts == [(200, str(reason), cost, basis)]
    assert told.ended.reason is reason


@pytest.mark.parametrize("reason", [None, Ending.CALLER_LEFT])
async def test_a_stream_that_nobody_waits_for_costs_the_time_it_took(
    reason: Ending | None,
) -> None:
    told = await left_while_opening([], reason)
    cost, status = (SECOND, 499) if reason else (SECOND + 24_000, 503)
    assert told.raised is asyncio.CancelledError
    assert told.summary[1:4] == (cost, "estimated", status)


async def test_a_caller_that_left_between_tries_pays_for_those_alone() -> None:
    told = await left_while_opening([After(1.0, BUSY)], Ending.CALLER_LEFT)
    assert told.attempts == [
        (529, "OverloadedError", 0, "refused"),
        (None, "client_disconnected", SECOND, "elapsed"),
    ]


async def test_a_caller_that_leaves_at_the_very_end_pays_exactly() -> None:
    told = await streamed([WHOLE], leaves_after=4, reason=Ending.CALLER_LEFT)
    assert told.summary == ("settled", 110_000, "computed", 499, "client_disconnected")
    assert told.attempts == [EXACT]


async def test_a_story_that_is_closed_for_no_reason_is_a_bug() -> None:
    told = await streamed([WHOLE], leaves_after=1)
    assert told.summary[3:] == (500, "internal_error")
    assert told.ended.reason is Ending.BUG


async def test_what_ends_the_telling_is_what_the_row_says() -> None:
    error = errors.APIResponseValidationError("these events make no sense")
    told = await streamed([WHOLE], leaves_after=2, leaves_by=error)
    assert told.summary[3:] == (502, "upstream_error")
    assert told.raised is errors.APIResponseValidationError


async def test_a_cut_stream_with_the_vendors_tools_costs_its_whole_bound() -> None:
    tool = {"type": "web_search_20260318", "name": "web_search", "max_uses": 1}
    told = await streamed([opens(says(0.1, START), After(1.0, SILENT))], tools=(tool,))
    assert told.summary[1] == 400_000_000 + 10_000_000 + 5_000_000
    assert told.attempts == [(200, "APITimeoutError", 415_000_000, "bound")]


@pytest.mark.parametrize("answers", ["haiku-model", "sonnet-model", "nobody-s-model"])
async def test_a_cut_stream_that_other_models_may_answer_costs_its_whole_bound(
    answers: str,
) -> None:
    message = {"id": "msg_1", "model": answers, "usage": {"input_tokens": 10, "output_tokens": 1}}
    begun = {"type": "message_start", "message": message}
    told = await streamed(
        [opens(says(0.1, begun), After(1.0, SILENT))],
        options={"fallbacks": [{"model": "sonnet-model"}]},
    )
    # 34 x 1,000 + 1,000 x 5,000, then 1,034 x 3,000 + 1,000 x 15,000
    assert told.summary[1:3] == (5_034_000 + 18_102_000, "estimated")
    assert told.ended.charge is not None
    assert told.ended.charge.usage.prompt_tokens == 10  # what is known is told as it came
    assert told.attempts == [(200, "APITimeoutError", 23_136_000, "bound")]


async def test_the_first_text_is_timed_from_the_calls_beginning() -> None:
    told = await streamed([After(0.5, BUSY), WHOLE])
    assert told.ended.ttft_ms == 2_750  # 0.5 s, a second's wait, 1 s to open, 0.25 s to the text
    assert told.ended.latency_ms == 2_875


async def test_no_retry_is_made_whose_hold_does_not_fit() -> None:
    told = await streamed([After(2.0, SILENT), WHOLE], limit=8_000_000)
    assert told.raised is errors.APITimeoutError
    assert told.summary == ("settled", 3_330_000, "estimated", 504, "upstream_timeout")


async def test_a_stream_that_began_is_not_tried_again() -> None:
    told = await streamed(
        [opens(says(0.1, START), After(1.0, SILENT)), WHOLE], retries=RetryOptions(max_attempts=9)
    )
    assert told.upstream.script == [WHOLE]
    assert told.raised is errors.APITimeoutError
