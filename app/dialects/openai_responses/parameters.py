"""What becomes of each Responses parameter: the table that `parse` obeys."""

from __future__ import annotations

from collections.abc import Mapping

from app.dialects.openai.parameters import Parameter, adapted, dropped, mapped, refused

RESPONSES_PARAMETERS: Mapping[str, Parameter] = {
    "model": mapped(
        "`auto`, a tier's name, a model id or alias; `routing.default_model` if absent"
    ),
    "input": mapped("a text, or messages, function calls and their outputs, and reasoning"),
    "instructions": mapped("the beginning of the system prompt"),
    "stream": mapped("server-sent events, ended by `response.completed` or its like"),
    "stream_options": adapted("nothing in it changes the answer"),
    "max_output_tokens": mapped("the most output tokens, thinking included"),
    "temperature": adapted(
        "capped at 1; dropped on models without sampling parameters; both reported"
    ),
    "top_p": adapted("dropped beside `temperature`, and on models without sampling parameters"),
    "tools": adapted(
        "functions, in namespaces too; any other tool is left out and reported by its type"
    ),
    "tool_choice": adapted("a forced tool becomes a request in words where a model refuses it"),
    "parallel_tool_calls": mapped("false allows one tool call in an answer"),
    "text": adapted(
        "`json_schema` is enforced or else asked for, as is `json_object`; the rest is dropped"
    ),
    "reasoning": adapted("`effort` alone, the model's nearest; summaries are not written"),
    "include": adapted("`reasoning.encrypted_content` carries thinking from turn to turn"),
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
    "store": dropped("answers are not stored", neutral=(False,)),
    "truncation": dropped("a prompt is never cut", neutral=("disabled",)),
    "context_management": dropped("a conversation is never compacted", neutral=([],)),
    "max_tool_calls": dropped("it bounds hosted tools, of which there are none"),
    "moderation": dropped("no equivalent"),
    "access_programs": dropped("no equivalent"),
    "image": dropped("images are sent as they are"),
    "background_options": dropped("answers are given at once"),
    "background": refused("answers are given at once", neutral=(False,)),
    "previous_response_id": refused("answers are not stored; send the whole conversation"),
    "conversation": refused("conversations are not stored; send the whole one as `input`"),
    "prompt": refused("prompts are not stored; send `instructions` and `input`"),
    "top_logprobs": refused("token probabilities are not known", neutral=(0,)),
}
