"""What becomes of each Chat Completions parameter: the table that `parse` obeys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.dialects.json_values import unsupported

Treatment = Literal["mapped", "dropped", "refused"]

MOST_DROPPED = 32
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; a value in `neutral` asks for nothing and is always taken.

    `mapped`: honoured; `adapted` where the vendor's equivalent differs, or refuses some values.
    `dropped`: left out and reported. `refused`: answered with 400.
    """

    treatment: Treatment
    says: str
    neutral: tuple[object, ...] = (None,)
    adapted: bool = False


def _mapped(says: str) -> Parameter:
    return Parameter("mapped", says)


def _adapted(says: str) -> Parameter:
    return Parameter("mapped", says, adapted=True)


def _dropped(says: str, neutral: tuple[object, ...] = ()) -> Parameter:
    return Parameter("dropped", says, (None, *neutral))


def _refused(says: str, neutral: tuple[object, ...] = ()) -> Parameter:
    return Parameter("refused", says, (None, *neutral))


PARAMETERS: Mapping[str, Parameter] = {
    "model": _mapped(
        "`auto`, a tier's name, a model id or alias; `routing.default_model` if absent"
    ),
    "messages": _mapped("leading system and developer messages become the system prompt"),
    "stream": _mapped("server-sent events, ended by `[DONE]`"),
    "stream_options": _adapted("`include_usage` adds a usage chunk; the rest is ignored"),
    "max_completion_tokens": _mapped("the most output tokens, thinking included"),
    "max_tokens": _mapped("the older name; `max_completion_tokens` wins"),
    "temperature": _adapted(
        "capped at 1; dropped on models without sampling parameters; both reported"
    ),
    "top_p": _adapted("dropped beside `temperature`, and on models without sampling parameters"),
    "stop": _adapted("stop sequences; whitespace alone can't be one and is dropped"),
    "tools": _adapted("function tools; grammar tools and hosted tools are refused"),
    "tool_choice": _adapted("a forced tool becomes a request in words where a model refuses it"),
    "parallel_tool_calls": _mapped("false allows one tool call in an answer"),
    "functions": _adapted("the older form of `tools`; a call is answered as `function_call`"),
    "function_call": _adapted("the older form of `tool_choice`"),
    "response_format": _adapted("`json_schema` is enforced, `json_object` asked for in words"),
    "reasoning_effort": _adapted("the model's effort, or its thinking switched off"),
    "service_tier": _adapted("`auto`, `default` and `fast`; other tiers are refused"),
    "user": _adapted("kept as the end user; sent upstream as a hash"),
    "safety_identifier": _adapted("stands in for `user` where that is absent"),
    "metadata": _mapped(
        "its string values become tags of the call's record: `v` under `k` is `k=v`"
    ),
    "prompt_cache_options": _mapped("`mode: explicit` turns added cache breakpoints off"),
    "prompt_cache_key": _dropped("caches are found by their content alone"),
    "prompt_cache_retention": _dropped("lifetimes are set by breakpoints"),
    "verbosity": _dropped("no equivalent", neutral=("medium",)),
    "seed": _dropped("no equivalent"),
    "prediction": _dropped("no equivalent; it changes speed, not the answer"),
    "moderation": _dropped("no equivalent"),
    "store": _dropped("answers are not stored", neutral=(False,)),
    "n": _refused("one choice an answer", neutral=(1,)),
    "logprobs": _refused("token probabilities are not known", neutral=(False,)),
    "top_logprobs": _refused("token probabilities are not known", neutral=(0,)),
    "logit_bias": _refused("tokens can't be biased", neutral=({},)),
    "frequency_penalty": _refused("no equivalent", neutral=(0, 0.0)),
    "presence_penalty": _refused("no equivalent", neutral=(0, 0.0)),
    "audio": _refused("answers are text"),
    "modalities": _refused("answers are text", neutral=(["text"],)),
    "web_search_options": _refused("billed searches are not offered on this route"),
}


def dropped_by(body: Mapping[str, Any]) -> list[str]:
    """Names of what is left out, unknown fields too.  Raises UnsupportedParameter."""
    dropped = []
    for name, value in body.items():
        parameter = PARAMETERS.get(name)
        if parameter is None:
            dropped.append(name)
        elif parameter.treatment == "mapped" or _asks_nothing(value, parameter):
            continue
        elif parameter.treatment == "refused":
            unsupported(name, f"not supported ({parameter.says})")
        else:
            dropped.append(name)
    return dropped


def reportable(names: list[str]) -> tuple[str, ...]:
    """Each name once, fit for a header whatever the caller wrote, and not too many."""
    if not names:
        return ()
    safe = dict.fromkeys(_UNSAFE.sub("_", name[:64]) or "_" for name in names)
    return tuple(safe)[:MOST_DROPPED]


def _asks_nothing(value: object, parameter: Parameter) -> bool:
    return any(type(value) is type(other) and value == other for other in parameter.neutral)
