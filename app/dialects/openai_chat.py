"""OpenAI Chat Completions: a request's bytes -> the canonical request.

Answers go back through `openai_chat_reply` and `openai_chat_stream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.core.errors import BadRequest
from app.core.request import Request
from app.dialects.openai_chat_messages import read_messages
from app.dialects.openai_chat_options import (
    opaque,
    read_caching,
    read_effort,
    read_end_user,
    read_format,
    read_max_tokens,
    read_model,
    read_sampling,
    read_stop,
    read_tags,
    read_tier,
)
from app.dialects.openai_chat_parameters import dropped_by, reportable
from app.dialects.openai_chat_tools import read_tools
from app.dialects.openai_chat_values import as_flag, as_object, kind_of


@dataclass(frozen=True, slots=True)
class ChatCall:
    """The request, and whether its stream is to end with a usage chunk."""

    request: Request
    include_usage: bool


def parse(body: bytes) -> ChatCall:
    """The call that `body` asks for.  Raises BadRequest and UnsupportedParameter."""
    fields = _fields(body)
    dropped = dropped_by(fields)
    model = read_model(fields)
    conversation = read_messages(fields.get("messages"))
    tools, tool_choice = read_tools(fields)
    stop_sequences, blank_stop = read_stop(fields)
    output_format, wishes = read_format(fields)
    end_user = read_end_user(fields)
    if blank_stop:
        dropped.append("stop")
    options: dict[str, Any] = {**read_sampling(fields), **read_tier(fields)}
    if stop_sequences:
        options["stop_sequences"] = stop_sequences
    if tool_choice:
        options["tool_choice"] = tool_choice
    if output_format:
        options["output_config"] = {"format": output_format}
    if end_user:
        options["metadata"] = {"user_id": opaque(end_user)}
    request = Request(
        model=model,
        messages=tuple(conversation.turns),
        system=(*conversation.system, *wishes),
        tools=tools,
        max_tokens=read_max_tokens(fields),
        stream=as_flag(fields.get("stream"), "stream"),
        options=options,
        reasoning_effort=read_effort(fields),
        cache=read_caching(fields),
        end_user=end_user,
        tags=read_tags(fields),
        dropped=reportable([*dropped, *conversation.unknown_fields]),
    )
    return ChatCall(request, include_usage=_include_usage(fields))


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest(f"the body must be a JSON object, got {kind_of(fields)}")
    return fields


def _include_usage(fields: Mapping[str, Any]) -> bool:
    if fields.get("stream_options") is None:
        return False
    options = as_object(fields["stream_options"], "stream_options")
    return as_flag(options.get("include_usage"), "stream_options.include_usage")
