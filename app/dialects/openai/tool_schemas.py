"""The schema of a tool's arguments as the vendor takes it, enforced or not.

It insists on an object that is no choice at its root, and on plain names of properties: the rest is
told in the description.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.dialects.json_text import dumps
from app.dialects.json_values import as_object, check_depth, refuse
from app.dialects.openai.schemas import (
    COMBINED,
    PROPERTY_NAME,
    Schema,
    parts_with_properties,
    properties_of,
    required_of,
    resolved,
    told,
    with_parts,
)


def read_parameters(value: object, where: str) -> Schema:
    """The parameters' schema as it is sent where it is not enforced."""
    if value is None:
        return {"type": "object", "properties": {}}
    given = as_object(value, where)
    check_depth(given, where)
    schema = resolved(given, given) if "$ref" in given else given
    if not schema.keys().isdisjoint(COMBINED):
        schema = _without_choice(schema)
    if schema.get("type") is None:
        schema = {"type": "object", **{k: v for k, v in schema.items() if k != "type"}}
    if schema["type"] != "object":
        refuse(f"{where}.type", "the parameters of a function are an object")
    return _with_fit_names(schema)


def _without_choice(schema: Schema) -> Schema:
    """An object with the properties of all choices; the choice itself is told."""
    combined = {name: part for name, part in schema.items() if name in COMBINED}
    left_out = {*combined, "additionalProperties"}
    root = {name: part for name, part in schema.items() if name not in left_out}
    ways: dict[str, dict[bytes, Any]] = {}  # to describe each property, equal ones once
    required = dict.fromkeys(required_of(root))
    choices = {name: _choices(given, schema) for name, given in combined.items()}
    for part in [root, *(choice for given in choices.values() for choice in given)]:
        for name, way in properties_of(part).items():
            ways.setdefault(name, {})[dumps(way)] = way
    for name, given in choices.items():
        needed = [dict.fromkeys(required_of(choice)) for choice in given]
        for names in needed if name == "allOf" else needed[:1]:
            in_all = (n for n in names if name == "allOf" or all(n in other for other in needed))
            required.update(dict.fromkeys(in_all))
    root["properties"] = {name: _any_of(list(found.values())) for name, found in ways.items()}
    if required:
        root["required"] = list(required)
    return told(root, combined)


def _choices(given: object, schema: Schema) -> list[Schema]:
    choices = given if isinstance(given, list) else []
    return [resolved(choice, schema) for choice in choices if isinstance(choice, dict)]


def _any_of(ways: list[Any]) -> object:
    return ways[0] if len(ways) == 1 else {"anyOf": ways}


def _with_fit_names(schema: Schema) -> Schema:
    """The schema with properties whose names the vendor refuses told in the description."""
    named = (name for part in parts_with_properties(schema) for name in part["properties"])
    return schema if all(map(PROPERTY_NAME.fullmatch, named)) else _rewritten(schema)


def _rewritten(part: Mapping[str, Any]) -> Schema:
    """The part with unfit names out of its properties, here and further in."""
    node = with_parts(part, lambda inner: _rewritten(inner) if isinstance(inner, dict) else inner)
    named = properties_of(node)
    unfit = {name: inner for name, inner in named.items() if not PROPERTY_NAME.fullmatch(name)}
    if not unfit:
        return node
    node["properties"] = {name: inner for name, inner in named.items() if name not in unfit}
    beside: Schema = {"more properties": unfit}
    required = required_of(node)
    if required:
        node["required"] = [name for name in required if name not in unfit]
        beside["of them required"] = [name for name in required if name in unfit]
    if node.get("additionalProperties") is False:
        del node["additionalProperties"]
    return told(node, {name: inner for name, inner in beside.items() if inner})
