"""Messages as a conversation: roles, prefill, and tool calls that find their results."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from app.simulator.errors import invalid
from app.simulator.json_values import JsonObject, as_objects, content_blocks
from app.simulator.validation.asked import Asked, refuse_extra, require_list
from app.simulator.validation.blocks import check_block

_FIELDS: Final = frozenset({"role", "content"})
_MOST_MESSAGES: Final = 100_000

_Turn = tuple[str, list[tuple[str, JsonObject]]]


def check_messages(asked: Asked) -> None:
    messages = require_list(asked.body["messages"], "messages")
    if not messages:
        raise invalid("messages: at least one message is required")
    if len(messages) > _MOST_MESSAGES:
        raise invalid(f"messages: at most {_MOST_MESSAGES} messages are allowed")
    for at, message in enumerate(messages):
        _check_message(asked, message, at, last=at == len(messages) - 1)
    turns = _turns(messages)
    if turns[0][0] == "assistant":
        raise invalid('messages: first message must use the "user" role')
    _check_call_ids(turns)
    _check_tool_pairs(turns)
    if turns[-1][0] == "assistant":
        _check_prefill(asked, messages[-1])


def _check_message(asked: Asked, message: JsonObject, at: int, *, last: bool) -> None:
    where = f"messages.{at}"
    known = _FIELDS | {"output_config"} if asked.beta else _FIELDS
    refuse_extra(message, known, f"{where}.")
    role = str(message.get("role"))
    roles = ("user", "assistant", "system") if asked.model.system_role else ("user", "assistant")
    if role not in roles:
        raise invalid(f"{where}.role: Input should be {' or '.join(map(repr, roles))}")
    if "content" not in message:
        raise invalid(f"{where}.content: Field required")
    content = message["content"]
    if not isinstance(content, str):
        for inner, block in enumerate(require_list(content, f"{where}.content")):
            check_block(asked, role, block, f"{where}.content.{inner}")
    if not content and not (last and role == "assistant"):
        raise invalid(
            f"{where}: all messages must have non-empty content except for the optional final "
            "assistant message"
        )
    if isinstance(content, str) and content and not content.strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")


def _turns(messages: list[JsonObject]) -> list[_Turn]:
    """Neighbouring messages of one role are one turn; each block keeps its place for messages."""
    turns: list[_Turn] = []
    for at, message in enumerate(messages):
        if not turns or turns[-1][0] != message["role"]:
            turns.append((message["role"], []))
        blocks = enumerate(content_blocks(message["content"]))
        turns[-1][1].extend((f"messages.{at}.content.{inner}", block) for inner, block in blocks)
    return turns


def _check_call_ids(turns: list[_Turn]) -> None:
    seen: set[str] = set()
    for _, blocks in turns:
        for where, block in blocks:
            if block["type"] != "tool_use":
                continue
            if block["id"] in seen:
                raise invalid(f"{where}: `tool_use` ids must be unique")
            seen.add(block["id"])


def _check_tool_pairs(turns: list[_Turn]) -> None:
    for before, after in pairwise([("none", []), *turns, ("none", [])]):
        calls = [str(block["id"]) for _, block in before[1] if block["type"] == "tool_use"]
        results = [
            (where, str(block["tool_use_id"]))
            for where, block in after[1]
            if block["type"] == "tool_result"
        ]
        for where, call_id in results:
            if call_id not in calls:
                raise invalid(
                    f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the "
                    "previous message."
                )
        answered = {call_id for _, call_id in results}
        missing = [call_id for call_id in calls if call_id not in answered]
        if missing:
            raise invalid(
                f"{before[1][-1][0].rsplit('.content', 1)[0]}: `tool_use` ids were found without "
                f"`tool_result` blocks immediately after: {', '.join(missing)}. Each `tool_use` "
                "block must have a corresponding `tool_result` block in the next message."
            )
        if len(answered) != len(results):
            raise invalid("each tool_use must have a single result. Found multiple results.")


def _check_prefill(asked: Asked, message: JsonObject) -> None:
    if not asked.model.prefill:
        raise invalid(
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    content = message["content"]
    blocks = as_objects(content)
    tail = (
        content if isinstance(content, str) else str(blocks[-1].get("text", "") if blocks else "")
    )
    if tail != tail.rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")
