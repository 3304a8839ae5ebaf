"""Responses parameters that are shaped otherwise than their Chat Completions twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.dialects.json_values import as_count, as_object, as_text, as_texts, unsupported
from app.dialects.openai.enforcement import Room
from app.dialects.openai.forms import PLAIN_TEXT, OutputForm, form_of

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_FORMAT = "text.format"
_PLAIN = {"type": "text"}


def read_text(
    body: Mapping[str, Any], room: Room
) -> tuple[OutputForm, list[str], Mapping[str, Any]]:
    """How the text is to look, what was left out, and the format for the answer to repeat."""
    if body.get("text") is None:
        return PLAIN_TEXT, [], _PLAIN
    text = as_object(body["text"], "text")
    dropped = [
        f"text.{name}"
        for name, value in text.items()
        if name != "format" and value is not None and (name, value) != ("verbosity", "medium")
    ]
    if text.get("format") is None:
        return PLAIN_TEXT, dropped, _PLAIN
    wanted = as_object(text["format"], _FORMAT)
    form = form_of(wanted, _FORMAT, room, nested=False)
    if form.schema is None:
        return form, dropped, {"type": wanted["type"]}
    name = as_text(wanted.get("name") or "answer", f"{_FORMAT}.name")
    strict = form.format is not None
    asked = {"type": "json_schema", "name": name, "schema": form.schema, "strict": strict}
    return form, [*dropped, *form.dropped], asked


def read_include(body: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Whether thinking is to be handed out sealed, and the names of what was left out."""
    if body.get("include") is None:
        return False, []
    wanted = as_texts(body["include"], "include")
    if LOGPROBS in wanted:
        unsupported("include", "token probabilities are not known")
    return ENCRYPTED in wanted, [f"include.{name}" for name in wanted if name != ENCRYPTED]


def read_max_tokens(body: Mapping[str, Any]) -> int | None:
    most = body.get("max_output_tokens")
    return None if most is None else as_count(most, "max_output_tokens")
