"""A reply and its receipt -> the Chat Completions JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from app.core.money import usd_text
from app.core.receipt import Receipt
from app.core.request import Reply
from app.dialects.json_text import dumps

FINISH_REASONS: Mapping[str | None, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
REFUSAL = "The model declined to answer."


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


def refusal_text(stop_reason: str | None, details: Mapping[str, Any] | None) -> str | None:
    """Why the model refused, in its vendor's words where there are any; None if it did not."""
    if stop_reason != "refusal":
        return None
    explanation = (details or {}).get("explanation")
    return explanation if isinstance(explanation, str) and explanation else REFUSAL


def usage_json(receipt: Receipt) -> dict[str, Any]:
    """`usage` with the receipt's cost: a number written from its exact decimal text."""
    usage, cost = receipt.usage, receipt.cost
    prompt_tokens = usage.prompt_tokens
    details = {
        "input": usd_text(cost.input),
        "cache_write_5m": usd_text(cost.cache_write_5m),
        "cache_write_1h": usd_text(cost.cache_write_1h),
        "cache_read": usd_text(cost.cache_read),
        "output": usd_text(cost.output),
        "server_tools": usd_text(cost.server_tools),
    }
    if receipt.total_nano_usd != cost.total:  # bounds of earlier attempts that stay charged
        details["other"] = usd_text(receipt.total_nano_usd - cost.total)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "cost": orjson.Fragment(usd_text(receipt.total_nano_usd)),
        "cost_details": details,
    }


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
