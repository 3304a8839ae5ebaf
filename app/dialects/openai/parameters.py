"""What becomes of a parameter, and how that is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.dialects.json_values import unsupported

Treatment = Literal["mapped", "dropped", "refused"]
MOST_DROPPED = 32
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; a value in `neutral` asks for nothing and is always taken.

    `mapped`: honoured; `adapted` where the vendor's equivalent differs, or refuses some values.
    `dropped`: left out and reported. `refused`: answered with 400.
    """

    treatment: Treatment
    says: str
    neutral: tuple[object, ...] = (None,)
    adapted: bool = False


def mapped(says: str) -> Parameter:
    return Parameter("mapped", says)


def adapted(says: str) -> Parameter:
    return Parameter("mapped", says, adapted=True)


def dropped(says: str, neutral: tuple[object, ...] = ()) -> Parameter:
    return Parameter("dropped", says, (None, *neutral))


def refused(says: str, neutral: tuple[object, ...] = ()) -> Parameter:
    return Parameter("refused", says, (None, *neutral))


def dropped_by(body: Mapping[str, Any], table: Mapping[str, Parameter]) -> list[str]:
    """Names of what is left out, unknown fields too.  Raises UnsupportedParameter."""
    dropped = []
    for name, value in body.items():
        parameter = table.get(name)
        if parameter is None:
            dropped.append(name)
        elif parameter.treatment == "mapped" or _asks_nothing(value, parameter):
            continue
        elif parameter.treatment == "refused":
            unsupported(name, f"not supported ({parameter.says})")
        else:
            dropped.append(name)
    return dropped


def reportable(names: list[str]) -> tuple[str, ...]:
    """Each name once, fit for a header whatever the caller wrote, and not too many."""
    if not names:
        return ()
    safe = dict.fromkeys(_UNSAFE.sub("_", name[:64]) or "_" for name in names)
    return tuple(safe)[:MOST_DROPPED]


def _asks_nothing(value: object, parameter: Parameter) -> bool:
    return any(type(value) is type(other) and value == other for other in parameter.neutral)
