from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import APIResponseValidationError
from app.core.usage import Usage
from app.dialects.anthropic.stream import EventReader, StreamTap

STREAM = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1"}}\n\n'
    'event: ping\ndata: {"type": "ping"}\n\n'
    ": a comment\n\n"
    "event: without_data\nid: 7\nretry: 10\n\n"
    'event: content_block_delta\ndata: {"type":"content_block_delta",\n'
    'data: "delta":{"type":"text_delta","text":"Grüße, 世界 🎉"}}\n\n'
    'event: brand_new\ndata:{"type":"brand_new"}\n\n'
).encode()
EVENTS = [
    {"type": "message_start", "message": {"id": "msg_1"}},
    {"type": "ping"},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Grüße, 世界 🎉"}},
    {"type": "brand_new"},
]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_events_are_the_same_however_the_bytes_are_cut(end: bytes, size: int) -> None:
    stream = STREAM.replace(b"\n", end) + b":"
    reader = EventReader()
    events = []
    for start in range(0, len(stream), size):
        events += reader.feed(stream[start : start + size])
    assert events == EVENTS


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_events_are_the_same_for_any_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    events = []
    for start, end in itertools.pairwise(places):
        events += reader.feed(STREAM[start:end])
    assert events == EVENTS


def test_an_event_comes_as_soon_as_it_is_complete() -> None:
    reader = EventReader()
    assert reader.feed(b'data: {"type": "ping"}\n') == []
    assert reader.feed(b"\n") == [{"type": "ping"}]


@pytest.mark.parametrize("data", [b"{", b"[]", b'"x"', b"\xff", b"[DONE]", b'{"a": NaN}'])
def test_data_that_cannot_be_read_raises(data: bytes) -> None:
    with pytest.raises(APIResponseValidationError):
        EventReader().feed(b"event: x\ndata: " + data + b"\n\n")


def start(**usage: Any) -> dict[str, Any]:
    counts = {"input_tokens": 100, "output_tokens": 1, **usage}
    message = {"id": "msg_1", "model": "claude-haiku-4-5-20251001", "usage": counts}
    return {"type": "message_start", "message": message}


def delta(kind: str, field: str, text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, field: text}}


def text(value: str) -> dict[str, Any]:
    return delta("text_delta", "text", value)


def opens(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "content_block": {"type": kind, **fields}}


def ends(**usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


STOP = {"type": "message_stop"}


def test_a_whole_stream_is_metered_exactly() -> None:
    tap = StreamTap()
    written = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 40}
    tap.feed([start(cache_creation_input_tokens=40, cache_creation=written)], 0.0)
    tap.feed([opens("text", text=""), text("Hello"), {"type": "ping"}], 0.1)
    assert tap.meter.usage == Usage(100, 0, 40, 0, 1)
    assert (tap.meter.output_is_known, tap.meter.finished) == (False, False)
    tap.feed([ends(output_tokens=25, cache_creation_input_tokens=40, input_tokens=None)], 0.2)
    assert (tap.meter.output_is_known, tap.meter.finished) == (True, False)
    tap.feed([STOP], 0.2)
    assert tap.meter.finished
    assert tap.meter.usage == Usage(100, 0, 40, 0, 25)
    assert (tap.meter.message_id, tap.meter.model) == ("msg_1", "claude-haiku-4-5-20251001")
    assert (tap.meter.stop_reason, tap.error) == ("end_turn", None)
    assert tap.meter.estimate(10_000, 9.0) == Usage(100, 0, 40, 0, 25)


