"""The form that the text of an answer is to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.values import value
from app.dialects.json_text import dumps
from app.dialects.json_values import as_object, as_text, check_depth, one_of
from app.dialects.openai.enforcement import Room, enforced

JSON_WISH = "Answer with one valid JSON object and nothing else: no prose around it, no code fence."
SCHEMA_WISH = (
    "Answer with one valid JSON value and nothing else: no prose around it, no code fence. "
    "It must fit this JSON schema:\n"
)
KINDS = ("text", "json_object", "json_schema")


@value
class OutputForm:
    """`format` is Anthropic's; what can't be enforced is put into `wishes`, and `dropped` says so.

    `schema` is as asked.
    """

    format: Mapping[str, Any] | None = None
    wishes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None


PLAIN_TEXT = OutputForm()


def form_of(wanted: Mapping[str, Any], where: str, room: Room, *, nested: bool) -> OutputForm:
    """The form for OpenAI's `{"type", ...}`; a JSON object that comes with a schema has that one.

    `room` is what the tools have left of the vendor's limits.
    `nested`: whether the schema stands in a `json_schema` of its own or right beside the type.
    """
    kind = one_of(wanted.get("type"), f"{where}.type", KINDS)
    if kind == "text":
        return PLAIN_TEXT
    given: object = wanted
    if wanted.get("json_schema") is not None or (nested and wanted.get("schema") is None):
        given, where_named = wanted.get("json_schema"), f"{where}.json_schema"
    else:
        where_named = where
    if kind == "json_object" and given is None:
        return OutputForm(wishes=(JSON_WISH,))
    named = as_object(given, where_named)
    if kind == "json_object" and named.get("schema") is None:
        return OutputForm(wishes=(JSON_WISH,))
    at = f"{where_named}.schema"
    schema = as_object(named.get("schema"), at)
    check_depth(schema, at)
    if named.get("description") is not None:
        description = as_text(named["description"], f"{where_named}.description")
        schema = {**schema, "description": schema.get("description", description)}
    fitted = enforced(schema)
    if fitted is None or not room.take(fitted, tool=False):
        wish = SCHEMA_WISH + dumps(schema).decode()
        return OutputForm(wishes=(wish,), dropped=(where,), schema=schema)
    form = {"type": "json_schema", "schema": fitted.schema}
    return OutputForm(format=form, schema=schema)
