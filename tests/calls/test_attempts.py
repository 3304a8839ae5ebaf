from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.calls.attempts import RetryOptions, backoff_s, first_answer, is_transient
from app.calls.clock import Clock
from app.core import errors
from app.core.errors import status_error
from app.core.targets import Target
from tests.calls.fakes import FixedClock
from tests.upstream.anthropic.calls import TARGET, RecordingHold


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [(1, 0, 0.5), (2, 0, 1), (3, 0, 2), (5, 0, 8), (9, 0, 8), (1, 1, 0.375), (5, 1, 6)],
)
def test_the_wait_doubles_up_to_eight_seconds_less_a_quarter(
    attempt: int, jitter: float, seconds: float
) -> None:
    assert backoff_s(attempt, jitter) == seconds


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_passing_failure_is_transient(status: int) -> None:
    assert is_transient(status_error(status)("no", status=status))


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 413, 422])
def test_a_refusal_is_not_transient(status: int) -> None:
    assert not is_transient(status_error(status)("no", status=status))


def test_the_upstream_has_the_last_word() -> None:
    never = {"x-should-retry": "false"}
    please = {"x-should-retry": "true"}
    assert not is_transient(errors.OverloadedError("no", status=529, headers=never))
    assert is_transient(errors.BadRequestError("no", status=400, headers=please))


def test_what_broke_on_the_wire_is_transient_and_a_bug_is_not() -> None:
    assert is_transient(errors.APIConnectionError("no"))
    assert is_transient(errors.APITimeoutError("no"))
    assert is_transient(errors.APIResponseValidationError("no"))
    assert not is_transient(KeyError("a bug"))
    assert not is_transient(asyncio.CancelledError())


class Scripted:
    """Attempts that raise or return what the script says."""

    def __init__(self, *outcomes: Exception | str) -> None:
        self.outcomes = list(outcomes)

    async def attempt(self, _target: Target) -> str:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def run(self, hold: RecordingHold, options: RetryOptions) -> str:
        answer = await first_answer((TARGET,), self.attempt, hold, options)
        hold.answered({})
        return answer


def overloaded(retry_after: str) -> errors.OverloadedError:
    return errors.OverloadedError("no", status=529, headers={"retry-after": retry_after})


async def test_the_last_failure_is_raised_when_no_attempt_is_left() -> None:
    last = overloaded("0")
    scripted = Scripted(overloaded("0"), overloaded("0"), last, "never reached")
    hold = RecordingHold()
    with pytest.raises(errors.OverloadedError) as raised:
        await scripted.run(hold, RetryOptions(max_attempts=3))
    assert raised.value is last
    assert len(hold.attempts) == 3
    assert scripted.outcomes == ["never reached"]


async def test_a_retry_after_above_the_cap_ends_the_call_at_once() -> None:
    started_s = time.monotonic()
    scripted = Scripted(overloaded("31"), "never reached")
    hold = RecordingHold()
    with pytest.raises(errors.OverloadedError) as raised:
        await scripted.run(hold, RetryOptions(max_retry_after_s=30))
    assert raised.value.headers == {"retry-after": "31"}
    assert time.monotonic() - started_s < 5
    assert scripted.outcomes == ["never reached"]


async def test_a_retry_after_is_waited_for() -> None:
    started_s = time.monotonic()
    result = await Scripted(overloaded("0.2"), "done").run(RecordingHold(), RetryOptions())
    assert result == "done"
    assert 0.2 <= time.monotonic() - started_s < 5


async def test_a_wait_that_would_pass_the_deadline_ends_the_call_at_once() -> None:
    started_s = time.monotonic()
    scripted = Scripted(overloaded("2"), "never reached")
    with pytest.raises(errors.OverloadedError):
        await scripted.run(RecordingHold(), RetryOptions(max_elapsed_s=1.5))
    assert time.monotonic() - started_s < 1.5
    assert scripted.outcomes == ["never reached"]


async def test_no_bound_is_held_for_a_retry_that_is_not_made() -> None:
    hold = RecordingHold()
    with pytest.raises(errors.APITimeoutError):
        await Scripted(errors.APITimeoutError("no")).run(hold, RetryOptions(max_attempts=1))
    hurried = RecordingHold()
    with pytest.raises(errors.APITimeoutError):
        await Scripted(errors.APITimeoutError("no")).run(hurried, RetryOptions(max_elapsed_s=0.1))
    assert (hold.held, hurried.held) == (0, 0)
    assert [a.charged for a in (*hold.attempts, *hurried.attempts)] == [False, False]


