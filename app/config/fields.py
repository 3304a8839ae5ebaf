"""The kinds of value that settings are made of, and how a refused one is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from app.config.interpolation import FromEnvironment
from app.config.problems import ConfigError, KeyPath, Problem, path_text, unknown_key
from app.config.yaml_text import Document, plain
from app.core.money import nano_usd

MOST_SHOWN = 80
PICO_DIGITS = 12
MOST_PICO_USD = 10_000_000_000  # 0.01 USD per token
PICO_ALLOWED = (
    "a number of USD per token from 0 to 0.01 that is a whole number of 1e-12, such as 0.000003"
)
_ALLOWED = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "missing": "a value, this key is needed",
}
_SECRET = re.compile(r"\b(sk|tk|pk)-[^\s'\"]+|//[^/@\s]*@")
_SECRET_KEYS = {"api_key"}


class Section(BaseModel):
    """A part of a file: every key is known, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Shape = TypeVar("Shape", bound=Section)


def _typed(value: object) -> object:
    return plain(value) if isinstance(value, FromEnvironment) else value


def pico_usd(value: object) -> int:
    """Whole pico-USD from a number of USD per token as YAML gave it, exactly.

    Raises ValueError for anything but a finite number from 0 to 0.01 in steps of 1e-12.
    """
    number = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(number, Decimal) or not number.is_finite() or number.is_signed():
        raise ValueError(PICO_ALLOWED)
    if not number:
        return 0
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    zeros = number.adjusted() + 1 - len(digits) + PICO_DIGITS
    if zeros < 0 or number.adjusted() >= 0 or int(digits + "0" * zeros) > MOST_PICO_USD:
        raise ValueError(PICO_ALLOWED)
    return int(digits + "0" * zeros)


def _pico_usd(value: object) -> int:
    return pico_usd(_typed(value))


def _nano_usd(value: object) -> int | None:
    typed = _typed(value)
    if typed is None:
        return None
    if isinstance(typed, Decimal) and typed.is_finite():
        typed = format(typed, "f")
    try:
        return nano_usd("" if isinstance(typed, bool) else str(typed))
    except ValueError as error:
        raise ValueError(NANO_ALLOWED) from error


NANO_ALLOWED = "null, or an amount of USD from 0 to 1000000000 with at most nine decimals"

Text = StrictStr
Flag = Annotated[StrictBool, BeforeValidator(_typed)]
Positive = Annotated[StrictInt, BeforeValidator(_typed), Field(ge=1, le=2**53)]
Number = Annotated[float, BeforeValidator(_typed), Field(strict=True, allow_inf_nan=False)]
Seconds = Annotated[Number, Field(gt=0, le=86_400)]
SecondsFromZero = Annotated[Number, Field(ge=0, le=86_400)]
Share = Annotated[Number, Field(ge=0, le=1)]
PicoUsdOverride = Annotated[int | None, BeforeValidator(_pico_usd)]
LimitNanoUsd = Annotated[int | None, BeforeValidator(_nano_usd)]


def validated(shape: type[Shape], tree: object, document: Document) -> Shape:
    """`tree` as a `shape`.  Raises ConfigError with every problem, each with its key path."""
    try:
        return shape.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise ConfigError(document.file, [_problem(shape, e, document) for e in details]) from None


def _problem(shape: type[Section], error: ErrorDetails, document: Document) -> Problem:
    path: KeyPath = tuple(part for part in error["loc"] if part != "[key]")
    line = document.line(path)
    if error["type"] == "extra_forbidden":
        return unknown_key(path, _keys_at(shape, path[:-1]), line)
    missing = error["type"] == "missing"
    shown = "nothing is given" if missing else _shown(error["input"], path)
    return Problem(path_text(path), shown, _allowed(error), line)


def _allowed(error: ErrorDetails) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return _ALLOWED.get(error["type"], error["msg"].removeprefix("Input should be "))


def _keys_at(shape: type[Section], path: KeyPath) -> list[str]:
    """The keys of the section that `path` leads to, through mappings and lists of sections."""
    section = shape
    for part in path:
        field = next(
            (f for name, f in section.model_fields.items() if (f.alias or name) == part), None
        )
        if field is not None:
            section = _section_in(field.annotation) or section
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_in(annotation: object) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def _shown(value: object, path: KeyPath) -> str:
    """The value as it stands in the file, without anything that may be a secret."""
    if _SECRET_KEYS.intersection(path):
        return "a value (hidden)"
    if isinstance(value, FromEnvironment):
        return f"the value of {value.written!r}"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = _SECRET.sub("(hidden)", repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
