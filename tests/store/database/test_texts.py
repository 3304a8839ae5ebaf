from __future__ import annotations

import pytest

from app.store.database.texts import stored

STORED = [
    ("plain", "plain"),
    ("équipe 会社 👩\u200d💻", "équipe 会社 👩\u200d💻"),
    ("non\u00a0breaking", "non\u00a0breaking"),
    ("a\0b", "a�b"),
    ("\x1b[2J\x9b2J", "�[2J�2J"),
    ("two\r\nlines\ttab", "two��lines�tab"),
    ("\u202egnp.exe\u2066", "�gnp.exe�"),
    ("\u2028\u2029\x7f", "���"),
    ("half \ud83d", "half �"),
    ("", ""),
]


@pytest.mark.parametrize(("given", "kept"), STORED)
def test_what_breaks_a_terminal_or_a_database_is_replaced(given: str, kept: str) -> None:
    assert stored(given) == kept
    assert stored(kept) == kept


def test_a_text_is_cut_to_its_limit() -> None:
    assert stored("x" * 256) == "x" * 256
    assert stored("x" * 8_000_000) == "x" * 255 + "…"
    assert stored("é" * 200, 128) == "é" * 127 + "…"
