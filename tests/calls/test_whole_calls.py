"""Every way that a whole call ends: what it is charged, what its row says, what telemetry hears.

Input costs 1,000 nano-USD a token, output 5,000; the prompt counts 10 tokens, 34 at most.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from app.calls.attempts import RetryOptions
from app.core import errors
from app.core.ended import Ending
from app.core.request import Reply
from app.core.usage import Usage
from tests.calls.fakes import HEADERS, After
from tests.calls.told import ANSWER, whole

DONE = After(1.0, ANSWER)
EXACT = (200, None, 110_000, "usage")
NO = {"retry-after": "1", "request-id": "req_no"}
LIMITED = errors.RateLimitError("slow down", status=429, headers=NO)
BUSY = errors.OverloadedError("busy", status=529, headers=NO)
REFUSED = errors.BadRequestError("no", status=400, headers=NO)
UNREACHED = errors.APIConnectionError("no route")
STALE = errors.StaleConnectionError("it was closed")
SILENT = errors.APITimeoutError("silence")
BROKEN = errors.APIResponseValidationError("half", status=200, request_id="req_half")

# A time-out after two seconds: 10 in, 64 + 600 out. A broken answer after half a second: 64 + 150.
LOST, HALF = 3_330_000, 1_080_000
SILENCE = (None, "APITimeoutError", LOST, "elapsed")

ENDS: dict[str, tuple[list[After], tuple[Any, ...], list[tuple[Any, ...]], Any]] = {
    # what the upstream does: (state, cost, source, status, code), attempts, what is raised
    "answers": (
        [DONE],
        ("settled", 110_000, "computed", 200, None),
        [EXACT],
        None,
    ),
    "refuses": (
        [After(1.0, REFUSED)],
        ("released", 0, None, 400, "invalid_request"),
        [(400, "BadRequestError", 0, "refused")],
        errors.BadRequestError,
    ),
    "refuses once, then answers": (
        [After(1.0, LIMITED), DONE],
        ("settled", 110_000, "computed", 200, None),
        [(429, "RateLimitError", 0, "refused"), EXACT],
        None,
    ),
    "is overloaded until it is given up": (
        [After(1.0, BUSY)] * 3,
        ("released", 0, None, 503, "upstream_overloaded"),
        [(529, "OverloadedError", 0, "refused")] * 3,
        errors.OverloadedError,
    ),
    "is never reached": (
        [After(1.0, UNREACHED)] * 3,
        ("released", 0, None, 502, "upstream_error"),
        [(None, "APIConnectionError", 0, "never_sent")] * 3,
        errors.APIConnectionError,
    ),
    "had closed the connection, then answers": (
        [After(0.1, STALE), DONE],
        ("settled", 110_000, "computed", 200, None),
        [(None, "StaleConnectionError", 0, "never_sent"), EXACT],
        None,
    ),
    "falls silent, then answers": (
        [After(2.0, SILENT), DONE],
        ("settled", LOST + 110_000, "estimated", 200, None),
        [SILENCE, EXACT],
        None,
    ),
    "falls silent, then refuses": (
        [After(2.0, SILENT), After(1.0, REFUSED)],
        ("settled", LOST, "estimated", 400, "invalid_request"),
        [SILENCE, (400, "BadRequestError", 0, "refused")],
        errors.BadRequestError,
    ),
    "falls silent three times": (
        [After(2.0, SILENT)] * 3,
        ("settled", 3 * LOST, "estimated", 504, "upstream_timeout"),
        [SILENCE] * 3,
        errors.APITimeoutError,
    ),
    "breaks its answer off": (
        [After(0.5, BROKEN)] * 3,
        ("settled", 3 * HALF, "estimated", 502, "upstream_error"),
        [(200, "APIResponseValidationError", HALF, "elapsed")] * 3,
        errors.APIResponseValidationError,
    ),
    "meets a bug of ours": (
        [After(1.0, KeyError("a bug"))],
        ("settled", 10_000 + 364 * 5_000, "estimated", 500, "internal_error"),
        [(None, "KeyError", 1_830_000, "elapsed")],
        KeyError,
    ),
    "is not waited for by a gateway that stops": (
        [After(1.0, asyncio.CancelledError("the grace is over"))],
        ("settled", 34_000 + 364 * 5_000, "estimated", 503, "gateway_stopped"),
        [(None, "gateway_stopped", 1_854_000, "elapsed")],
        asyncio.CancelledError,
    ),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_whole_call_is_settled_by_how_it_ended(name: str) -> None:
    script, summary, attempts, raised = ENDS[name]
    told = await whole(script)
    assert (told.summary, told.attempts, told.raised) == (summary, attempts, raised)
    assert (told.receipt is None) is (raised is not None)
    if told.receipt is not None:
        assert told.receipt.total_nano_usd == summary[1]
        assert told.receipt.opening.attempts == len(attempts)


REASONS = [
    (DONE, Ending.ANSWERED),
    (After(1.0, REFUSED), Ending.REFUSED),
    (After(1.0, KeyError()), Ending.BUG),
    (After(1.0, asyncio.CancelledError()), Ending.GATEWAY_STOPPED),
]


@pytest.mark.parametrize(("step", "reason"), REASONS)
async def test_a_call_says_why_it_is_over(step: After, reason: Ending) -> None:
    assert (await whole([step])).ended.reason is reason


@pytest.mark.parametrize(("error", "reason"), [(SILENT, Ending.DEADLINE), (BROKEN, Ending.FAILED)])
async def test_a_failure_says_whether_time_ran_out(error: Exception, reason: Ending) -> None:
    told = await whole([After(1.0, error)], retries=RetryOptions(max_attempts=1))
    assert told.ended.reason is reason
    assert told.ended.error is error


async def test_an_ended_call_says_all_of_it() -> None:
    told = await whole([After(0.5, LIMITED), DONE], end_user="ann")
    ended = told.ended
    assert (ended.request_id, ended.key.id, ended.dialect) == ("req_1", "key_1", "openai_chat")
    assert (ended.model, ended.upstream) == ("haiku-model", "anthropic")
    assert ended.request.end_user == "ann"
    assert ended.held_nano_usd == 34_000 + 1_000 * 5_000
    assert (ended.latency_ms, ended.ttft_ms) == (2_500, None)  # 0.5 s, a second's wait, 1 s
    assert [(a.latency_ms, a.request_id) for a in ended.attempts] == [
        (500, "req_no"),
        (1_000, "req_up"),
    ]
    assert told.clock.slept == [1.0]


async def test_a_gateway_that_stops_during_a_wait_pays_for_nothing_unsent() -> None:
    told = await whole([After(1.0, BUSY)], interrupts=asyncio.CancelledError())
    assert told.summary == ("released", 0, None, 503, "gateway_stopped")
    assert told.attempts == [(529, "OverloadedError", 0, "refused")]


async def test_the_vendors_own_callers_see_its_status_and_so_does_the_row() -> None:
    told = await whole([After(1.0, BUSY)] * 3, native=True)
    assert told.summary == ("released", 0, None, 529, "upstream_overloaded")


async def test_a_count_is_asked_for_once() -> None:
    told = await whole([After(2.0, SILENT)] * 3)
    assert told.upstream.counted == 1


async def test_without_a_count_the_bound_on_the_prompt_stands() -> None:
    told = await whole([After(2.0, SILENT)] * 3, counts=None)
    assert told.summary[1] == 3 * (34_000 + 664 * 5_000)
    assert told.upstream.counted == 1


async def test_what_the_vendors_tools_bring_in_costs_the_whole_bound() -> None:
    tool = {"type": "web_search_20260318", "name": "web_search", "max_uses": 1}
    told = await whole([After(2.0, SILENT)], tools=(tool,), retries=RetryOptions(max_attempts=1))
    # 200,000 tokens of window, read twice, a search at a cent, 1,000 tokens out
    assert told.summary[1] == 400_000_000 + 10_000_000 + 5_000_000
    assert told.attempts[0][3] == "bound"
    assert told.upstream.counted == 0


LONG = ({"role": "user", "content": "x" * 40_000},)  # 40,032 tokens at most


async def test_a_hold_that_does_not_fit_leaves_no_row() -> None:
    told = await whole([DONE], limit=1_000_000)
    assert told.raised is errors.BudgetExceeded
    assert (told.ledger.rows, told.recordings.calls, told.upstream.sent) == ({}, [], [])
    assert told.upstream.counted == 0  # no count could help


async def test_a_count_makes_a_long_prompt_fit() -> None:
    told = await whole([DONE], limit=20_000_000, counts=10_000, messages=LONG)
    # 10,000 tokens, 2 % and 64 more, and 1,000 out
    assert told.ended.held_nano_usd == 10_264_000 + 5_000_000
    assert told.summary == ("settled", 110_000, "computed", 200, None)
    assert told.upstream.counted == 1


@pytest.mark.parametrize("counts", [10_000, None])
async def test_a_count_that_does_not_help_leaves_no_row(counts: int | None) -> None:
    told = await whole([DONE], limit=13_000_000, counts=counts, messages=LONG)
    assert told.raised is errors.BudgetExceeded
    assert (told.ledger.rows, told.upstream.sent, told.upstream.counted) == ({}, [], 1)


async def test_a_counted_call_of_unknown_outcome_costs_its_count() -> None:
    told = await whole(
        [After(2.0, SILENT)],
        limit=20_000_000,
        counts=10_000,
        messages=LONG,
        retries=RetryOptions(max_attempts=1),
    )
    assert told.summary[1] == 10_000_000 + 664 * 5_000
    assert told.upstream.counted == 1


async def test_an_answer_of_open_length_is_cut_to_the_budget() -> None:
    told = await whole([DONE], limit=10_000_000, max_tokens=None)
    # an eighth of what is left buys fewer than the least of 256 tokens
    assert told.ended.held_nano_usd == 34_000 + 256 * 5_000
    assert told.upstream.sent[0].request.max_tokens == 256
    assert told.receipt is not None
    assert told.receipt.opening.max_tokens_set == 256
    assert told.receipt.remaining_nano_usd == 10_000_000 - 110_000


async def test_no_retry_is_made_whose_hold_does_not_fit() -> None:
    told = await whole([After(2.0, SILENT), DONE], limit=8_000_000)
    assert told.raised is errors.APITimeoutError
    assert told.summary == ("settled", LOST, "estimated", 504, "upstream_timeout")
    assert told.upstream.script == [DONE]


async def test_a_retry_is_held_beside_what_the_first_try_costs() -> None:
    told = await whole([After(2.0, SILENT), DONE], limit=8_400_000)
    assert told.ended.held_nano_usd == LOST + 34_000 + 1_000 * 5_000
    assert told.raised is None


async def test_a_refused_try_is_made_again_on_the_same_hold() -> None:
    told = await whole([After(1.0, BUSY), DONE], limit=5_034_000)
    assert told.ended.held_nano_usd == 5_034_000


async def test_a_cost_above_its_hold_is_charged_in_full_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dear = Reply(
        "m", "haiku-model", (), "end_turn", Usage(10, output_tokens=2_000), headers=HEADERS
    )
    with caplog.at_level(logging.WARNING, "tollkeeper.calls"):
        told = await whole([After(1.0, dear)])
    assert told.summary[1] == 10_010_000
    assert [record.message for record in caplog.records] == [
        "a call cost more than was held for it"
    ]
