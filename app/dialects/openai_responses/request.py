"""OpenAI Responses, stateless: a request's bytes -> the canonical request.

Answers go back through `reply` and `stream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.adaptation import PREFILL, wish_for
from app.core.model_names import AUTO
from app.core.receipt import Opening
from app.core.request import CONTINUE, Block, Request
from app.core.values import value
from app.dialects.json_values import as_flag, fields_of
from app.dialects.openai.enforcement import Room
from app.dialects.openai.functions import MODES
from app.dialects.openai.options import (
    cache_key_of,
    opaque,
    read_caching,
    read_end_user,
    read_model,
    read_reasoning,
    read_sampling,
    read_tags,
    read_tier,
    session_id_of,
)
from app.dialects.openai.parameters import dropped_by, reportable
from app.dialects.openai_responses.input import read_input
from app.dialects.openai_responses.options import (
    read_include,
    read_max_tokens,
    read_text,
)
from app.dialects.openai_responses.parameters import RESPONSES_PARAMETERS
from app.dialects.openai_responses.thinking import sealed
from app.dialects.openai_responses.tools import read_tools


@value
class ResponsesCall:
    """The request, and what it takes to answer it.

    `echo` are the fields of the answer that repeat the request; `sealed_thinking` says whether
    thinking is handed out; `namespaced` tells namespace and name of a function by the name it
    was sent under.
    """

    request: Request
    echo: Mapping[str, Any]
    sealed_thinking: bool
    namespaced: Mapping[str, tuple[str, str]]

    def seal(self, thinking: Block, opening: Opening) -> str | None:
        """The thinking of an answer, to be carried by the caller, if that was asked for."""
        if not self.sealed_thinking:
            return None
        wishes = self.request.wishes
        if "tool_choice" in opening.dropped:
            wishes = (*wishes, wish_for(self.request.options["tool_choice"]))
        if PREFILL in opening.dropped:
            wishes = (*wishes, CONTINUE)
        return sealed(thinking, wishes)


def parse(body: bytes, default_model: str = AUTO) -> ResponsesCall:
    """The call that `body` asks for, of `default_model` where it names none.

    Raises BadRequest and UnsupportedParameter.
    """
    fields = fields_of(body)
    dropped = dropped_by(fields, RESPONSES_PARAMETERS)
    model = read_model(fields, default_model)
    transcript = read_input(fields.get("input"), fields.get("instructions"))
    conversation = transcript.conversation
    room = Room()
    toolset = read_tools(fields, transcript.late_tools, room)
    form, dropped_text, text_format = read_text(fields, room)
    effort, dropped_reasoning = read_reasoning(fields)
    sealed_thinking, dropped_include = read_include(fields)
    end_user = read_end_user(fields)
    sampling, capped = read_sampling(fields)
    options: dict[str, Any] = {**sampling, **read_tier(fields)}
    if toolset.choice:
        options["tool_choice"] = toolset.choice
    if form.format:
        options["output_config"] = {"format": form.format}
    if end_user:
        options["metadata"] = {"user_id": opaque(end_user)}
    dropped += [*capped, *dropped_text, *dropped_reasoning, *dropped_include, *toolset.dropped]
    request = Request(
        model=model,
        messages=tuple(conversation.turns),
        system=tuple(conversation.system),
        tools=toolset.tools,
        max_tokens=read_max_tokens(fields),
        stream=as_flag(fields.get("stream"), "stream"),
        options=options,
        reasoning_effort=effort,
        effort_param="reasoning.effort",
        cache=read_caching(fields),
        wishes=form.wishes,
        end_user=end_user,
        tags=read_tags(fields),
        session_id=session_id_of(fields),
        prompt_cache_key=cache_key_of(fields),
        first_words=tuple(conversation.first_words),
        dropped=reportable([*dropped, *conversation.unknown_fields]),
    )
    echo = _echo(fields, request, text_format)
    return ResponsesCall(request, echo, sealed_thinking, toolset.namespaced)


def _echo(
    fields: Mapping[str, Any], request: Request, text_format: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The answer repeats what was asked, as far as it was honoured."""
    labels = ("prompt_cache_key", "safety_identifier", "user")
    metadata = fields.get("metadata") or {}
    return {
        "background": False,
        "instructions": fields.get("instructions"),
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": None,
        "metadata": {name: v for name, v in metadata.items() if isinstance(v, str)},
        "parallel_tool_calls": fields.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": {"effort": request.reasoning_effort, "summary": None},
        "store": False,
        "temperature": request.options.get("temperature"),
        "text": {"format": text_format},
        "tool_choice": _echoed_choice(fields),
        "tools": [
            {
                "type": "function",
                "name": tool["name"],
                "description": tool.get("description"),
                "parameters": tool["input_schema"],
                "strict": tool.get("strict", False),
            }
            for tool in request.tools
        ],
        "top_logprobs": 0,
        "top_p": request.options.get("top_p"),
        "truncation": "disabled",
        **{name: fields[name] for name in labels if isinstance(fields.get(name), str)},
    }


def _echoed_choice(fields: Mapping[str, Any]) -> object:
    choice = fields.get("tool_choice")
    if not isinstance(choice, dict):
        return choice or "auto"
    if choice["type"] in MODES:
        return choice["type"]
    if choice.get("name") is None and isinstance(choice.get("function"), dict):
        choice = {**choice, "name": choice["function"].get("name")}
    return {name: choice[name] for name in ("type", "name", "mode", "tools") if name in choice}
