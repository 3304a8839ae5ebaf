"""The queue before a tracing tool: bounded, never waited for, and every loss is counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.core.errors import OverloadedError
from app.core.request import Request
from app.telemetry.observations import Told
from app.telemetry.tracing import MOST_AT_ONCE, MOST_WAITING, Destination, Tracing
from tests.telemetry.calls import call

PROMPT = ({"role": "user", "content": "a secret"},)


@dataclass
class Sink:
    """Implements tracing.Sender; may be slow, or refuse."""

    takes: bool = True
    calls: list[Told] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    closed: bool = False

    def send(self, calls: Sequence[Told]) -> bool:
        self.open.wait(10)
        self.sizes.append(len(calls))
        self.calls += calls
        return self.takes

    def close(self) -> None:
        self.closed = True


def tracing(sink: Sink, lost: Counter[str], *, content: bool = False) -> Tracing:
    destination = Destination("langfuse", "http://langfuse/v1/traces", include_content=content)

    def count(where: str, calls: int) -> None:
        lost[where] += calls

    return Tracing(destination, lambda _: sink, count, now_ns=lambda: 5_000_000_000)


def test_what_was_recorded_is_sent_in_order_when_the_gateway_stops() -> None:
    sink, lost = Sink(), Counter[str]()
    sink.open.set()
    traced = tracing(sink, lost)
    traced.start()
    for n in range(600):
        traced.record(replace(call(0.2, n), request_id=f"req_{n}"))
    traced.close()
    assert [told.call.request_id for told in sink.calls] == [f"req_{n}" for n in range(600)]
    assert max(sink.sizes) <= MOST_AT_ONCE
    assert sink.closed
    assert lost == {}
    assert sink.calls[0].ended_ns == 5_000_000_000
    assert sink.calls[0].begun_ns == 4_800_000_000


def test_a_full_queue_drops_what_comes_and_counts_it() -> None:
    sink, lost = Sink(), Counter[str]()
    traced = tracing(sink, lost)
    for _ in range(MOST_WAITING + 3):
        traced.record(call(0.2, 1))
    assert lost == {"langfuse_queue": 3}


def test_what_the_destination_would_not_take_is_counted() -> None:
    sink, lost = Sink(takes=False), Counter[str]()
    sink.open.set()
    traced = tracing(sink, lost)
    traced.record(call(0.2, 1))
    traced.record(call(0.2, 1))
    traced.start()
    traced.close()
    assert lost == {"langfuse_export": 2}


def test_no_prompt_and_no_exception_waits_in_the_queue_unless_content_is_asked_for() -> None:
    error = OverloadedError("busy", status=529)
    request = Request(model="auto", messages=PROMPT, end_user="u", tags=("a",))
    answer = ({"type": "text", "text": "an answer"},)
    ended = replace(call(0.2, 1), request=request, error=error, content=answer)
    for content in (False, True):
        sink, lost = Sink(), Counter[str]()
        sink.open.set()
        traced = tracing(sink, lost, content=content)
        traced.record(ended)
        traced.start()
        traced.close()
        (told,) = sink.calls
        assert told.call.request.messages == ()
        assert (told.call.error, told.call.content, told.error) == (None, None, "busy")
        assert (told.call.request.end_user, told.call.request.tags) == ("u", ("a",))
        assert told.answer == (answer if content else None)
        assert (told.prompt is not None) is content
        if content:
            assert told.prompt["messages"] == PROMPT


def test_content_that_waits_is_bounded_by_its_size_and_the_call_is_sent_without_it() -> None:
    sink, lost = Sink(), Counter[str]()
    traced = tracing(sink, lost, content=True)
    large = call(0.2, 1)
    assert large.charge is not None
    usage = replace(large.charge.usage, input_tokens=10 * 2**20)  # 40 MiB of text, or so
    large = replace(large, charge=replace(large.charge, usage=usage))
    traced.record(large)
    traced.record(large)
    sink.open.set()
    traced.start()
    traced.close()
    assert [told.prompt is not None for told in sink.calls] == [True, False]
