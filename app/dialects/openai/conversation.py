"""A conversation under way: system blocks, alternating turns, calls that wait for results."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.request import Block, Message
from app.dialects.json_text import loads
from app.dialects.json_values import as_name, as_object, as_text, check_depth, kind_of, refuse
from app.dialects.openai.content import as_blocks

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(slots=True)
class Conversation:
    """A conversation as far as it has been read.

    `open_calls` are the tool calls of the last turn that no result has answered yet, id ->
    function name; `calls_at` is where they stand.
    """

    breakpoint_mark: Block
    system: list[Block] = field(default_factory=list)
    turns: list[Message] = field(default_factory=list)
    unknown_fields: list[str] = field(default_factory=list)
    open_calls: dict[str, str] = field(default_factory=dict)
    calls_at: str = ""

    def add(self, role: str, content: str | list[Block]) -> None:
        """Append a turn, or extend the last one if it is of the same role; blank adds nothing."""
        if not (content.strip() if isinstance(content, str) else content):
            return
        if self.turns and self.turns[-1]["role"] == role:
            before = as_blocks(self.turns[-1]["content"])
            before.extend(as_blocks(content))
            self.turns[-1] = {"role": role, "content": before}
        else:
            self.turns.append({"role": role, "content": content})


def check_first(conversation: Conversation, where: str) -> None:
    """The vendor takes no conversation that the assistant begins."""
    if conversation.turns[0]["role"] == "assistant":
        refuse(where, "the first message with content, system messages aside, must be the user's")


def read_call(conversation: Conversation, call_id: str, value: object, where: str) -> Block:
    function = as_object(value, where)
    name = as_name(function.get("name"), f"{where}.name")
    if call_id in conversation.open_calls:
        refuse(where, f"another call has the id {call_id[:64]!r}")
    conversation.open_calls[call_id] = name
    return {
        "type": "tool_use",
        "id": wire_id(call_id),
        "name": name,
        "input": _arguments(function.get("arguments"), f"{where}.arguments"),
    }


def _arguments(value: object, where: str) -> dict[str, Any]:
    """The arguments as an object with its keys in order; none at all are an empty object."""
    text = as_text(value, where)
    if not text.strip():
        return {}
    try:
        arguments = loads(text)
    except orjson.JSONDecodeError as error:
        refuse(where, f"not valid JSON: {error}")
    if not isinstance(arguments, dict):
        refuse(where, f"expected a JSON object in the string, got {kind_of(arguments)}")
    check_depth(arguments, where)
    return arguments


def wire_id(call_id: str) -> str:
    """The caller's id if the vendor takes it, else one made from it: always the same."""
    if _ID.fullmatch(call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:32]}"
