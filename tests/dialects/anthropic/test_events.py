from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import APIResponseValidationError
from app.dialects.anthropic.events import EventReader

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
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
EVENT_OF_STOP = {"type": "message_stop"}


def fed(*pieces: bytes) -> tuple[list[bytes], list[dict[str, object]]]:
    """What the pieces of a stream give, one by one: bytes, and all objects."""
    reader = EventReader()
    given = [reader.feed(piece) for piece in pieces]
    return [raw for raw, _ in given], [event for _, events in given for event in events]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_events_are_the_same_however_the_bytes_are_cut(end: bytes, size: int) -> None:
    stream = STREAM.replace(b"\n", end)
    whole, events = fed(*(stream[at : at + size] for at in range(0, len(stream), size)), b":")
    assert events == EVENTS
    assert b"".join(whole) in (stream, stream.removesuffix(b"\n"))


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=30), st.sampled_from([b"\n", b"\r\n"]))
def test_events_are_the_same_for_any_cut(cuts: list[int], end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    places = [0, *sorted(cuts), len(stream)]
    _, events = fed(*(stream[start:end] for start, end in itertools.pairwise(places)))
    assert events == EVENTS


def test_an_event_comes_as_soon_as_it_is_complete() -> None:
    assert fed(b'data: {"type": "ping"}\n', b"\n") == (
        [b"", b'data: {"type": "ping"}\n\n'],
        [{"type": "ping"}],
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_half_an_event_is_never_given(end: bytes) -> None:
    stream = (PING + PING + PING[:-1]).replace(b"\n", end)
    for place in range(len(stream)):
        whole, _ = fed(stream[:place], stream[place:])
        assert b"".join(whole).rstrip(b"\r\n") == (PING + PING).replace(b"\n", end).rstrip(b"\r\n")
        assert b"".join(whole).endswith((end + end, b"\r\n\r"))


LAST = [
    STOP + b"data: [DONE]\n\n",
    STOP + b"data: {broken\n\n",
    STOP + b'event: error\ndata: {"type": "error"}\n\n',
    STOP + b"\x00\xff garbage",
    STOP + STOP,
    STOP,
    STOP[:-1],  # without its blank line
    STOP[:-2],  # without its line end
]


@pytest.mark.parametrize("ending", LAST)
@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_nothing_follows_the_end_of_the_message(ending: bytes, size: int) -> None:
    stream = PING + ending
    reader = EventReader()
    whole, events = b"", list[dict[str, object]]()
    for at in range(0, len(stream), size):
        raw, new = reader.feed(stream[at : at + size])
        whole, events = whole + raw, events + new
        if reader.ended:
            break
    assert reader.ended
    assert (whole, events) == (PING + STOP, [{"type": "ping"}, EVENT_OF_STOP])


def test_text_that_speaks_of_the_end_is_not_the_end() -> None:
    data = b'data: {"type": "content_block_delta", "delta": {"text": "message_stop"}}\n\n'
    reader = EventReader()
    assert reader.feed(data)[0] == data
    assert reader.feed(data[:-2]) == (b"", [])
    assert not reader.ended


def test_what_some_upstreams_say_beside_the_events_is_passed_over() -> None:
    assert fed(b"data: [DONE]\n\n" + PING) == ([b"data: [DONE]\n\n" + PING], [{"type": "ping"}])


@pytest.mark.parametrize("data", [b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}'])
def test_data_that_cannot_be_read_raises(data: bytes) -> None:
    with pytest.raises(APIResponseValidationError):
        EventReader().feed(b"event: x\ndata: " + data + b"\n\n")


def test_events_before_one_that_cannot_be_read_are_given_first() -> None:
    reader = EventReader()
    assert reader.feed(PING + b"data: {\n\n" + PING) == (PING, [{"type": "ping"}])
    with pytest.raises(APIResponseValidationError):
        reader.feed(PING)
