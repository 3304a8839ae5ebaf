from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.core.errors import APIResponseValidationError
from app.core.usage import Usage
from app.dialects.anthropic.stream import StreamTap


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
    meter = tap.meter
    written = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 40}
    tap.feed([start(cache_creation_input_tokens=40, cache_creation=written)], 0.0)
    tap.feed([opens("text", text=""), text("Hello"), {"type": "ping"}], 0.1)
    assert meter.usage == Usage(100, 0, 40, 0, 1)
    assert (meter.output_is_known, meter.finished) == (False, False)
    tap.feed([ends(output_tokens=25, cache_creation_input_tokens=40, input_tokens=None)], 0.2)
    assert (meter.output_is_known, meter.finished) == (True, False)
    tap.feed([STOP], 0.2)
    assert meter.finished
    assert meter.usage == Usage(100, 0, 40, 0, 25)
    assert (meter.message_id, meter.model) == ("msg_1", "claude-haiku-4-5-20251001")
    assert (meter.stop_reason, tap.error) == ("end_turn", None)
    assert meter.estimate(10_000, 9.0) == Usage(100, 0, 40, 0, 25)


def test_a_cut_stream_counts_the_bytes_that_could_be_seen_and_a_margin() -> None:
    tap = StreamTap()
    tap.feed([start()], 0.0)
    tap.feed(
        [
            opens("thinking", thinking=""),
            delta("thinking_delta", "thinking", "Hm."),  # 3 bytes
            delta("signature_delta", "signature", "abcdefgh"),  # not output
            opens("text", text=""),
            text("Grüße"),  # 7 bytes
            opens("tool_use", id="toolu_1", name="weather", input={}),  # no input yet
            delta("input_json_delta", "partial_json", '{"a":1}'),  # 7 bytes
            delta("citations_delta", "citation", "x"),
            {"type": "content_block_stop", "index": 0},
        ],
        0.0,
    )
    assert tap.meter.visible_bytes == 17
    # 17 bytes and 64 tokens that may have been written and not sent
    assert tap.meter.estimate(10_000, 0.0) == Usage(input_tokens=100, output_tokens=81)
    assert tap.meter.estimate(20, 0.0) == Usage(input_tokens=100, output_tokens=20)


@pytest.mark.parametrize(
    ("cut_at_s", "output"),
    [
        (10.0, 9 + 64),  # nothing but what was seen
        (10.02, 9 + 64),  # 0.02 s x 300 are 6: less than the 9 bytes
        (10.1, 30 + 64),
        (17.001, 2_101 + 64),  # a part of a token is one
        (9.0, 9 + 64),  # a clock never runs backwards
    ],
)
def test_a_cut_stream_counts_the_seconds_since_its_last_count(cut_at_s: float, output: int) -> None:
    tap = StreamTap()
    tap.feed([start()], 10.0)
    tap.feed([{"type": "ping"}, text("some text")], 10.0)
    assert tap.meter.estimate(10_000, cut_at_s) == Usage(input_tokens=100, output_tokens=output)


def test_text_after_a_count_is_added_to_it() -> None:
    tap = StreamTap()
    tap.feed([start(), text("x" * 500)], 0.0)
    tap.feed([ends(output_tokens=90)], 5.0)
    assert tap.meter.estimate(10_000, 5.0) == Usage(100, output_tokens=154)
    tap.feed([text("y" * 4_000)], 6.0)
    assert not tap.meter.output_is_known
    assert tap.meter.estimate(10_000, 7.0) == Usage(100, output_tokens=90 + 4_000 + 64)
    # ten seconds may have brought more than 4,000 tokens; a second count has the last word
    assert tap.meter.estimate(10_000, 25.0) == Usage(100, output_tokens=90 + 6_000 + 64)
    tap.feed([ends(output_tokens=1_100), STOP], 25.0)
    assert tap.meter.estimate(10_000, 99.0) == Usage(100, output_tokens=1_100)


