"""JSON in and out without changing a number's digits.

Integers beyond 64 bits, decimals finer than a double and exponents past its range are kept as
the text that they were written in; all else is orjson's, and a body without such numbers pays for
one look at its bytes.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import orjson

# What a double or 64 bits may not hold has sixteen digits in a row, a point between them allowed,
# or an exponent of three.  Each byte as its kind: digit or point, e, sign, or another.
_KINDS: Final = bytes.maketrans(
    bytes(range(256)),
    bytes(b" 0e-"["0123456789.".count(c) + 2 * "eE".count(c) + 3 * "+-".count(c)]
          for c in map(chr, range(256))),
)  # fmt: skip
_TOKEN: Final = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+)', re.DOTALL
)
_SURE_DIGITS: Final = 15  # so many decimal digits survive in a double
_SIXTY_FOUR_BITS: Final = range(-(2**63), 2**64)
_MOST_DIGITS: Final = 20  # of an integer that may fit
MOST_LONG_NUMBERS: Final = (
    10_000  # of one text: each takes a thousand times longer than a common one
)


class LongNumber(str):
    """A number by its digits.  As a text it is measured like one; `dumps` writes it bare."""

    __slots__ = ()


def loads(text: bytes | str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The value, with a LongNumber where no other type holds it.  Raises orjson.JSONDecodeError."""
    body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if not _may_hold_long_numbers(body):
        return orjson.loads(body)
    shortened = _without_long_numbers(body)
    if shortened is body:
        return orjson.loads(body)
    orjson.loads(shortened)  # whatever else is wrong with it
    try:
        return json.loads(
            body.decode(), parse_int=_whole, parse_float=_decimal, parse_constant=_refuse
        )
    except (RecursionError, ValueError) as error:
        raise orjson.JSONDecodeError(str(error), "", 0) from error


def dumps(value: object) -> bytes:
    """The bytes of `value`, long numbers with their digits.  Raises orjson.JSONEncodeError."""
    return orjson.dumps(value, default=_bare, option=orjson.OPT_PASSTHROUGH_SUBCLASS)


def _bare(value: object) -> orjson.Fragment:
    if isinstance(value, LongNumber):
        return orjson.Fragment(value.encode())
    raise TypeError


def _may_hold_long_numbers(body: bytes) -> bool:
    kinds = body.translate(_KINDS)
    return b"0000000000000000" in kinds or b"e000" in kinds or b"e-000" in kinds


def _without_long_numbers(body: bytes) -> bytes:
    """The body with a zero for each of them; the same object if there are none."""
    pieces: list[bytes] = []
    end = 0
    for found in _TOKEN.finditer(body):
        number = found[1]
        if number is None or (len(number) <= _SURE_DIGITS and b"e" not in number.lower()):
            continue
        if isinstance(_number(number.decode()), LongNumber):
            pieces += (body[end : found.start()], b"0")
            end = found.end()
    if len(pieces) > 2 * MOST_LONG_NUMBERS:
        raise orjson.JSONDecodeError(f"more than {MOST_LONG_NUMBERS:,} long numbers", "", 0)
    return b"".join((*pieces, body[end:])) if pieces else body


def _number(text: str) -> int | float | LongNumber:
    return _whole(text) if text.lstrip("-").isdigit() else _decimal(text)


def _whole(text: str) -> int | LongNumber:
    if len(text) > _MOST_DIGITS:
        return LongNumber(text)
    value = int(text)
    return value if value in _SIXTY_FOUR_BITS else LongNumber(text)


def _decimal(text: str) -> float | LongNumber:
    value = float(text)
    told = repr(value)
    if told == text:
        return value
    try:
        kept = Decimal(text) == Decimal(told)
    except InvalidOperation:  # its exponent is past even a Decimal's
        kept = False
    return value if kept else LongNumber(text)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)
