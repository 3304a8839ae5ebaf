"""No text that a caller wrote commands a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.printable import printable, printable_json, printable_lines

SHOWN = [
    ("env=prod", "env=prod"),
    ("équipe 日本 👍", "équipe 日本 👍"),
    ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
    ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    ("\x9b2J", "\\x9b2J"),
    ("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
    ("\x7f\x00", "\\x7f\\x00"),
    ("user\u202egnp.exe", "user\\u202egnp.exe"),
    ("a\u2028b\u200bc", "a\\u2028b\\u200bc"),
    ("\udcff", "\\udcff"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_not_to_be_seen_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_our_own_line_breaks_stay_in_lines() -> None:
    assert printable_lines("one\ntwo\x1b[2J\r") == "one\ntwo\\x1b[2J\\x0d"


@given(st.text())
def test_json_says_the_same_without_a_command_in_it(text: str) -> None:
    written = json.dumps({"tag": text}, ensure_ascii=False, indent=2)
    shown = printable_json(written)
    assert json.loads(shown) == {"tag": text}
    assert printable(shown.replace("\n", "")) == shown.replace("\n", "")
