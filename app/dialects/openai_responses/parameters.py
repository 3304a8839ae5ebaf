"""What becomes of each Responses parameter: the table that `parse` obeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.dialects.json_values import unsupported
from app.dialects.openai_chat.parameters import Parameter


def _mapped(says: str) -> Parameter:
    return Parameter("mapped", says)


def _adapted(says: str) -> Parameter:
    return Parameter("mapped", says, adapted=True)


def _dropped(says: str, neutral: tuple[object, ...] = ()) -> Parameter:
    return Parameter("dropped", says, (None, *neutral))


def _refused(says: str, neutral: tuple[object, ...] = ()) -> Parameter:
    return Parameter("refused", says, (None, *neutral))


RESPONSES_PARAMETERS: Mapping[str, Parameter] = {
    "model": _mapped(
        "`auto`, a tier's name, a model id or alias; `routing.default_model` if absent"
    ),
    "input": _mapped("a text, or messages, function calls and their outputs, and reasoning"),
    "instructions": _mapped("the beginning of the system prompt"),
    "stream": _mapped("server-sent events, ended by `response.completed` or its like"),
    "stream_options": _adapted("nothing in it changes the answer"),
    "max_output_tokens": _mapped("the most output tokens, thinking included"),
    "temperature": _adapted(
        "capped at 1; dropped on models without sampling parameters; both reported"
    ),
    "top_p": _adapted("dropped beside `temperature`, and on models without sampling parameters"),
    "tools": _adapted(
        "functions, in namespaces too; any other tool is left out and reported by its type"
    ),
    "tool_choice": _adapted("a forced tool becomes a request in words where a model refuses it"),
    "parallel_tool_calls": _mapped("false allows one tool call in an answer"),
    "text": _adapted("`json_schema` is enforced, `json_object` asked for; the rest is dropped"),
    "reasoning": _adapted("`effort` alone; summaries are not written"),
    "include": _adapted("`reasoning.encrypted_content` carries thinking from turn to turn"),
    "service_tier": _adapted("`auto`, `default` and `fast`; other tiers are refused"),
    "user": _adapted("kept as the end user; sent upstream as a hash"),
    "safety_identifier": _adapted("stands in for `user` where that is absent"),
    "metadata": _mapped(
        "its string values become tags of the call's record: `v` under `k` is `k=v`"
    ),
    "prompt_cache_options": _mapped("`mode: explicit` turns added cache breakpoints off"),
    "prompt_cache_key": _dropped("caches are found by their content alone"),
    "prompt_cache_retention": _dropped("lifetimes are set by breakpoints"),
    "store": _dropped("answers are not stored", neutral=(False,)),
    "truncation": _dropped("a prompt is never cut", neutral=("disabled",)),
    "context_management": _dropped("a conversation is never compacted", neutral=([],)),
    "max_tool_calls": _dropped("it bounds hosted tools, of which there are none"),
    "moderation": _dropped("no equivalent"),
    "access_programs": _dropped("no equivalent"),
    "image": _dropped("images are sent as they are"),
    "background_options": _dropped("answers are given at once"),
    "background": _refused("answers are given at once", neutral=(False,)),
    "previous_response_id": _refused("answers are not stored; send the whole conversation"),
    "conversation": _refused("conversations are not stored; send the whole one as `input`"),
    "prompt": _refused("prompts are not stored; send `instructions` and `input`"),
    "top_logprobs": _refused("token probabilities are not known", neutral=(0,)),
}


def dropped_by(body: Mapping[str, Any]) -> list[str]:
    """Names of what is left out, unknown fields too.  Raises UnsupportedParameter."""
    dropped = []
    for name, value in body.items():
        parameter = RESPONSES_PARAMETERS.get(name)
        if parameter is None:
            dropped.append(name)
            continue
        asks = not any(type(value) is type(n) and value == n for n in parameter.neutral)
        if asks and parameter.treatment == "refused":
            unsupported(name, f"not supported ({parameter.says})")
        if asks and parameter.treatment == "dropped":
            dropped.append(name)
    return dropped
