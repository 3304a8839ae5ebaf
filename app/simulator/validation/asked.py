"""A request under examination."""

from __future__ import annotations

from dataclasses import dataclass

from app.simulator.errors import invalid
from app.simulator.facts import STRICT_VERSION, Model
from app.simulator.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class Asked:
    body: JsonObject
    model: Model
    version: str
    beta: bool
    """Came with an `anthropic-beta` header or `?beta=true`."""
    counting: bool
    """Asks `count_tokens`, which takes fewer fields."""

    @property
    def strict(self) -> bool:
        return self.version == STRICT_VERSION


def refuse_extra(value: JsonObject, known: frozenset[str], where: str) -> None:
    """Raises ApiError on the first field that the vendor does not know."""
    for name in value:
        if name not in known:
            raise invalid(f"{where}{name}: Extra inputs are not permitted")


def require_object(value: object, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise invalid(f"{where}: Input should be an object")
    return value


def require_list(value: object, where: str) -> list[JsonObject]:
    """A list of objects."""
    if not isinstance(value, list):
        raise invalid(f"{where}: Input should be a valid list")
    for at, item in enumerate(value):
        require_object(item, f"{where}.{at}")
    return value


def require_text(value: object, where: str) -> str:
    if value is None:
        raise invalid(f"{where}: Field required")
    if not isinstance(value, str):
        raise invalid(f"{where}: Input should be a valid string")
    return value


def require_whole(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(f"{where}: Input should be a valid integer")
    return value
