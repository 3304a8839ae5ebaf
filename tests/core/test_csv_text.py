"""CSV that a script reads back as it was, and of which a spreadsheet runs nothing."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.csv_text import cell, csv_text, wants_csv

CELLS = [
    (None, ""),
    (True, "true"),
    (0, "0"),
    (-12, "-12"),
    ("-0.000000001", "-0.000000001"),
    ("+1", "+1"),
    ("=1+1", "'=1+1"),
    ("  =1+1", "'  =1+1"),
    ("-1+cmd", "'-1+cmd"),
    ("+49 30", "'+49 30"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("\t=1", "'\t=1"),
    ("＝1", "'＝1"),  # noqa: RUF001
    ("a=b", "a=b"),
    (["a", "=b"], '["a","=b"]'),
    ("nul\0", "nul"),
]


@pytest.mark.parametrize(("value", "shown"), CELLS)
def test_a_cell(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_a_table_is_quoted_as_rfc_4180_says() -> None:
    rows = [("id", "tag"), ("1", 'a"b,c'), ("2", "two\nlines")]
    assert csv_text(rows) == 'id,tag\r\n1,"a""b,c"\r\n2,"two\nlines"\r\n'


@given(st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8")), min_size=2), min_size=1))
def test_whatever_is_written_is_read_back_but_for_the_quote_before_a_formula(
    rows: list[list[str]],
) -> None:
    read = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
    assert read == [[cell(text) for text in row] for row in rows]


ASKED = [
    ("", None, False),
    ("*/*", None, False),
    ("text/csv", None, True),
    ("Text/CSV; charset=utf-8", None, True),
    ("application/json, text/csv;q=0.5", None, False),
    ("application/json;q=0.5, text/csv", None, True),
    ("text/csv;q=0", None, False),
    ("text/csv;q=high", None, False),
    ("text/html", "csv", True),
    ("text/csv", "json", False),
]


@pytest.mark.parametrize(("accept", "asked", "csv_is_meant"), ASKED)
def test_when_a_list_is_csv(accept: str, asked: str | None, *, csv_is_meant: bool) -> None:
    assert wants_csv(accept, asked) is csv_is_meant