def test_a_cut_stream_counts_the_bytes_that_could_be_seen() -> None:
    tap = StreamTap()
    tap.feed([start()], 0.0)
    tap.feed(
        [
            opens("thinking", thinking=""),
            delta("thinking_delta", "thinking", "Hm."),  # 3 bytes
            delta("signature_delta", "signature", "abcdefgh"),  # not output
            opens("text", text=""),
            text("Grüße"),  # 7 bytes
            opens("tool_use", id="toolu_1", name="weather", input={}),  # 7 bytes
            delta("input_json_delta", "partial_json", '{"a":1}'),  # 7 bytes
            delta("citations_delta", "citation", "x"),
            {"type": "content_block_stop", "index": 0},
        ],
        0.0,
    )
    assert tap.meter.visible_bytes == 24
    assert tap.meter.estimate(10_000, 0.0) == Usage(input_tokens=100, output_tokens=24)
    assert tap.meter.estimate(20, 0.0) == Usage(input_tokens=100, output_tokens=20)


def test_seconds_in_which_nothing_came_are_hidden_output() -> None:
    tap = StreamTap()
    tap.feed([start()], 10.0)
    tap.feed([opens("thinking", thinking="")], 10.0)
    tap.feed([{"type": "ping"}], 13.0)
    tap.feed([delta("signature_delta", "signature", "abc")], 14.0)
    tap.feed([opens("text", text=""), text("ab")], 14.0)  # 4 s without output
    tap.feed([text("c")], 14.1)  # the same block going on
    tap.feed([text("d")], 14.2)
    tap.feed([text("e")], 15.2)  # 1 s without output
    assert tap.meter.visible_bytes == 5
    # 2 s without output at the end
    assert tap.meter.estimate(10_000, 17.2) == Usage(input_tokens=100, output_tokens=1055)
    assert tap.meter.estimate(10_000, 17.2) == Usage(input_tokens=100, output_tokens=1055)


def test_a_stream_cut_after_its_count_is_charged_by_the_count() -> None:
    tap = StreamTap()
    tap.feed([start(), text("x" * 500)], 0.0)
    tap.feed([ends(output_tokens=90)], 5.0)
    assert tap.meter.estimate(10_000, 60.0) == Usage(input_tokens=100, output_tokens=90)


def test_a_stream_cut_before_its_start_has_no_estimate() -> None:
    tap = StreamTap()
    tap.feed([{"type": "ping"}], 0.0)
    assert tap.meter.estimate(100, 5.0) is None


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}},
            {"type": "overloaded_error", "message": "Busy"},
        ),
        ({"type": "error", "error": "?"}, {"type": "error", "error": "?"}),
    ],
)
def test_an_error_event_is_kept(event: dict[str, Any], error: dict[str, Any]) -> None:
    tap = StreamTap()
    tap.feed([start(), event], 0.0)
    assert tap.error == error
    assert not tap.meter.finished


UNREADABLE: list[list[dict[str, Any]]] = [
    [{"type": "message_start"}],
    [{"type": "message_start", "message": {"id": "msg_1"}}],
    [start(input_tokens=None)],
    [start(output_tokens=-1)],
    [ends(output_tokens=5)],
    [start(), ends(output_tokens="5")],
    [start(), {"type": "message_delta", "delta": {}, "usage": [5]}],
]


@pytest.mark.parametrize("events", UNREADABLE)
def test_a_figure_that_cannot_be_read_raises(events: list[dict[str, Any]]) -> None:
    with pytest.raises(APIResponseValidationError):
        StreamTap().feed(events, 0.0)


ODD = [
    {},
    {"type": ["x"]},
    {"type": "content_block_delta"},
    {"type": "content_block_delta", "delta": {"type": ["text_delta"], "text": "x"}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 5}},
    {"type": "content_block_start", "content_block": None},
    {"type": "message_delta", "delta": None},
    {"type": "something_new", "usage": {"output_tokens": 5}},
]


@pytest.mark.parametrize("event", ODD, ids=lambda event: orjson.dumps(event).decode())
def test_an_odd_event_changes_nothing(event: dict[str, Any]) -> None:
    tap = StreamTap()
    tap.feed([start(), event], 0.0)
    assert tap.meter.usage == Usage(input_tokens=100, output_tokens=1)
    assert (tap.meter.visible_bytes, tap.meter.output_is_known) == (0, False)
