"""How a JSON schema is built, and how what can't stand in it is told in its description."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from app.dialects.json_text import LongNumber, dumps

Schema = dict[str, Any]

COMBINED: Final = ("anyOf", "oneOf", "allOf")
DEFINITIONS: Final = ("$defs", "definitions")
PROPERTY_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_MAPS = ("properties", "patternProperties", "dependentSchemas", *DEFINITIONS)
_LISTS = (*COMBINED, "prefixItems")
_SINGLES = ("items", "additionalProperties", "not", "if", "then", "else", "contains")
_HOLDERS = frozenset((*_MAPS, *_LISTS, *_SINGLES))  # of other schemas
_MOST_HOPS = 10  # from a reference to the schema it means


def resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Schema:
    """The part of `schema` with what it refers to in the reference's place."""
    root = dict(part)
    for _ in range(_MOST_HOPS):
        target = definition(root.get("$ref"), schema)
        if target is None:
            break
        kept = {name: part for name, part in root.items() if name != "$ref"}
        root = {**target, **kept}
    return root


def told(schema: Mapping[str, Any], beside: Mapping[str, Any]) -> Schema:
    """The schema with `beside` told at the end of its description."""
    if not beside:
        return dict(schema)
    before = schema.get("description")
    words = ", ".join(f"{name}: {_word(part)}" for name, part in beside.items())
    description = f"{before}\n\n{{{words}}}" if before else f"{{{words}}}"
    return {**schema, "description": description}


def definition(reference: object, schema: Mapping[str, Any]) -> Schema | None:
    """The definition that `reference` means, if it is one of the schema's own."""
    for name in DEFINITIONS:
        if isinstance(reference, str) and reference.startswith(f"#/{name}/"):
            defined = schema.get(name)
            found = defined.get(reference[len(name) + 3 :]) if isinstance(defined, dict) else None
            return found if isinstance(found, dict) else None
    return None


def properties_of(schema: Mapping[str, Any]) -> Schema:
    """What it has by name."""
    named = schema.get("properties")
    return named if isinstance(named, dict) else {}


def required_of(schema: Mapping[str, Any]) -> list[str]:
    """The names that must be there."""
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def parts_with_properties(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema and those in it, as far as they name properties."""
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict):
            continue
        for name in _HOLDERS.intersection(part):
            inner = part[name]
            if name == "properties" and isinstance(inner, dict):
                yield part
            if isinstance(inner, dict) and name in _MAPS:
                waiting.extend(inner.values())
            elif isinstance(inner, list) and name in _LISTS:
                waiting.extend(inner)
            elif name in _SINGLES:
                waiting.append(inner)


def with_parts(part: Mapping[str, Any], change: Callable[[Any], Any]) -> Schema:
    """The part with every schema right in it changed."""
    node = dict(part)
    for name, inner in part.items():
        if name in _MAPS and isinstance(inner, dict):
            node[name] = {key: change(schema) for key, schema in inner.items()}
        elif name in _LISTS and isinstance(inner, list):
            node[name] = [change(schema) for schema in inner]
        elif name in _SINGLES:
            node[name] = change(inner)
    return node


def _word(part: object) -> str:
    if isinstance(part, str) and not isinstance(part, LongNumber):
        return part
    return dumps(part).decode()
