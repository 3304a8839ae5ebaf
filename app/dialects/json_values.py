"""Reads single JSON values of a request; each failure names the field by its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from app.core.errors import BadRequest, UnsupportedParameter
from app.dialects.ceilings import check_values
from app.dialects.json_text import LongNumber, loads

MOST_LEVELS = 100  # of nested JSON in schemas, tool inputs and marks
MOST_LABEL_CHARS = 512


def refuse(param: str, message: str) -> NoReturn:
    """Raise BadRequest with the path in front of the sentence."""
    raise BadRequest(f"{param}: {message}", param=param)


def unsupported(param: str, message: str) -> NoReturn:
    """Raise UnsupportedParameter with the path in front of the sentence."""
    raise UnsupportedParameter(f"{param}: {message}", param=param)


def kind_of(value: object) -> str:
    """What JSON calls the type of `value`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float, LongNumber)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def fields_of(body: bytes) -> dict[str, Any]:
    """The request's top-level fields."""
    check_values(body)
    try:
        fields = loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest(f"the body must be a JSON object, got {kind_of(fields)}")
    return fields


def as_object(value: object, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        refuse(param, f"expected an object, got {kind_of(value)}")
    return value


def as_list(value: object, param: str, most: int | None = None) -> list[Any]:
    if not isinstance(value, list):
        refuse(param, f"expected an array, got {kind_of(value)}")
    if most is not None and len(value) > most:
        refuse(param, f"must have at most {most:,} entries, got {len(value):,}")
    return value


def as_text(value: object, param: str) -> str:
    if not isinstance(value, str) or isinstance(value, LongNumber):
        refuse(param, f"expected a string, got {kind_of(value)}")
    return value


def as_texts(value: object, param: str) -> list[str]:
    return [as_text(text, f"{param}[{n}]") for n, text in enumerate(as_list(value, param))]


def as_name(value: object, param: str) -> str:
    """A string that is not empty."""
    if not as_text(value, param):
        refuse(param, "must not be empty")
    return str(value)


def as_flag(value: object, param: str) -> bool:
    """True or false; null counts as false."""
    if value is None:
        return False
    if not isinstance(value, bool):
        refuse(param, f"expected a boolean, got {kind_of(value)}")
    return value


def as_count(value: object, param: str) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        large = isinstance(value, (float, LongNumber))
        what = "a fraction or too large" if large else kind_of(value)
        refuse(param, f"expected a whole number, got {what}")
    if value < 1:
        refuse(param, f"must be at least 1, got {value}")
    return value


def as_number(value: object, param: str, most: int) -> float:
    """A number from 0 to `most`, an integer as it came."""
    if isinstance(value, LongNumber):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse(param, f"expected a number, got {kind_of(value)}")
    if not 0 <= value <= most:
        refuse(param, f"must be between 0 and {most}, got {value}")
    return value


def as_label(value: object, param: str) -> str:
    """A text that is kept with the call's record: short, and without NUL."""
    label = as_text(value, param)
    if len(label) > MOST_LABEL_CHARS or "\0" in label:
        refuse(param, f"must have at most {MOST_LABEL_CHARS} characters and no NUL")
    return label


def one_of(value: object, param: str, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        got = repr(value[:40]) if isinstance(value, str) else kind_of(value)
        refuse(param, f"must be one of {', '.join(allowed)}, got {got}")
    return value


def check_depth(value: object, param: str) -> None:
    """Refuse JSON that is nested deeper than any encoder on its way will take."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MOST_LEVELS):
        if not level:
            return
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
    if level:
        refuse(param, f"nested deeper than {MOST_LEVELS} levels")


def cache_mark(holder: Mapping[str, Any], param: str) -> dict[str, Any] | None:
    """The caller's own `cache_control` mark, as given."""
    mark = holder.get("cache_control")
    if mark is None:
        return None
    mark = as_object(mark, f"{param}.cache_control")
    if any(isinstance(value, (dict, list)) for value in mark.values()):
        refuse(f"{param}.cache_control", "holds plain values only")
    return mark