def test_a_whole_stream_that_goes_on_after_its_count_is_an_estimate() -> None:
    tap = StreamTap()
    tap.feed([start(), ends(output_tokens=90), text("z" * 30), STOP], 5.0)
    assert (tap.meter.finished, tap.meter.output_is_known) == (True, False)
    # the time that passed after the end counts for nothing
    assert tap.meter.estimate(10_000, 99.0) == Usage(100, output_tokens=90 + 30 + 64)


def test_a_stream_cut_before_its_start_has_no_estimate() -> None:
    tap = StreamTap()
    tap.feed([{"type": "ping"}], 0.0)
    assert tap.meter.estimate(100, 5.0) is None
    assert not tap.meter.begun


@pytest.mark.parametrize("event", [text("x"), opens("text", text=""), start()])
def test_whatever_belongs_to_an_answer_is_its_beginning(event: dict[str, Any]) -> None:
    tap = StreamTap()
    tap.feed([event], 0.0)
    assert tap.meter.begun


FALLING = [
    # what message_delta says after 100 input, 40 written, 30 read, 50 output
    {"output_tokens": 0, "input_tokens": 0, "cache_read_input_tokens": 0},
    {"output_tokens": 49, "cache_creation_input_tokens": 1},
    {"output_tokens": 50, "cache_creation": {"ephemeral_5m_input_tokens": 0}},
    {"output_tokens": None, "input_tokens": 99},
]


@pytest.mark.parametrize("usage", FALLING)
def test_counts_never_fall(usage: dict[str, Any]) -> None:
    tap = StreamTap()
    split = {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 0}
    first = start(cache_creation_input_tokens=40, cache_creation=split, cache_read_input_tokens=30)
    tap.feed([first, ends(output_tokens=50), ends(**usage), STOP], 0.0)
    assert tap.meter.usage == Usage(100, 40, 0, 30, 50)


FIRST_COUNTS = [
    # output tokens of the start, of each message_delta, in all
    (1, [0], 0),
    (8, [0], 0),
    (1, [5], 5),
    (9, [0], 9),
    (50, [20], 50),
    (1, [0, 7], 7),
    (1, [7, 0], 7),
    (1, [None, 0], 0),
    (1, [None], 1),
]


@pytest.mark.parametrize(("placed", "counted", "output"), FIRST_COUNTS)
def test_what_a_start_tells_of_output_is_a_place_holder_until_something_counts(
    placed: int, counted: list[int | None], output: int
) -> None:
    tap = StreamTap()
    tap.feed([start(output_tokens=placed), *(ends(output_tokens=n) for n in counted)], 0.0)
    assert tap.meter.usage == Usage(100, output_tokens=output)


ITERATION = {"type": "message", "input_tokens": 100, "output_tokens": 1}
ASIDE = {"type": "compaction", "input_tokens": 10, "output_tokens": 2}


def test_iterations_of_a_start_gain_what_the_totals_of_the_end_do() -> None:
    tap = StreamTap()
    tap.feed([start(iterations=[ITERATION, ASIDE]), ends(output_tokens=25), STOP], 0.0)
    assert tap.meter.usage is not None
    assert [part.usage.output_tokens for part in tap.meter.usage.parts] == [25, 2]
    assert tap.meter.usage.output_tokens == 27


def test_a_message_without_iterations_is_billed_beside_one_that_has_them() -> None:
    tap = StreamTap()
    second = start(iterations=[ITERATION, ASIDE])
    second["message"]["id"] = "msg_2"
    tap.feed([start(), ends(output_tokens=30), second, ends(output_tokens=25), STOP], 0.0)
    assert tap.meter.usage is not None
    parts = [(part.kind, part.usage.output_tokens) for part in tap.meter.usage.parts]
    assert parts == [("message", 30), ("message", 25), ("compaction", 2)]


