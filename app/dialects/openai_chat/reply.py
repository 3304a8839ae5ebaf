"""A reply and its receipt -> the Chat Completions JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from app.core.receipt import Receipt
from app.core.request import Reply
from app.dialects.json_text import dumps
from app.dialects.openai.answers import refusal_text, usage_json

FINISH_REASONS: Mapping[str | None, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def reply_bytes(reply: Reply, receipt: Receipt, *, legacy_functions: bool = False) -> bytes:
    """The whole answer; its call in the older form where that was asked in."""
    calls = _calls(reply)
    message = _message(reply, calls=bool(calls))
    if calls and legacy_functions:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    reason = finish_reason(reply.stop_reason, calls=bool(calls), legacy=legacy_functions)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return orjson.dumps(
        {
            "id": completion_id(reply.message_id),
            "object": "chat.completion",
            "created": receipt.opening.created,
            "model": receipt.opening.model,
            "choices": [choice],
            "usage": usage_json(receipt),
            "service_tier": "fast" if receipt.usage.fast else "default",
            "system_fingerprint": None,
        }
    )


def completion_id(message_id: str) -> str:
    """'msg_01X' -> 'chatcmpl-01X'."""
    return f"chatcmpl-{message_id.removeprefix('msg_')}"


def finish_reason(stop_reason: str | None, *, calls: bool, legacy: bool = False) -> str:
    """OpenAI's word; `calls`: whether the caller was shown any, `legacy`: as `function_call`."""
    if stop_reason == "tool_use" and not calls:
        return "stop"
    if stop_reason == "tool_use" and legacy:
        return "function_call"
    return FINISH_REASONS.get(stop_reason, "stop")


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": block["id"],
            "type": "function",
            "function": {
                "name": block["name"],
                "arguments": dumps(block.get("input") or {}).decode(),
            },
        }
        for block in reply.content
        if block.get("type") == "tool_use"
    ]


def _message(reply: Reply, *, calls: bool) -> dict[str, Any]:
    """All but the calls; thinking is not shown."""
    texts = [block.get("text") or "" for block in reply.content if block.get("type") == "text"]
    refusal = refusal_text(reply.stop_reason, reply.stop_details)
    text = "".join(texts)
    return {
        "role": "assistant",
        "content": text if text or not (calls or refusal) else None,
        "refusal": refusal,
        "annotations": [],
    }
