"""JSON schemas of what callers of the client routes get."""

from __future__ import annotations

from collections.abc import Mapping

from app.api.openapi.schemas import (
    ANY_OBJECT,
    COST_DETAILS,
    COUNT,
    MAYBE_TEXT,
    MOMENT,
    TEXT,
    Schema,
    array,
    mapping,
    maybe,
    named,
    open_record,
    record,
    words,
)

_COST = {"cost": {"type": "number", "minimum": 0}, "cost_details": record(COST_DETAILS)}
_CACHED = record({"cached_tokens": COUNT, "cache_write_tokens": COUNT})
_REASONED = record({"reasoning_tokens": COUNT})
_TOOL_CALL = record(
    {
        "id": TEXT,
        "type": {"const": "function"},
        "function": record({"name": TEXT, "arguments": TEXT}),
    }
)
_CHAT_MESSAGE = record(
    {
        "role": {"const": "assistant"},
        "content": MAYBE_TEXT,
        "refusal": MAYBE_TEXT,
        "annotations": array(ANY_OBJECT),
    },
    {"tool_calls": array(_TOOL_CALL)},
)
_CHAT_CHOICE = record(
    {
        "index": COUNT,
        "message": _CHAT_MESSAGE,
        "logprobs": {"type": "null"},
        "finish_reason": words("stop", "length", "tool_calls", "content_filter"),
    }
)
_BLOCK = open_record({"type": TEXT})

ANSWER_SCHEMAS: Mapping[str, Schema] = {
    "ChatCompletion": record(
        {
            "id": TEXT,
            "object": {"const": "chat.completion"},
            "created": COUNT,
            "model": TEXT,
            "choices": array(_CHAT_CHOICE),
            "usage": record(
                {
                    **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT),
                    "prompt_tokens_details": _CACHED,
                    "completion_tokens_details": _REASONED,
                    **_COST,
                }
            ),
            "service_tier": words("default", "fast"),
            "system_fingerprint": {"type": "null"},
        }
    ),
    "Response": open_record(
        {
            "id": TEXT,
            "object": {"const": "response"},
            "created_at": COUNT,
            "model": TEXT,
            "status": words("completed", "incomplete"),
            "error": {"type": "null"},
            "incomplete_details": maybe(
                record({"reason": words("max_output_tokens", "content_filter")})
            ),
            "output": array(open_record({"id": TEXT, "type": TEXT})),
            "usage": record(
                {
                    **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), COUNT),
                    "input_tokens_details": _CACHED,
                    "output_tokens_details": _REASONED,
                    **_COST,
                }
            ),
            "service_tier": words("default", "fast"),
            "metadata": mapping(TEXT),
            "store": {"const": False},
        }
    ),
    "Message": open_record(
        {
            "id": TEXT,
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": TEXT,
            "content": array(_BLOCK),
            "stop_reason": MAYBE_TEXT,
            "usage": open_record({"input_tokens": COUNT, "output_tokens": COUNT}),
        }
    ),
    "TokenCount": record({"input_tokens": COUNT}),
    "Model": record(
        {
            "id": TEXT,
            "object": {"const": "model"},
            "type": {"const": "model"},
            "created": COUNT,
            "created_at": MOMENT,
            "owned_by": TEXT,
            "display_name": TEXT,
            "max_input_tokens": COUNT,
            "max_tokens": COUNT,
        },
        {"retires_at": TEXT},
    ),
    "ModelList": record(
        {
            "object": {"const": "list"},
            "data": array(named("Model")),
            "has_more": {"const": False},
            "first_id": MAYBE_TEXT,
            "last_id": MAYBE_TEXT,
        }
    ),
}
