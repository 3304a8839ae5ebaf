"""Responses parameters that are shaped otherwise than their Chat Completions twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.core.values import value
from app.dialects.json_values import (
    as_count,
    as_object,
    as_text,
    as_texts,
    check_depth,
    one_of,
    unsupported,
)
from app.dialects.openai.options import EFFORTS, JSON_WISH
from app.dialects.openai.schemas import closed

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_FORMAT = "text.format"
_PLAIN = {"type": "text"}


@value
class TextForm:
    """How the text is to look.

    `format` is Anthropic's, `wishes` go to the system prompt, `asked` is OpenAI's to repeat.
    """

    format: Mapping[str, Any] | None
    wishes: tuple[Block, ...]
    dropped: tuple[str, ...]
    asked: Mapping[str, Any]


def read_text(body: Mapping[str, Any]) -> TextForm:
    """`output_config.format` for a schema; for any JSON object, a wish for the system prompt."""
    if body.get("text") is None:
        return TextForm(None, (), (), _PLAIN)
    text = as_object(body["text"], "text")
    dropped = tuple(
        f"text.{name}"
        for name, value in text.items()
        if name != "format" and value is not None and (name, value) != ("verbosity", "medium")
    )
    if text.get("format") is None:
        return TextForm(None, (), dropped, _PLAIN)
    wanted = as_object(text["format"], _FORMAT)
    kinds = ("text", "json_object", "json_schema")
    kind = one_of(wanted.get("type"), f"{_FORMAT}.type", kinds)
    if kind == "text":
        return TextForm(None, (), dropped, _PLAIN)
    if kind == "json_object":
        wish = {"type": "text", "text": JSON_WISH}
        return TextForm(None, (wish,), dropped, {"type": "json_object"})
    given = as_object(wanted.get("schema"), f"{_FORMAT}.schema")
    check_depth(given, f"{_FORMAT}.schema")
    schema = closed(given)
    if wanted.get("description") is not None:
        told = as_text(wanted["description"], f"{_FORMAT}.description")
        schema.setdefault("description", told)
    name = as_text(wanted.get("name") or "answer", f"{_FORMAT}.name")
    asked = {"type": "json_schema", "name": name, "schema": given, "strict": True}
    return TextForm({"type": "json_schema", "schema": schema}, (), dropped, asked)


def read_reasoning(body: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """OpenAI's word for the effort, and the names of what was left out beside it."""
    if body.get("reasoning") is None:
        return None, []
    reasoning = as_object(body["reasoning"], "reasoning")
    effort = reasoning.get("effort")
    dropped = [
        f"reasoning.{name}"
        for name, value in reasoning.items()
        if name != "effort" and value is not None
    ]
    return None if effort is None else one_of(effort, "reasoning.effort", EFFORTS), dropped


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
