"""Chat parameters that become top-level fields of the Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.dialects.json_values import as_count, as_object, as_text, as_texts, check_depth, one_of
from app.dialects.openai.options import EFFORTS, JSON_WISH
from app.dialects.openai.schemas import closed


def read_max_tokens(body: Mapping[str, Any]) -> int | None:
    """The newer name first; both are checked."""
    counts = [
        as_count(body[name], name)
        for name in ("max_completion_tokens", "max_tokens")
        if body.get(name) is not None
    ]
    return counts[0] if counts else None


def read_effort(body: Mapping[str, Any]) -> str | None:
    effort = body.get("reasoning_effort")
    return None if effort is None else one_of(effort, "reasoning_effort", EFFORTS)


def read_stop(body: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The stop sequences, and whether any had to be left out as mere whitespace."""
    stop = body.get("stop")
    if stop is None:
        return [], False
    given = [stop] if isinstance(stop, str) else as_texts(stop, "stop")
    kept = [sequence for sequence in given if sequence.strip()]
    return kept, len(kept) < len(given)


def read_format(body: Mapping[str, Any]) -> tuple[dict[str, Any] | None, tuple[Block, ...]]:
    """`output_config.format` for a schema; for any JSON object, a wish for the system prompt."""
    if body.get("response_format") is None:
        return None, ()
    wanted = as_object(body["response_format"], "response_format")
    kinds = ("text", "json_object", "json_schema")
    kind = one_of(wanted.get("type"), "response_format.type", kinds)
    if kind == "text":
        return None, ()
    if kind == "json_object":
        return None, ({"type": "text", "text": JSON_WISH},)
    where = "response_format.json_schema"
    named = as_object(wanted.get("json_schema"), where)
    schema = as_object(named.get("schema"), f"{where}.schema")
    check_depth(schema, f"{where}.schema")
    schema = closed(schema)
    if named.get("description") is not None:
        schema.setdefault("description", as_text(named["description"], f"{where}.description"))
    return {"type": "json_schema", "schema": schema}, ()
