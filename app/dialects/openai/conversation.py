"""A conversation under way: system blocks and alternating turns, made fit for the vendor.

What is made fit depends on what stands before it alone: a turn that follows never changes it, so
caches hold and thinking stays valid.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.request import CONTINUE, Block, Message, with_wishes
from app.dialects.json_text import loads
from app.dialects.json_values import as_name, as_object, check_depth, refuse
from app.dialects.openai.content import SHORTENED, Breakpoints, as_blocks

# Said by the user where the vendor wants a word of theirs and there is none.
GO_AHEAD = "Go ahead."
MOST_NAME_CHARS = 128
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNFIT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(slots=True)
class Conversation:
    """A conversation as far as it has been read; `sent_ids` are those of its tool calls so far.

    `first_words` are the user's own, until the assistant has `answered` them.
    """

    breakpoints: Breakpoints = field(default_factory=Breakpoints)
    system: list[Block] = field(default_factory=list)
    turns: list[Message] = field(default_factory=list)
    unknown_fields: list[str] = field(default_factory=list)
    sent_ids: set[str] = field(default_factory=set)
    times_given: dict[str, int] = field(default_factory=dict)
    first_words: list[str | Sequence[Block]] = field(default_factory=list)
    answered: bool = False

    def add(self, role: str, content: str | list[Block]) -> bool:
        """Append a turn, or extend the last one if it is of the same role.

        Blank adds nothing, and is False.
        """
        if not (content.strip() if isinstance(content, str) else content):
            return False
        if self.turns and self.turns[-1]["role"] == role:
            before = as_blocks(self.turns[-1]["content"])
            before.extend(as_blocks(content))
            self.turns[-1] = {"role": role, "content": before}
        else:
            self.turns.append({"role": role, "content": content})
        return True

    def add_user(self, content: str | list[Block]) -> None:
        """A user's message.  A blank one still hands the word back to the assistant."""
        if not self.add("user", content):
            if self._waits_for_user():
                self.add("user", GO_AHEAD)
        elif not self.answered:
            self.first_words.append(content if isinstance(content, str) else tuple(content))

    def add_assistant(self, content: str | list[Block]) -> None:
        """The assistant's words and calls: the user begins, and no text trails off in blanks."""
        if not self.turns:
            self.add("user", GO_AHEAD)
        self.add("assistant", _trimmed(content))
        self.answered = self.answered or bool(self.first_words)

    def repeat_wishes(self, wishes: list[str]) -> None:
        """Put back what was added to the prompt of the assistant's turn that begins now."""
        if wishes and not self.turns:
            self.add("user", GO_AHEAD)
        if wishes and (self.turns[-1]["role"] != "assistant" or CONTINUE in wishes):
            self.turns = with_wishes(self.turns, wishes)

    def call(self, call_id: str, value: object, where: str) -> Block:
        """A tool call under an id and a name that the vendor takes."""
        function = as_object(value, where)
        name = as_name(function.get("name"), f"{where}.name")
        return {
            "type": "tool_use",
            "id": self._sent_id(call_id),
            "name": _UNFIT_IN_NAMES.sub("_", name)[:MOST_NAME_CHARS],
            "input": _arguments(function.get("arguments"), f"{where}.arguments"),
        }

    def complete(self, where: str) -> None:
        """Refuse a conversation without a word; a system prompt alone is to be acted upon."""
        if self.breakpoints.shortened:
            self.unknown_fields.append(SHORTENED)
        if self.turns:
            return
        if not self.system:
            refuse(where, "at least one user message with content is needed")
        self.add("user", GO_AHEAD)

    def _waits_for_user(self) -> bool:
        if self.turns:
            return bool(self.turns[-1]["role"] == "assistant")
        return bool(self.system)

    def _sent_id(self, call_id: str) -> str:
        """The caller's id where the vendor takes it and no call before has it, else one from it."""
        times = self.times_given.get(call_id, 0)
        sent = call_id if not times and _ID.fullmatch(call_id) else _made_id(call_id, times)
        while sent in self.sent_ids:
            times += 1
            sent = _made_id(call_id, times)
        self.times_given[call_id] = times + 1
        self.sent_ids.add(sent)
        return sent


def _made_id(call_id: str, times: int) -> str:
    seed = f"{call_id}\0{times}" if times else call_id
    return f"call_{hashlib.sha256(seed.encode()).hexdigest()[:32]}"


def _trimmed(content: str | list[Block]) -> str | list[Block]:
    """The content without the blanks at its end, which the vendor refuses in a last turn."""
    if isinstance(content, str):
        return content.rstrip()
    if not content or content[-1].get("type") != "text":
        return content
    *before, last = content
    return [*before, {**last, "text": last["text"].rstrip()}]


def _arguments(value: object, where: str) -> dict[str, Any]:
    """The arguments as an object with its keys in order; none at all are an empty object.

    What is no object (a list, or JSON that was cut) becomes the one value of one.
    """
    arguments = value
    if isinstance(value, str):
        try:
            arguments = loads(value) if value.strip() else None
        except orjson.JSONDecodeError:
            return {"arguments": value}
    if arguments is None:
        return {}
    check_depth(arguments, where)
    return arguments if isinstance(arguments, dict) else {"arguments": arguments}
