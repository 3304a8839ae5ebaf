"""Chat parameters that become top-level fields of the Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.dialects.json_values import as_count, as_object, as_texts, one_of
from app.dialects.openai.enforcement import Room
from app.dialects.openai.forms import PLAIN_TEXT, OutputForm, form_of
from app.dialects.openai.options import EFFORTS, read_reasoning


def read_max_tokens(body: Mapping[str, Any]) -> int | None:
    """The newer name first; both are checked."""
    newer, older = body.get("max_completion_tokens"), body.get("max_tokens")
    if newer is not None:
        newer = as_count(newer, "max_completion_tokens")
    if older is not None:
        older = as_count(older, "max_tokens")
    return older if newer is None else newer


def read_effort(body: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The effort, by either name, and what was left out beside it."""
    effort, dropped = read_reasoning(body)
    if body.get("reasoning_effort") is not None:
        effort = one_of(body["reasoning_effort"], "reasoning_effort", EFFORTS)
    return effort, dropped


def read_stop(body: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The stop sequences, and whether any had to be left out as mere whitespace."""
    stop = body.get("stop")
    if stop is None:
        return [], False
    given = [stop] if isinstance(stop, str) else as_texts(stop, "stop")
    kept = [sequence for sequence in given if sequence.strip()]
    return kept, len(kept) < len(given)


def read_format(body: Mapping[str, Any], room: Room) -> OutputForm:
    """What becomes of `response_format`."""
    if body.get("response_format") is None:
        return PLAIN_TEXT
    wanted = as_object(body["response_format"], "response_format")
    return form_of(wanted, "response_format", room, nested=True)
