"""JSON as it comes off the wire, and narrow ways to look into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

JsonObject = dict[str, Any]
_INT_DIGITS = 19


def parsed(raw: bytes) -> Any:  # noqa: ANN401 (JSON)
    """JSON of any kind.  Raises ValueError.

    A number too large for a float, which the quick reader refuses, is read as infinite.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "infinity" not in str(error):
            raise
    try:
        return json.loads(raw, parse_int=_whole, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _INT_DIGITS else float(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def as_object(value: object) -> JsonObject:
    """The value itself when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[JsonObject]:
    """The objects of a list; anything else is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_count(value: object) -> int:
    """A token count; null, text and booleans count as 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def content_blocks(content: object) -> list[JsonObject]:
    """A message's content as blocks: a plain string is one text block, an empty one is none."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return as_objects(content)


def block_texts(blocks: list[JsonObject]) -> Iterator[str]:
    return (block["text"] for block in blocks if block.get("type") == "text")
