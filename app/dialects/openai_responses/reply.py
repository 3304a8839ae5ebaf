"""A reply and its receipt -> the `response` object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.receipt import Opening, Receipt
from app.core.request import Block, Reply
from app.dialects.json_text import dumps
from app.dialects.openai.answers import refusal_text, usage_json
from app.dialects.openai_responses.request import ResponsesCall
from app.dialects.openai_responses.thinking import REASONING_ID

Item = dict[str, Any]

CUT: Mapping[str | None, str] = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "refusal": "content_filter",
}


def reply_bytes(reply: Reply, receipt: Receipt, call: ResponsesCall) -> bytes:
    """The whole answer to `call`."""
    fields = {
        **response_head(reply.message_id, receipt.opening),
        **response_end(reply.stop_reason),
        "output": _output(reply, call, receipt.opening),
        **receipt_fields(receipt),
        **call.echo,
    }
    return dumps(fields)


def response_head(message_id: str, opening: Opening) -> dict[str, Any]:
    """What is known of a response from its beginning."""
    return {
        "id": f"resp_{bare_id(message_id)}",
        "object": "response",
        "created_at": opening.created,
        "model": opening.model,
    }


def response_end(stop_reason: str | None) -> dict[str, Any]:
    """How the response ended."""
    cut = CUT.get(stop_reason)
    return {
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
    }


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    """What the response came to."""
    return {
        "usage": responses_usage(receipt),
        "service_tier": "fast" if receipt.usage.fast else "default",
    }


def responses_usage(receipt: Receipt) -> dict[str, Any]:
    """`usage` under this API's names, with the receipt's cost."""
    usage = usage_json(receipt)
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": usage["prompt_tokens_details"],
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage["completion_tokens_details"],
        "total_tokens": usage["total_tokens"],
        "cost": usage["cost"],
        "cost_details": usage["cost_details"],
    }


def bare_id(message_id: str) -> str:
    """'msg_01X' -> '01X'."""
    return message_id.removeprefix("msg_")


def message_item(bare: str, index: int) -> Item:
    """A message that has just begun; `index` is its place in the output, as for each item."""
    return {
        "id": f"msg_{bare}_{index}",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }


def call_item(bare: str, index: int, block: Block, call: ResponsesCall) -> Item:
    """A function call that has just begun, under the names that the caller knows."""
    sent = block.get("name") or ""
    namespace, name = call.namespaced.get(sent, (None, sent))
    item = {
        "id": f"fc_{bare}_{index}",
        "type": "function_call",
        "status": "in_progress",
        "call_id": block.get("id"),
        "name": name,
        "arguments": "",
    }
    return item if namespace is None else {**item, "namespace": namespace}


def reasoning_item(bare: str, index: int) -> Item:
    """Reasoning, of which no summary is shown."""
    return {
        "id": f"{REASONING_ID}{bare}_{index}",
        "type": "reasoning",
        "summary": [],
        "encrypted_content": None,
    }


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(refusal: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": refusal}


def _output(reply: Reply, call: ResponsesCall, opening: Opening) -> list[Item]:
    """Neighbouring texts are parts of one message; an answer that says nothing has an empty one."""
    bare = bare_id(reply.message_id)
    items: list[Item] = []
    for block in reply.content:
        kind = block.get("type")
        if kind == "text" and block.get("text"):
            _message_of(items, bare)["content"].append(text_part(block["text"]))
        elif kind == "tool_use":
            item = call_item(bare, len(items), block, call)
            item["arguments"] = dumps(block.get("input") or {}).decode()
            items.append(item)
        elif kind in ("thinking", "redacted_thinking"):
            item = reasoning_item(bare, len(items))
            item["encrypted_content"] = call.seal(block, opening)
            items.append(item)
    refusal = refusal_text(reply.stop_reason, reply.stop_details)
    if refusal is not None:
        _message_of(items, bare)["content"].append(refusal_part(refusal))
    elif all(item["type"] == "reasoning" for item in items):
        _message_of(items, bare)["content"].append(text_part(""))
    for item in items:
        if "status" in item:
            item["status"] = "completed"
    if reply.stop_reason in CUT and "status" in items[-1]:
        items[-1]["status"] = "incomplete"
    return items


def _message_of(items: list[Item], bare: str) -> Item:
    """The message at the end of the output, or a new one there."""
    if not items or items[-1]["type"] != "message":
        items.append(message_item(bare, len(items)))
    return items[-1]
