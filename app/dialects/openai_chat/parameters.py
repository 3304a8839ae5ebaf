"""What becomes of each Chat Completions parameter: the table that `parse` obeys."""

from __future__ import annotations

from collections.abc import Mapping

from app.dialects.openai.parameters import Parameter, adapted, dropped, mapped, refused

PARAMETERS: Mapping[str, Parameter] = {
    "model": mapped(
        "`auto`, a tier's name, a model id or alias; `routing.default_model` if absent"
    ),
    "messages": mapped("leading system and developer messages become the system prompt"),
    "stream": mapped("server-sent events, ended by `[DONE]`"),
    "stream_options": adapted("`include_usage` adds a usage chunk; the rest is ignored"),
    "max_completion_tokens": mapped("the most output tokens, thinking included"),
    "max_tokens": mapped("the older name; `max_completion_tokens` wins"),
    "temperature": adapted(
        "capped at 1; dropped on models without sampling parameters; both reported"
    ),
    "top_p": adapted("dropped beside `temperature`, and on models without sampling parameters"),
    "stop": adapted("stop sequences; whitespace alone can't be one and is dropped"),
    "tools": adapted("function tools, flat ones too; grammar tools and hosted tools are refused"),
    "tool_choice": adapted("a forced tool becomes a request in words where a model refuses it"),
    "parallel_tool_calls": mapped("false allows one tool call in an answer"),
    "functions": adapted("the older form of `tools`; a call is answered as `function_call`"),
    "function_call": adapted("the older form of `tool_choice`"),
    "response_format": adapted("`json_schema` is enforced or else asked for, as is `json_object`"),
    "reasoning_effort": adapted("the model's nearest effort, or its thinking switched off"),
    "reasoning": adapted("`effort` stands in for `reasoning_effort`; the rest is dropped"),
    "service_tier": adapted("`auto`, `default` and `fast`; other tiers are refused"),
    "user": adapted("kept as the end user; sent upstream as a hash"),
    "safety_identifier": adapted("stands in for `user` where that is absent"),
    "metadata": mapped(
        "its string values become tags of the call's record: `v` under `k` is `k=v`"
    ),
    "prompt_cache_options": mapped("`mode: explicit` turns added cache breakpoints off"),
    "session_id": mapped("names the conversation; Anthropic does not see it"),
    "prompt_cache_key": mapped("tells conversations apart; caches are found by their content"),
    "prompt_cache_retention": dropped("lifetimes are set by breakpoints"),
    "verbosity": dropped("no equivalent", neutral=("medium",)),
    "seed": dropped("no equivalent"),
    "prediction": dropped("no equivalent; it changes speed, not the answer"),
    "moderation": dropped("no equivalent"),
    "store": dropped("answers are not stored", neutral=(False,)),
    "n": refused("one choice an answer", neutral=(1,)),
    "logprobs": refused("token probabilities are not known", neutral=(False,)),
    "top_logprobs": refused("token probabilities are not known", neutral=(0,)),
    "logit_bias": refused("tokens can't be biased", neutral=({},)),
    "frequency_penalty": refused("no equivalent", neutral=(0, 0.0)),
    "presence_penalty": refused("no equivalent", neutral=(0, 0.0)),
    "audio": refused("answers are text"),
    "modalities": refused("answers are text", neutral=(["text"],)),
    "web_search_options": refused("billed searches are not offered on this route"),
}
