"""What can be enforced of a schema is, the rest is told: nothing comes to mean something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import BadRequest
from app.dialects.json_text import dumps
from app.dialects.openai.enforcement import enforced
from app.dialects.openai.schemas import parts_with_properties
from app.dialects.openai.tool_schemas import read_parameters

TEXT = {"type": "string"}
PLACE = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}
CLOSED_PLACE = {**PLACE, "additionalProperties": False}


def having(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def closed(**properties: Any) -> dict[str, Any]:
    return {**having(**properties), "additionalProperties": False}


TOLD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # a property as it is asked, as it is enforced
    (TEXT, TEXT),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "description": "{minimum: 1}"}),
    (
        {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
        {"type": "integer", "description": "A number\n\n{minimum: 1, maximum: 10}"},
    ),
    ({"type": "number", "multipleOf": 0.5}, {"type": "number", "description": "{multipleOf: 0.5}"}),
    (
        {"type": "string", "minLength": 2, "pattern": "^a+$"},
        {"type": "string", "description": "{minLength: 2, pattern: ^a+$}"},
    ),
    ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
    (
        {"type": "string", "format": "binary"},
        {"type": "string", "description": "{format: binary}"},
    ),
    (
        {"type": "array", "items": TEXT, "minItems": 1},
        {"type": "array", "items": TEXT, "minItems": 1},
    ),
    (
        {"type": "array", "items": TEXT, "minItems": 2, "uniqueItems": True},
        {"type": "array", "items": TEXT, "description": "{minItems: 2, uniqueItems: true}"},
    ),
    (
        {"type": "array", "prefixItems": [TEXT], "maxItems": 1},
        {"type": "array", "description": '{prefixItems: [{"type":"string"}], maxItems: 1}'},
    ),
    ({"type": "string", "default": "x"}, {"type": "string", "description": "{default: x}"}),
    ({"type": "string", "enum": ["a", "b"]}, {"enum": ["a", "b"]}),
    ({"const": 3, "title": "Three"}, {"const": 3, "title": "Three"}),
    ({"oneOf": [TEXT, {"type": "null"}]}, {"anyOf": [TEXT, {"type": "null"}]}),
    (
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "default": None},
        {
            "anyOf": [{"type": "integer", "description": "{minimum: 0}"}, {"type": "null"}],
            "description": "{default: null}",
        },
    ),
    ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
    ({"type": ["string"]}, TEXT),
    (
        {**PLACE, "type": ["object", "null"], "title": "Place"},
        {"title": "Place", "anyOf": [CLOSED_PLACE, {"type": "null"}]},
    ),
    (
        {**PLACE, "$comment": "x", "minProperties": 1},
        {**CLOSED_PLACE, "description": "{minProperties: 1}"},
    ),
    ({"properties": {}}, {"type": "object", "properties": {}, "additionalProperties": False}),
    (
        {"allOf": [{"type": "string", "maxLength": 3}], "description": "Short"},
        {"type": "string", "description": "Short\n\n{maxLength: 3}"},
    ),
]


@pytest.mark.parametrize(("asked", "sent"), TOLD)
def test_what_cannot_be_enforced_is_told_in_the_description(
    asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    fitted = enforced(having(a=asked))
    assert fitted is not None
    assert fitted.schema == closed(a=sent)
    inner = enforced(having(a={"type": "array", "items": asked}))
    assert inner is not None
    assert inner.schema == closed(a={"type": "array", "items": sent})


def test_definitions_are_fitted_where_they_stand_and_a_reference_stands_alone() -> None:
    asked = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **having(a={"$ref": "#/$defs/Place", "description": "Where"}),
        "$defs": {"Place": PLACE},
    }
    fitted = enforced(asked)
    assert fitted is not None
    assert fitted.schema == {
        **closed(a={"$ref": "#/$defs/Place"}),
        "$defs": {"Place": CLOSED_PLACE},
    }


def test_a_root_that_only_refers_is_what_it_refers_to() -> None:
    fitted = enforced({"$ref": "#/$defs/Place", "$defs": {"Place": PLACE}})
    assert fitted is not None
    assert fitted.schema == {**CLOSED_PLACE, "$defs": {"Place": CLOSED_PLACE}}


NODE = {"Node": having(next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})}
PAIR = {"A": having(b={"$ref": "#/$defs/B"}), "B": having(a={"$ref": "#/$defs/A"})}
NOT_ENFORCED: list[dict[str, Any]] = [
    {"type": "object", "additionalProperties": TEXT},
    {"type": "object", "additionalProperties": True},
    {"type": "object", "additionalProperties": {}},
    {"type": "object"},
    {**PLACE, "additionalProperties": True},
    {"type": "object", "patternProperties": {"^x-": TEXT}, "additionalProperties": False},
    {"type": ["object", "null"]},
    {},
    having(**{"filter[id]": TEXT}),
    having(**{"a" * 65: TEXT}),
    having(**{"": TEXT}),
    {"$ref": "https://example.com/schema.json"},
    {"$ref": "#"},
    {"$ref": "#/$defs/Missing"},
    {"allOf": [PLACE, having(b=TEXT)]},
    {"type": "any"},
    {"type": "object", "properties": {"b": True}},
    {"type": "object", "properties": {"b": 1}},
]


@pytest.mark.parametrize("asked", NOT_ENFORCED)
def test_what_would_mean_something_else_is_not_enforced(asked: dict[str, Any]) -> None:
    assert enforced(having(a=asked)) is None
    assert enforced(having(a={"type": "array", "items": asked})) is None
    assert enforced({**having(a=TEXT), "$defs": {"D": asked}}) is None


@pytest.mark.parametrize("definitions", [NODE, PAIR])
def test_a_recursion_is_not_enforced(definitions: dict[str, Any]) -> None:
    root = {"$ref": f"#/$defs/{next(iter(definitions))}"}
    assert enforced({**having(a=root), "$defs": definitions}) is None
    assert enforced({**root, "$defs": definitions}) is None


def test_a_choice_at_the_root_is_not_enforced() -> None:
    assert enforced({"anyOf": [PLACE, having(b=TEXT)]}) is None
    assert enforced({"oneOf": [PLACE]}) is None
    assert enforced({"type": ["object", "null"], "properties": {"a": TEXT}}) is None


def test_optional_properties_and_unions_are_counted_wherever_they_stand() -> None:
    fitted = enforced(
        {
            "type": "object",
            "properties": {
                "a": {"type": ["string", "null"]},
                "b": {"type": "object", "properties": {"c": {"anyOf": [TEXT, {"type": "null"}]}}},
            },
            "required": ["a"],
        }
    )
    assert fitted is not None
    assert (fitted.optional, fitted.unions) == (2, 2)  # b and c; a and c


TOOLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # parameters as they are given, as they are sent
    ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1}),
    ({"type": "object", "additionalProperties": TEXT},) * 2,
    (
        having(**{"filter[id]": TEXT, "b": TEXT}),
        {
            "type": "object",
            "properties": {"b": TEXT},
            "required": ["b"],
            "description": (
                '{more properties: {"filter[id]":{"type":"string"}}, '
                'of them required: ["filter[id]"]}'
            ),
        },
    ),
    ({"properties": {"properties": {"$ref": "#/$defs/Place"}}},) * 2,
]


@pytest.mark.parametrize(("given", "sent"), TOOLS)
def test_a_tool_s_schema_is_sent_as_given_but_for_names_that_the_vendor_refuses(
    given: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert read_parameters(having(a=given), "p") == having(a=sent)


def test_a_choice_at_the_root_of_a_tool_s_schema_is_told_beside_all_its_properties() -> None:
    by_id = {**having(id=TEXT, n={"type": "integer"}), "additionalProperties": False}
    by_name = having(name=TEXT, n={"type": "string"})
    assert read_parameters({"anyOf": [by_id, by_name]}, "p") == {
        "type": "object",
        "properties": {
            "id": TEXT,
            "n": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "name": TEXT,
        },
        "required": ["n"],
        "description": (
            '{anyOf: [{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"}'
            '},"required":["id","n"],"additionalProperties":false},{"type":"object","properties":{'
            '"name":{"type":"string"},"n":{"type":"string"}},"required":["name","n"]}]}'
        ),
    }
    both = read_parameters({"allOf": [PLACE, having(b=TEXT)], "type": "object"}, "p")
    assert both["properties"] == {"name": TEXT, "b": TEXT}
    assert both["required"] == ["name", "b"]


def test_a_tool_s_root_that_only_refers_is_what_it_refers_to() -> None:
    given = {"$ref": "#/$defs/Place", "$defs": {"Place": PLACE}}
    assert read_parameters(given, "p") == {**PLACE, "$defs": {"Place": PLACE}}
    with pytest.raises(BadRequest, match=r"^p\.type: the parameters of a function are an object"):
        read_parameters({"$ref": "#/$defs/T", "$defs": {"T": TEXT}}, "p")


@pytest.mark.parametrize(
    "odd",
    [
        {"anyOf": 1},
        {"anyOf": [1, {"properties": [], "required": 1}]},
        {"properties": 1, "required": "a"},
        {"$ref": 1},
        {"$defs": 1, "$ref": "#/$defs/a"},
        {"allOf": [{"required": [1]}]},
    ],
)
def test_an_odd_schema_breaks_nothing(odd: dict[str, Any]) -> None:
    assert read_parameters(odd, "p")["type"] == "object"
    assert enforced(odd) is None


def test_a_field_without_a_name_is_a_field_like_any_other() -> None:
    odd = {"type": "object", "properties": {"a": {"type": "string", "": 5}}, "required": ["a"]}
    fitted = enforced(odd)
    assert fitted is not None
    assert fitted.schema["properties"]["a"]["type"] == "string"
    assert "" not in fitted.schema["properties"]["a"]


KEYWORDS = st.sampled_from(
    sorted(
        {"type", "properties", "required", "items", "prefixItems", "anyOf", "oneOf", "allOf"}
        | {"$ref", "$defs", "definitions", "enum", "const", "additionalProperties", "not", "a"}
        | {"patternProperties", "minimum", "minItems", "format", "description", "title", ""}
    )
)
WORDS = st.sampled_from(
    ["object", "array", "string", "null", "#/$defs/a", "#/definitions/a", "#", "a", "filter[id]"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=5),
    max_leaves=30,
)


@given(schema=st.dictionaries(KEYWORDS, json_values, max_size=6))
@settings(max_examples=500)
def test_no_schema_breaks_the_reading_and_what_is_enforced_is_closed(
    schema: dict[str, Any],
) -> None:
    before = dumps(schema)
    try:
        sent = read_parameters(schema, "p")
    except BadRequest:
        sent = {"type": "object"}
    fitted = enforced(schema)
    assert sent["type"] == "object"
    assert dumps(schema) == before
    if fitted is not None:
        objects = list(parts_with_properties(fitted.schema))
        assert all(part["additionalProperties"] is False for part in objects)
