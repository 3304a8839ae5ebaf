"""Numbers that no common type holds pass with their digits; whatever else is JSON is orjson's."""

from __future__ import annotations

import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadRequest
from app.dialects.anthropic import messages as anthropic_messages
from app.dialects.anthropic.events import EventReader
from app.dialects.anthropic.stream import StreamTap
from app.dialects.anthropic.wire import encode, reply_from
from app.dialects.json_text import LongNumber, dumps, loads
from app.dialects.openai_chat import request as openai_chat
from app.dialects.openai_chat.reply import reply_bytes
from app.dialects.openai_chat.stream import ChunkWriter
from app.dialects.openai_responses import request as responses
from app.dialects.openai_responses.stream import EventWriter
from tests.dialects.openai_chat.dialogues import OPENING, RECEIPT

LONG = [
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "9" * 5_000,
    "0.12345678901234567890",
    "3.14159265358979323846264338327950288",
    "9007199254740993.0",
    "1e400",
    "-1E+400",
    "1e-400",
    "1e999999999999999999999999",
    "2.5e-9999",
]


@pytest.mark.parametrize("digits", LONG, ids=lambda digits: digits[:24])
def test_a_long_number_is_written_with_the_digits_it_came_in(digits: str) -> None:
    body = b'{"a":[{"b":%b},"x"],"c":1.5}' % digits.encode()
    value = loads(body)
    assert value["a"][0]["b"] == LongNumber(digits)
    assert dumps(value) == body
    assert loads(body.decode()) == value


COMMON = [
    ("18446744073709551615", 2**64 - 1),
    ("-9223372036854775808", -(2**63)),
    ("0.30000000000000004", 0.30000000000000004),
    ("1.7976931348623157e308", 1.7976931348623157e308),
    ("0.1000000000000000000", 0.1),
    ("1e300", 1e300),
    ("0e999", 0.0),
    ('"123456789012345678901234567890 and 1e400"', "123456789012345678901234567890 and 1e400"),
    (r'"a \" 1e400"', 'a " 1e400'),
]


@pytest.mark.parametrize(("text", "value"), COMMON)
def test_what_a_common_type_holds_is_of_that_type(text: str, value: object) -> None:
    assert loads(text) == value
    assert type(loads(text)) is type(value)


NOT_JSON = [
    "",
    "{",
    "01e400",
    "1e",
    "- 1e400",
    "[1e400,]",
    "[1e400,NaN]",
    "[1e400,Infinity]",
    '[1e400,"\\ud800"]',
    "1e400 1e400",
    "[" * 2_000 + "1e400" + "]" * 2_000,
    "[" * 1_000 + "1e400" + "]" * 1_000,
    "+1e400",
    ".1234567890123456789",
    "1234567890123456789.",
]


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: text[:24])
def test_what_is_not_json_is_refused_whatever_numbers_it_holds(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(text)


def test_a_text_may_hold_ten_thousand_long_numbers_and_no_more() -> None:
    assert loads(b"[" + b"1e400," * 9_999 + b"1e400]")[-1] == "1e400"
    with pytest.raises(orjson.JSONDecodeError, match="more than 10,000 long numbers"):
        loads(b"[" + b"1e400," * 10_000 + b"1e400]")


def test_half_a_character_is_refused() -> None:
    for text in (b'["\xff", 1e400]', "[1e400]\ud800"):
        with pytest.raises(orjson.JSONDecodeError):
            loads(text)


def test_what_is_no_json_value_is_not_written() -> None:
    with pytest.raises(orjson.JSONEncodeError):
        dumps({"a": object()})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(value=values)
def test_any_value_comes_back_as_it_went(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert json.loads(dumps(loads(text))) == value


DIGITS = b"123456789012345678901234567890"


def test_every_lane_sends_and_tells_numbers_with_their_digits() -> None:
    schema = b'{"type":"object","properties":{"n":{"type":"integer","minimum":%b}}}' % DIGITS
    chat_body = (
        b'{"model":"haiku","temperature":0.10000000000000000001,"messages":['
        b'{"role":"user","content":"Go"},{"role":"assistant","tool_calls":[{"id":"c1","type":'
        b'"function","function":{"name":"go","arguments":"{\\"n\\":%b,\\"x\\":1e400}"}}]},'
        b'{"role":"tool","tool_call_id":"c1","content":"ok"}],"tools":[{"type":"function",'
        b'"function":{"name":"go","parameters":%b}}]}' % (DIGITS, schema)
    )
    chat = replace(openai_chat.parse(chat_body).request, max_tokens=9)
    assert chat.options["temperature"] == 0.1
    sent = encode(chat, "m")
    assert b'"input":{"n":%b,"x":1e400}' % DIGITS in sent
    assert b'"minimum":%b' % DIGITS in sent

    native_body = b'{"model":"m","max_tokens":9,"messages":[],"x":{"n":%b}}' % DIGITS
    native_body = native_body.replace(b"[]", b'[{"role":"user","content":"Go"}]')
    native = replace(anthropic_messages.parse(native_body), original=None)
    assert b'"x":{"n":%b}' % DIGITS in encode(native, "m")

    answer = (
        b'{"id":"msg_1","model":"m","content":[{"type":"tool_use","id":"t","name":"go",'
        b'"input":{"n":%b}}],"stop_reason":"tool_use","usage":{"input_tokens":1,'
        b'"output_tokens":1}}' % DIGITS
    )
    told = reply_bytes(reply_from(answer), RECEIPT)
    arguments = orjson.loads(told)["choices"][0]["message"]["tool_calls"][0]["function"]
    assert arguments == {"name": "go", "arguments": f'{{"n":{DIGITS.decode()}}}'}


@pytest.mark.parametrize("number", [DIGITS, b"0.12345678901234567890123", b"1e400"])
def test_a_streamed_call_whose_input_comes_at_once_keeps_its_digits(number: bytes) -> None:
    stream = (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"tool_use","id":"t","name":"go","input":{"n":%b}}}\n\n'
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' % number
    )
    raw, events = EventReader().feed(stream)
    assert raw == stream
    StreamTap().feed(events, 0.0)
    arguments = b'{\\"n\\":%b}' % number
    body = orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "Go"}]})
    call = openai_chat.parse(body)
    chunks = ChunkWriter(OPENING, call.include_usage, legacy_functions=False)
    assert b'"arguments":"%b"' % arguments in chunks.feed(events)
    item = responses.parse(orjson.dumps({"model": "auto", "input": "Go"}))
    assert b'"arguments":"%b"' % arguments in EventWriter(OPENING, item).feed(events)


def test_a_long_number_is_no_text_and_no_count() -> None:
    for body, param in (
        (b'{"model":1e400,"messages":[]}', "model"),
        (b'{"max_tokens":1e400,"messages":[{"role":"user","content":"Go"}]}', "max_tokens"),
        (b'{"messages":[{"role":"user","content":%b}]}' % DIGITS, "messages[0].content"),
    ):
        with pytest.raises(BadRequest) as caught:
            openai_chat.parse(body)
        assert caught.value.param == param
