"""How much one request may hold.  More is refused before anything walks through it.

The vendor takes at most 100,000 messages; the other ceilings lie far above what fits into a
context window, and keep the reading of one body from holding up everyone else's.
"""

from __future__ import annotations

import re
from typing import Final

from app.core.errors import BadRequest

MOST_MESSAGES: Final = 100_000
MOST_PARTS: Final = 10_000  # of one message
MOST_TOOLS: Final = 10_000
MOST_VALUES: Final = 1_000_000  # arrays, objects and what stands in them, in all

_OPENING = b"[{"
_CLOSING = b"]}"
_QUOTE = ord('"')
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{},]', re.DOTALL)


def check_values(body: bytes) -> None:
    """Refuse a body with too many values, by the top-level field in which they become too many.

    Looks at the text alone: building such values takes seconds during which no other thread
    runs.  Raises BadRequest.
    """
    if len(body) <= MOST_VALUES:
        return
    if sum(body.count(mark) for mark in (b"[", b"{", b",")) <= MOST_VALUES:
        return  # even if none of them stood in a text
    depth = values = 0
    field = slice(0, 0)
    for found in _TOKEN.finditer(body):
        at = found.start()
        mark = body[at]
        if mark == _QUOTE:
            if depth == 1:  # the key, once an array or object follows
                field = slice(at + 1, found.end() - 1)
        elif mark in _CLOSING:
            depth -= 1
        else:
            depth += mark in _OPENING
            values += 1
            if values > MOST_VALUES:
                _refuse(body[field])


def _refuse(field: bytes) -> None:
    name = field.decode("utf-8", "replace")[:64]
    told = f"{name}: " if name else ""
    raise BadRequest(
        f"{told}the request holds more than {MOST_VALUES:,} JSON values", param=name or None
    )
