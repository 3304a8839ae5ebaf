"""Values that fit a JSON schema: plausible, and always the same for the same question."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from app.simulator.answers.question import Question
from app.simulator.json_values import JsonObject, as_object, as_objects

_FORMATS: Final = MappingProxyType(
    {
        "date": "2026-11-21",
        "time": "12:30:00Z",
        "date-time": "2026-11-21T12:30:00Z",
        "duration": "P1D",
        "email": "someone@example.com",
        "hostname": "example.com",
        "uri": "https://example.com/page",
        "uuid": "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b",
        "ipv4": "192.0.2.1",
        "ipv6": "2001:db8::1",
    }
)
_DEEPEST: Final = 12
_MOST_ITEMS: Final = 100
_MOST_CHARS: Final = 10_000
_LARGEST: Final = 2.0**53  # whole numbers beyond it do not survive every JSON reader


class SchemaValues:
    """Draws values for schemas; words and numbers quoted in the question come first."""

    def __init__(self, root: JsonObject, question: Question) -> None:
        self._root = root
        self._strings = list(question.quoted)
        self._numbers = [float(number) for number in question.numbers]
        self._topics = question.topics or ("example",)
        self._drawn = 0

    def value(self, schema: JsonObject, depth: int = 0) -> Any:  # noqa: ANN401 (JSON)
        if depth > 2 * _DEEPEST:
            return None
        schema = self._resolved(schema, depth)
        for name in ("const", "default"):
            if name in schema:
                return schema[name]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._one_of(schema["enum"])
        for union in ("anyOf", "oneOf"):
            options = as_objects(schema.get(union))
            if options:
                return self.value(options[-1 if depth > _DEEPEST else 0], depth + 1)
        return self._typed(schema, depth)

    def _resolved(self, schema: JsonObject, depth: int) -> JsonObject:
        """Follow `$ref` and fold `allOf` into one schema."""
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            target: Any = self._root
            for part in reference.removeprefix("#").strip("/").split("/"):
                target = as_object(target).get(part, target if not part else {})
            schema = as_object(target)
        for folded in as_objects(schema.get("allOf")) if depth <= _DEEPEST else ():
            inner = self._resolved(folded, depth + 1)
            properties = as_object(schema.get("properties")) | as_object(inner.get("properties"))
            required = [*schema.get("required", []), *inner.get("required", [])]
            schema = schema | inner | {"properties": properties, "required": required}
        return schema

    def _typed(self, schema: JsonObject, depth: int) -> Any:  # noqa: ANN401 (JSON)
        draw: dict[str, Callable[[], Any]] = {
            "object": lambda: self._object(schema, depth),
            "array": lambda: self._array(schema, depth),
            "string": lambda: self._string(schema),
            "integer": lambda: self._integer(schema),
            "number": lambda: self._number(schema),
            "boolean": lambda: True,
            "null": lambda: None,
        }
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = "null" if depth > _DEEPEST and "null" in kind else kind[0]
        return draw.get(str(kind), draw["string"])()

    def _object(self, schema: JsonObject, depth: int) -> JsonObject:
        properties = as_object(schema.get("properties"))
        wanted = schema.get("required") or (list(properties) if depth <= 1 else [])
        return {
            name: self.value(as_object(properties.get(name)), depth + 1)
            for name in dict.fromkeys([*(n for n in properties if n in wanted), *wanted])
        }

    def _array(self, schema: JsonObject, depth: int) -> list[Any]:
        least = min(_MOST_ITEMS, schema.get("minItems", 1 if depth <= _DEEPEST else 0))
        prefix = as_objects(schema.get("prefixItems"))
        items = [*prefix, *([as_object(schema.get("items"))] * max(0, least - len(prefix)))]
        return [self.value(item, depth + 1) for item in items]

    def _string(self, schema: JsonObject) -> str:
        known = _FORMATS.get(str(schema.get("format")))
        if known is not None:
            return known
        text = self._strings.pop(0) if self._strings else self._one_of(list(self._topics))
        text = str(text)
        least = min(_MOST_CHARS, schema.get("minLength", 0))
        while len(text) < least:
            text += " " + str(self._one_of(list(self._topics)))
        return text[: int(schema.get("maxLength", len(text)))]

    def _integer(self, schema: JsonObject) -> int:
        value = math.floor(self._bounded(schema))
        least = schema.get("minimum")
        value = max(value, math.ceil(_within(least))) if least is not None else value
        step = abs(int(_within(schema.get("multipleOf", 1)))) or 1
        return -(-value // step) * step

    def _number(self, schema: JsonObject) -> float | int:
        value = self._bounded(schema)
        return int(value) if value.is_integer() else value

    def _bounded(self, schema: JsonObject) -> float:
        value = self._numbers.pop(0) if self._numbers else 7.0
        if "minimum" in schema:
            value = max(value, _within(schema["minimum"]))
        if "exclusiveMinimum" in schema:
            value = max(value, _within(schema["exclusiveMinimum"]) + 1)
        if "maximum" in schema:
            value = min(value, _within(schema["maximum"]))
        if "exclusiveMaximum" in schema:
            value = min(value, _within(schema["exclusiveMaximum"]) - 1)
        return value

    def _one_of(self, options: list[Any]) -> Any:  # noqa: ANN401 (JSON)
        chosen = options[self._drawn % len(options)]
        self._drawn += 1
        return chosen


def _within(bound: float) -> float:
    """A schema's own number, as far as whole numbers can be told apart."""
    return max(-_LARGEST, min(_LARGEST, float(bound)))
