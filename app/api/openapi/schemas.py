"""What JSON schemas are made of, for the client routes that no framework describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from app.store.database.tables import COST_CATEGORIES

Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}
MAYBE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
ANY_OBJECT: Schema = {"type": "object"}
USD: Schema = {
    "type": "string",
    "pattern": r"^-?[0-9]+\.[0-9]{2,9}$",
    "description": "USD, an exact decimal text.",
}


def named(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def maybe(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def words(*allowed: str) -> Schema:
    return {"type": "string", "enum": list(allowed)}


def record(needed: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that has all of `needed`, perhaps some of `optional`, and nothing else."""
    return {**open_record(needed, optional), "additionalProperties": False}


def open_record(
    needed: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None
) -> Schema:
    """The same with room for fields that are not named here."""
    return {
        "type": "object",
        "properties": {**needed, **(optional or {})},
        "required": list(needed),
    }


COST_DETAILS: Mapping[str, Schema] = dict.fromkeys(COST_CATEGORIES, USD)
BUDGET_SHORTFALL = open_record(
    {
        "scope": words("key", "key_model", "conversation", "team", "global"),
        "limit_usd": USD,
        "remaining_usd": USD,
        "needed_usd": USD,
        "resets_at": MAYBE_MOMENT,
        "max_tokens_that_fit": MAYBE_COUNT,
    },
    {"spent_usd": USD, "held_usd": USD, "running_calls": COUNT},
)
