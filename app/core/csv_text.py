"""Tables as CSV, RFC 4180: for scripts to read, and for spreadsheets that must run none of it."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CSV_TYPE = "text/csv; charset=utf-8"
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
_QUOTE = "'"


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows, each ended by CRLF.

    None is empty, true and false are words, a list or an object is JSON. A text that a spreadsheet
    would take for a formula has a `'` before it; a number has none.
    """
    written = io.StringIO(newline="")
    csv.writer(written).writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()


def cell(value: object) -> str:
    """One value as a CSV cell, before it is quoted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = str(value).replace("\0", "")
    if text.lstrip(" ").startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return _QUOTE + text
    return text


def wants_csv(accept: str, asked: str | None = None) -> bool:
    """Whether a list is to be CSV: `asked` (`csv` or `json`) decides, else the `accept` header."""
    if asked is not None:
        return asked == "csv"
    best = {"text/csv": 0.0, "application/json": 0.0}
    for part in accept.lower().split(","):
        kind, _, parameters = part.strip().partition(";")
        if kind.strip() in best:
            best[kind.strip()] = _quality(parameters)
    return best["text/csv"] > 0 and best["text/csv"] >= best["application/json"]


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            return float(value) if _NUMBER.fullmatch(value) else 0.0
    return 1.0
