"""OpenAI Chat Completions: a request's bytes -> the canonical request.

Answers go back through `reply` and `stream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from app.core.model_names import AUTO
from app.core.request import EMPTY, Block, Request
from app.core.values import value
from app.dialects.json_values import as_flag, as_object, fields_of
from app.dialects.openai.enforcement import Room
from app.dialects.openai.options import (
    cache_key_of,
    opaque,
    read_caching,
    read_end_user,
    read_model,
    read_sampling,
    read_tags,
    read_tier,
    session_id_of,
)
from app.dialects.openai.parameters import dropped_by, reportable
from app.dialects.openai_chat.messages import read_messages
from app.dialects.openai_chat.options import read_effort, read_format, read_max_tokens, read_stop
from app.dialects.openai_chat.parameters import PARAMETERS
from app.dialects.openai_chat.tools import in_the_older_form, read_tools


@value
class ChatCall:
    """The request, and how it is to be answered.

    `include_usage`: a stream ends with a usage chunk; `legacy_functions`: a call is told as the
    older `function_call`.
    """

    request: Request
    include_usage: bool
    legacy_functions: bool = False


@value
class _Wishes:
    """What a request asks for beside an answer to its messages; `dropped` is what it can't have.

    `legacy_functions` as in ChatCall.
    """

    tools: tuple[Block, ...] = ()
    wishes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    effort: str | None = None
    cache: bool = True
    end_user: str | None = None
    tags: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    legacy_functions: bool = False


_NO_WISHES = _Wishes()
EFFORT = "reasoning_effort"
# What is read in any case, and never dropped: many requests hold nothing else.
_PLAIN = frozenset(
    {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"}
)


def parse(body: bytes, default_model: str = AUTO) -> ChatCall:
    """The call that `body` asks for, of `default_model` where it names none.

    Raises BadRequest and UnsupportedParameter.
    """
    fields = fields_of(body)
    is_plain = fields.keys() <= _PLAIN
    dropped = [] if is_plain else dropped_by(fields, PARAMETERS)
    model = read_model(fields, default_model)
    conversation = read_messages(fields.get("messages"))
    wishes = _NO_WISHES if is_plain else _wishes(fields)
    request = Request(
        model,
        tuple(conversation.turns),
        tuple(conversation.system),
        wishes.tools,
        read_max_tokens(fields),
        as_flag(fields.get("stream"), "stream"),
        wishes.options,
        wishes.effort,
        EFFORT,
        wishes.cache,
        wishes.wishes,
        wishes.end_user,
        None if is_plain else session_id_of(fields),
        None if is_plain else cache_key_of(fields),
        tuple(conversation.first_words),
        wishes.tags,
        reportable([*dropped, *wishes.dropped, *conversation.unknown_fields]),
    )
    return ChatCall(request, _include_usage(fields), wishes.legacy_functions)


def _wishes(fields: Mapping[str, Any]) -> _Wishes:
    room = Room()
    tools, tool_choice, loosened = read_tools(fields, room)
    form = read_format(fields, room)
    stop_sequences, blank_stop = read_stop(fields)
    end_user = read_end_user(fields)
    effort, dropped_reasoning = read_effort(fields)
    sampling, dropped = read_sampling(fields)
    if blank_stop:
        dropped.append("stop")
    options: dict[str, Any] = {**sampling, **read_tier(fields)}
    if stop_sequences:
        options["stop_sequences"] = stop_sequences
    if tool_choice:
        options["tool_choice"] = tool_choice
    if form.format:
        options["output_config"] = {"format": form.format}
    if end_user:
        options["metadata"] = {"user_id": opaque(end_user)}
    return _Wishes(
        tools=tools,
        wishes=form.wishes,
        options=options,
        effort=effort,
        cache=read_caching(fields),
        end_user=end_user,
        tags=read_tags(fields),
        dropped=(*dropped, *dropped_reasoning, *form.dropped, *loosened),
        legacy_functions=in_the_older_form(fields),
    )


def _include_usage(fields: Mapping[str, Any]) -> bool:
    if fields.get("stream_options") is None:
        return False
    options = as_object(fields["stream_options"], "stream_options")
    return as_flag(options.get("include_usage"), "stream_options.include_usage")
