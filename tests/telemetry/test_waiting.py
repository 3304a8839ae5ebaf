"""Traces of calls whose vendor tells its bill later: they wait, for so many and for so long."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from app.core.ended import Attempt, Basis, Ended
from app.core.lookups import Billed, Left
from app.telemetry.observations import Told
from app.telemetry.tracing import MOST_WAITING as MOST_QUEUED
from app.telemetry.waiting import LONGEST_S, MOST_WAITING, WaitingTraces
from tests.telemetry.calls import MODEL, call
from tests.telemetry.test_tracing import Sink, tracing


def by_openrouter(request_id: str, *, basis: Basis = Basis.USAGE) -> Ended:
    attempt = Attempt(
        "openrouter", MODEL, 200, None, 9, None, 1_000, basis, generation_id=f"gen-{request_id}"
    )
    return replace(call(0.2, 1_000), request_id=request_id, attempts=(attempt,))


class Traced:
    """What waits before one destination, by a clock of the test's own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lost = Counter[str]()
        self._sink = Sink()
        self._sink.open.set()
        self._tracing = tracing(self._sink, self.lost)
        self.waiting = WaitingTraces([self._tracing], lambda: self.now_s)

    def sent(self) -> list[Told]:
        self._tracing.start()
        self._tracing.close()
        return self._sink.calls


def test_a_call_waits_for_its_bill_and_says_what_that_says() -> None:
    traced = Traced()
    traced.waiting.record(by_openrouter("a"))
    traced.waiting.record(call(0.2, 7))
    traced.now_s = 10
    assert traced.waiting.waiting_for(10) == ["a"]
    traced.waiting.tell({"a": Billed(1_250, "billed", -70)})
    at_once, billed = traced.sent()
    assert (at_once.call.request_id, at_once.call.cost_nano_usd) == ("req_1", 7)
    assert (billed.call.request_id, billed.call.cost_nano_usd) == ("a", 1_250)
    assert (billed.cost_source, billed.cache_discount_nano_usd) == ("billed", -70)
    assert [attempt.cost_nano_usd for attempt in billed.call.attempts] == [1_250]
    assert traced.waiting.waiting_for(0) == []


def test_an_answer_that_was_lost_is_told_at_what_was_billed_for_it() -> None:
    traced = Traced()
    lost = replace(by_openrouter("a", basis=Basis.ELAPSED), charge=None, other_nano_usd=1_000)
    traced.waiting.record(lost)
    traced.waiting.tell({"a": Billed(400, "billed", None)})
    (told,) = traced.sent()
    assert (told.call.cost_nano_usd, told.call.other_nano_usd) == (400, 400)
    assert [(each.cost_nano_usd, each.basis) for each in told.call.attempts] == [(400, Basis.USAGE)]


def test_what_another_process_has_told_is_forgotten() -> None:
    traced = Traced()
    traced.waiting.record(by_openrouter("a"))
    traced.waiting.tell({"a": None, "b": Billed(1, "billed", 0)})
    assert traced.waiting.waiting_for(0) == []
    assert traced.sent() == []


def test_what_is_never_billed_is_told_as_it_stands_after_a_while() -> None:
    traced = Traced()
    traced.waiting.record(by_openrouter("a"))
    traced.now_s = 1
    traced.waiting.record(by_openrouter("b"))
    traced.now_s = LONGEST_S
    traced.waiting.tell_as_they_stand()
    assert traced.waiting.told_early() == ["a"]
    assert traced.waiting.told_early() == []
    assert traced.waiting.waiting_for(0) == ["b"]
    (told,) = traced.sent()
    assert (told.call.cost_nano_usd, told.cost_source) == (1_000, None)


def test_more_than_may_wait_push_out_who_waits_longest() -> None:
    assert MOST_WAITING <= MOST_QUEUED
    traced = Traced()
    for n in range(MOST_WAITING + 2):
        traced.waiting.record(by_openrouter(f"r{n}"))
    assert traced.waiting.told_early() == ["r0", "r1"]
    assert len(traced.waiting.waiting_for(0)) == MOST_WAITING
    assert [told.call.request_id for told in traced.sent()] == ["r0", "r1"]
    assert traced.lost == {}


def test_a_call_of_a_process_that_is_gone_is_told_as_of_when_it_ended() -> None:
    traced = Traced()
    left = Left(by_openrouter("gone"), 9_000_000_000, Billed(900, "billed", 12))
    traced.waiting.adopt([left])
    (told,) = traced.sent()
    assert (told.begun_ns, told.ended_ns) == (8_800_000_000, 9_000_000_000)
    assert (told.call.cost_nano_usd, told.cache_discount_nano_usd) == (900, 12)


def test_an_attempt_that_is_not_billed_keeps_nobody_waiting() -> None:
    traced = Traced()
    refused = replace(by_openrouter("a", basis=Basis.REFUSED), charge=None, other_nano_usd=0)
    traced.waiting.record(refused)
    assert traced.waiting.waiting_for(0) == []
