"""JSON schemas as the vendor takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SCHEMA_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "not", "if", "then", "else", "contains")


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with `additionalProperties: false` on every object that does not say."""
    copy: dict[str, Any] = dict(schema)
    for key in _SCHEMA_MAPS:
        if isinstance(copy.get(key), dict):
            copy[key] = {name: _closed_if_schema(part) for name, part in copy[key].items()}
    for key in _SCHEMA_LISTS:
        if isinstance(copy.get(key), list):
            copy[key] = [_closed_if_schema(part) for part in copy[key]]
    for key in _SCHEMAS:
        if key in copy:
            copy[key] = _closed_if_schema(copy[key])
    kind = copy.get("type")
    is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
    if is_object or isinstance(copy.get("properties"), dict):
        copy.setdefault("additionalProperties", False)
    return copy


def _closed_if_schema(part: object) -> object:
    return closed(part) if isinstance(part, dict) else part
