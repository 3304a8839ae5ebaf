"""JSON schemas, of tools and of structured output."""

from __future__ import annotations

import re
from typing import Final

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject, as_object, as_objects

_TYPES: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
_NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS: Final = ("properties", "$defs", "definitions")
_KEY: Final = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")


def check_schema(schema: JsonObject, where: str) -> None:
    """Raises ApiError when `schema` is not a JSON schema, here or further in."""
    if not _is_sound(schema):
        raise invalid(
            f"{where}: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
            "(https://json-schema.org/draft/2020-12)."
        )
    for path, inner in inner_schemas(schema):
        check_schema(inner, f"{where}.{path}")


def check_keys(schema: JsonObject, where: str) -> None:
    """Raises ApiError when a property has a name that no argument may have."""
    for name in as_object(schema.get("properties")):
        if not _KEY.fullmatch(name):
            raise invalid(
                f"{where}.properties: Property keys should match pattern '{_KEY.pattern}'"
            )
    for path, inner in inner_schemas(schema):
        check_keys(inner, f"{where}.{path}")


def _is_sound(schema: JsonObject) -> bool:
    kind, required = schema.get("type", "object"), schema.get("required", [])
    return (
        all(name in _TYPES for name in (kind if isinstance(kind, list) else [kind]))
        and kind != []
        and isinstance(required, list)
        and all(isinstance(name, str) for name in required)
        and isinstance(schema.get("enum", []), list)
        and isinstance(schema.get("$ref", ""), str)
        and all(_is_number(schema[name]) for name in _NUMBERS if name in schema)
        and all(_is_count(schema[name]) for name in _COUNTS if name in schema)
        and all(_is_list_of_schemas(schema[name]) for name in _LISTS if name in schema)
        and all(_is_map_of_schemas(schema[name]) for name in _MAPS if name in schema)
        and isinstance(schema.get("items", {}), dict | bool)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list_of_schemas(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict | bool) for item in value)


def _is_map_of_schemas(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(v, dict | bool) for v in value.values())


def inner_schemas(schema: JsonObject) -> list[tuple[str, JsonObject]]:
    """The schemas that stand right inside this one, by where they stand."""
    found = [
        (f"{name}.{key}", as_object(inner))
        for name in _MAPS
        for key, inner in as_object(schema.get(name)).items()
    ]
    found += [
        (f"{name}.{at}", inner)
        for name in _LISTS
        for at, inner in enumerate(as_objects(schema.get(name)))
    ]
    if isinstance(schema.get("items"), dict):
        found.append(("items", schema["items"]))
    return found