def test_a_cut_answer_in_parts_gains_its_output_where_it_was_being_written() -> None:
    tap = StreamTap()
    tap.feed([start(iterations=[ITERATION, ASIDE]), text("x" * 1_000)], 0.0)
    usage = tap.meter.estimate(10_000, 0.0)
    assert usage is not None
    assert [part.usage.output_tokens for part in usage.parts] == [1_062, 2]


def test_the_categories_at_which_a_model_handed_over_are_kept() -> None:
    tap = StreamTap()
    trigger = {"type": "refusal", "category": "bio"}
    tap.feed([start(), opens("fallback", trigger=trigger), opens("text", text="x")], 0.0)
    assert tap.meter.answer.declined == ["bio"]


def test_a_second_message_in_a_stream_is_billed_beside_the_first() -> None:
    tap = StreamTap()
    second = start(input_tokens=7)
    second["message"]["id"] = "msg_2"
    tap.feed([start(), text("x" * 500), ends(output_tokens=90)], 0.0)
    tap.feed([second], 1.0)
    assert tap.meter.usage == Usage(107, output_tokens=91)
    tap.feed([text("y"), ends(output_tokens=20), STOP], 2.0)
    assert tap.meter.usage == Usage(107, output_tokens=110)
    assert tap.meter.output_is_known
    assert tap.meter.message_id == "msg_2"


def test_a_first_message_that_never_told_its_output_counts_by_its_bytes() -> None:
    tap = StreamTap()
    second = start(input_tokens=7)
    second["message"]["id"] = "msg_2"
    tap.feed([start(), text("x" * 500), second, ends(output_tokens=20), STOP], 0.0)
    # 1 + 500 of the first message, 20 of the second
    assert tap.meter.usage == Usage(107, output_tokens=521)
    assert not tap.meter.output_is_known


def test_the_same_start_said_twice_is_one_message() -> None:
    tap = StreamTap()
    tap.feed([start(), start(input_tokens=90), text("ab")], 0.0)
    assert tap.meter.usage == Usage(100, output_tokens=1)
    assert tap.meter.visible_bytes == 2


SPLIT = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 40}
WRITES = [
    # message_start says           message_delta says  1h mark  5m, 1h
    ({}, {"cache_creation_input_tokens": 40}, True, (0, 40)),
    ({}, {"cache_creation_input_tokens": 40}, False, (40, 0)),
    (
        {"cache_creation_input_tokens": 40, "cache_creation": SPLIT},
        {"cache_creation_input_tokens": 40},
        False,
        (0, 40),
    ),
    (
        {"cache_creation_input_tokens": 40, "cache_creation": SPLIT},
        {"cache_creation_input_tokens": 60},
        True,
        (0, 60),
    ),
    (
        {"cache_creation_input_tokens": 40, "cache_creation": SPLIT},
        {"cache_creation_input_tokens": 60},
        False,
        (20, 40),
    ),
]


@pytest.mark.parametrize(("first", "later", "marked", "written"), WRITES)
def test_writes_without_their_lifetimes_live_as_long_as_the_request_asked(
    first: dict[str, Any], later: dict[str, Any], *, marked: bool, written: tuple[int, int]
) -> None:
    tap = StreamTap(lambda: marked)
    tap.feed([start(**first), ends(output_tokens=5, **later), STOP], 0.0)
    usage = tap.meter.usage
    assert usage is not None
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == written


def test_nobody_asks_for_the_marks_of_a_request_that_wrote_nothing() -> None:
    def asked() -> bool:
        raise AssertionError

    split = {**SPLIT, "ephemeral_1h_input_tokens": 0}
    StreamTap(asked).feed([start(cache_creation_input_tokens=0, cache_creation=split)], 0.0)


def test_why_an_answer_was_refused_is_kept() -> None:
    tap = StreamTap()
    details = {"type": "refusal", "category": "cyber"}
    refused = {"stop_reason": "refusal", "stop_details": details}
    tap.feed([start(), {"type": "message_delta", "delta": refused}], 0.0)
    assert (tap.meter.stop_reason, tap.meter.stop_details) == ("refusal", details)


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