async def test_calls_that_retry_at_the_same_time_do_not_disturb_each_other() -> None:
    async def one(number: int) -> tuple[str, int]:
        failures = [overloaded(f"0.0{n}") for n in range(number % 4)]
        scripted = Scripted(*failures, f"done {number}")
        hold = RecordingHold()
        result = await scripted.run(hold, RetryOptions(max_attempts=4))
        return result, len(hold.attempts)

    results = await asyncio.gather(*(one(number) for number in range(20)))
    assert results == [(f"done {number}", number % 4 + 1) for number in range(20)]


async def test_a_bug_in_an_attempt_surfaces_as_itself() -> None:
    hold = RecordingHold()
    scripted = Scripted(overloaded("0"), KeyError("a bug"), "never reached")
    with pytest.raises(KeyError):
        await scripted.run(hold, RetryOptions())
    assert hold.outcomes[0] == (529, "OverloadedError")
    assert len(hold.attempts) == 2


OTHER = replace(TARGET, upstream="elsewhere")


class Places:
    """Attempts that fail at one upstream and succeed at another."""

    def __init__(self, error: errors.UpstreamError) -> None:
        self.error = error
        self.tried: list[str] = []

    async def attempt(self, target: Target) -> str:
        self.tried.append(target.upstream)
        if target is TARGET:
            raise self.error
        return "done"


async def test_the_next_target_is_tried_once_the_first_was_tried_enough() -> None:
    places = Places(overloaded("0.01"))
    options = RetryOptions(max_attempts=2)
    done = await first_answer((TARGET, OTHER), places.attempt, RecordingHold(), options)
    assert (done, places.tried) == ("done", ["anthropic", "anthropic", "elsewhere"])


async def test_the_next_target_is_tried_at_once_where_the_first_asks_for_too_long() -> None:
    places = Places(overloaded("99"))
    await first_answer((TARGET, OTHER), places.attempt, RecordingHold(), RetryOptions())
    assert places.tried == ["anthropic", "elsewhere"]


async def test_a_refusal_is_the_same_at_every_target() -> None:
    places = Places(errors.BadRequestError("no", status=400))
    with pytest.raises(errors.BadRequestError):
        await first_answer((TARGET, OTHER), places.attempt, RecordingHold(), RetryOptions())
    assert places.tried == ["anthropic"]


TROUBLE = [
    errors.AuthenticationError("no", status=401),
    errors.PermissionDeniedError("no", status=403),
    errors.PaymentRequiredError("no", status=402),
    errors.OverloadedError("no", status=529, headers={"x-should-retry": "false"}),
    errors.RateLimitError("no", status=429, headers={"x-should-retry": "false"}),
]


@pytest.mark.parametrize("error", TROUBLE)
async def test_what_trying_again_cannot_help_may_work_elsewhere(
    error: errors.UpstreamError,
) -> None:
    places = Places(error)
    await first_answer((TARGET, OTHER), places.attempt, RecordingHold(), RetryOptions())
    assert places.tried == ["anthropic", "elsewhere"]


@pytest.mark.parametrize("status", [302, 400, 404, 413, 422])
async def test_what_the_caller_got_wrong_is_wrong_everywhere(status: int) -> None:
    places = Places(status_error(status)("no", status=status))
    with pytest.raises(errors.APIStatusError):
        await first_answer((TARGET, OTHER), places.attempt, RecordingHold(), RetryOptions())
    assert places.tried == ["anthropic"]


async def test_no_target_is_tried_after_the_time_is_over() -> None:
    clock = FixedClock()

    async def slow(target: Target) -> str:
        clock.now += 61
        raise errors.APITimeoutError(target.upstream)

    with pytest.raises(errors.APITimeoutError, match="anthropic"):
        await first_answer(
            (TARGET, OTHER), slow, RecordingHold(), RetryOptions(), Clock(clock.now_s, clock.sleep)
        )


async def test_targets_are_made_one_by_one_when_they_are_needed() -> None:
    made = []

    def targets() -> Iterator[Target]:
        for target in (TARGET, OTHER):
            made.append(target.upstream)
            yield target

    scripted = Scripted("done")
    await first_answer(targets(), scripted.attempt, RecordingHold(), RetryOptions())
    assert made == ["anthropic"]


async def test_the_next_target_is_not_tried_where_it_does_not_fit() -> None:
    places = Places(errors.APITimeoutError("silence"))
    with pytest.raises(errors.APITimeoutError):
        await first_answer(
            (TARGET, OTHER), places.attempt, RecordingHold(room=0), RetryOptions(max_attempts=1)
        )
    assert places.tried == ["anthropic"]


async def test_a_call_needs_a_target() -> None:
    with pytest.raises(ValueError, match="a call needs a target"):
        await first_answer((), Places(overloaded("0")).attempt, RecordingHold(), RetryOptions())
