"""The subset of JSON schema that a grammar can be made of: strict tools and structured output."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject, as_object, as_objects
from app.simulator.validation.schemas import inner_schemas

MOST_STRICT_TOOLS: Final = 20
MOST_OPTIONAL: Final = 24
MOST_UNIONS: Final = 16

_REFUSED: Final = MappingProxyType(
    {
        "number": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
        "string": ("contentEncoding", "contentMediaType", "maxLength", "minLength"),
        "array": (
            "contains",
            "maxContains",
            "maxItems",
            "minContains",
            "prefixItems",
            "unevaluatedItems",
            "uniqueItems",
        ),
        "object": (
            "dependentRequired",
            "dependentSchemas",
            "maxProperties",
            "minProperties",
            "patternProperties",
            "propertyNames",
            "unevaluatedProperties",
        ),
    }
)
_ANYWHERE: Final = ("oneOf", "not", "if", "then", "else", "$dynamicRef", "$recursiveRef")
_FORMATS: Final = frozenset(
    """
    date-time time date duration email hostname uri ipv4 ipv6 uuid
    """.split()  # noqa: SIM905 (words are read best as prose)
)
_SHAPED: Final = ("type", "enum", "const", "anyOf", "allOf", "$ref")


def check_strict(schema: JsonObject, where: str) -> None:
    """Raises ApiError unless a grammar can be made of the schema, here and further in."""
    _check_node(schema, where)
    _check_references(schema, where)
    for _, inner in _nodes(schema):
        _check_node(inner, where)


def check_together(body: JsonObject) -> None:
    """Raises ApiError when the strict tools and the output format are too much for one grammar."""
    tools = [tool for tool in as_objects(body.get("tools")) if tool.get("strict") is True]
    if len(tools) > MOST_STRICT_TOOLS:
        raise invalid(
            f"Too many strict tools ({len(tools)}). The maximum number of strict tools supported "
            f"is {MOST_STRICT_TOOLS}. Try reducing the number of tools marked as strict."
        )
    output_format = as_object(as_object(body.get("output_config")).get("format"))
    schemas = [*(tool.get("input_schema") for tool in tools), output_format.get("schema")]
    _check_sizes([as_object(schema) for schema in schemas])


def _check_sizes(schemas: list[JsonObject]) -> None:
    nodes = [node for schema in schemas for node in [schema, *(n for _, n in _nodes(schema))]]
    optional = sum(_optional(node) for node in nodes)
    if optional > MOST_OPTIONAL:
        raise invalid(
            f"Schemas contains too many optional parameters ({optional}), which would make grammar "
            "compilation inefficient. Reduce the number of optional parameters in your tool "
            f"schemas (limit: {MOST_OPTIONAL})."
        )
    unions = sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)
    if unions > MOST_UNIONS:
        raise invalid(
            f"Schemas contains too many parameters with union types ({unions} parameters with type "
            "arrays or anyOf). This causes exponential compilation cost. Reduce the number of "
            f"nullable or union-typed parameters (limit: {MOST_UNIONS} parameters with unions)."
        )


def _nodes(schema: JsonObject) -> list[tuple[str, JsonObject]]:
    found: list[tuple[str, JsonObject]] = []
    for path, inner in inner_schemas(schema):
        found += [(path, inner), *_nodes(inner)]
    return found


def _optional(node: JsonObject) -> int:
    required = node.get("required") or []
    return sum(name not in required for name in as_object(node.get("properties")))


def _check_node(node: JsonObject, where: str) -> None:
    if not any(name in node for name in _SHAPED):
        raise invalid(f"{where}: Schema must have a 'type', 'enum', 'const', 'anyOf' or '$ref'")
    for name in _ANYWHERE:
        if name in node:
            raise invalid(f"{where}: '{name}' is not supported")
    kinds = node.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        _check_keywords(str(kind), node, where)
    if any(isinstance(value, dict | list) for value in node.get("enum", [])):
        raise invalid(f"{where}: Enum values must be strings, numbers, booleans or null")
    if any("$ref" in as_object(part) for part in node.get("allOf", [])):
        raise invalid(f"{where}: 'allOf' with '$ref' is not supported")


def _check_keywords(kind: str, node: JsonObject, where: str) -> None:
    refused = [k for k in _REFUSED.get("number" if kind == "integer" else kind, ()) if k in node]
    if len(refused) == 1:
        raise invalid(f"{where}: For '{kind}' type, property '{refused[0]}' is not supported")
    if refused:
        named = ", ".join(refused)
        raise invalid(f"{where}: For '{kind}' type, properties {named} are not supported")
    if kind == "array" and node.get("minItems", 0) not in (0, 1):
        raise invalid(
            f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        )
    if kind == "string" and node.get("format", "date") not in _FORMATS:
        raise invalid(f"{where}: For 'string' type, format '{node['format']}' is not supported")
    if kind != "object":
        return
    extra = node.get("additionalProperties")
    if isinstance(extra, dict):
        raise invalid(
            f"{where}: For 'object' type, 'additionalProperties: object' is not supported. "
            "Please set 'additionalProperties' to false"
        )
    if extra is not False:
        raise invalid(
            f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )


def _check_references(root: JsonObject, where: str) -> None:
    """Raises ApiError on a reference that leads nowhere, elsewhere, or round in a circle."""
    sound: set[str] = set()

    def follow(reference: str, above: tuple[str, ...]) -> None:
        if reference in sound:
            return
        if reference in above:
            names = " -> ".join(name.rsplit("/", 1)[-1] for name in (*above, reference))
            raise invalid(
                f"{where}: Circular reference detected in schema definitions: {names}. "
                "Self-referencing or mutually-referencing definitions are not supported."
            )
        target = _target(root, reference)
        if target is None:
            raise invalid(f"{where}: $ref '{reference}' cannot be resolved")
        for inner in _references(target):
            follow(inner, (*above, reference))
        sound.add(reference)

    for reference in _references(root):
        follow(reference, ())


def _references(schema: JsonObject) -> list[str]:
    """All that stand in it, definitions that it holds included."""
    nodes = [schema, *(inner for _, inner in _nodes(schema))]
    return [str(node["$ref"]) for node in nodes if "$ref" in node]


def _target(root: JsonObject, reference: str) -> JsonObject | None:
    if not reference.startswith("#"):
        return None
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = as_object(found).get(part.replace("~1", "/").replace("~0", "~"))
    return found if isinstance(found, dict) else None
