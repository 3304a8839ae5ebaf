"""Values that are made for every call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, frozen by the type checker instead of at run time.

    One that is frozen at run time sets each field through a call of `object.__setattr__`: too
    dear for what is made on every call (docs/decisions.md). Naming the fields of a large one where
    it is made costs as much again as making it: a few are made by position therefore.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
