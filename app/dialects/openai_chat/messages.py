"""Chat messages -> system blocks and alternating turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.request import Block, Message
from app.core.values import value
from app.dialects.ceilings import MOST_MESSAGES, MOST_PARTS
from app.dialects.json_values import (
    as_list,
    as_name,
    as_object,
    as_text,
    cache_mark,
    one_of,
    refuse,
    unsupported,
)
from app.dialects.openai.content import as_blocks
from app.dialects.openai.conversation import Conversation
from app.dialects.openai_chat.parts import ASSISTANT_PARTS, SYSTEM_PARTS, USER_PARTS, read_content

# `name` and `annotations` say nothing to the model
KNOWN_FIELDS = frozenset(
    {
        "role",
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "refusal",
        "function_call",
        "audio",
        "annotations",
        "cache_control",
    }
)
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
PLAIN_FIELDS = 2  # of a message that has a role and content and nothing else


@value
class OpenCall:
    """A call that waits for its result: the function's name as given, the id as sent."""

    name: str
    sent_id: str


@dataclass(slots=True)
class ChatConversation(Conversation):
    """A conversation with the calls of its last turn that no result has answered yet.

    `open_calls` has them by the caller's id; `calls_at` is where they stand.
    """

    open_calls: dict[str, deque[OpenCall]] = field(default_factory=dict)
    calls_at: str = ""

    def open_call(self, call_id: str, function: object, where: str) -> Block:
        """The call as a block, noted as open."""
        block = self.call(call_id, function, where)
        name = as_object(function, where)["name"]
        self.open_calls.setdefault(call_id, deque()).append(OpenCall(name, block["id"]))
        return block

    def close_call(self, call_id: str) -> str:
        """The id under which the first open call of that id was sent."""
        waiting = self.open_calls[call_id]
        sent_id = waiting.popleft().sent_id
        if not waiting:
            del self.open_calls[call_id]
        return sent_id


def read_messages(given: object) -> ChatConversation:
    """The whole conversation.  Raises BadRequest and UnsupportedParameter."""
    messages = as_list(given, "messages", MOST_MESSAGES)
    conversation = ChatConversation()
    for n, one in enumerate(messages):
        where = f"messages[{n}]"
        message = as_object(one, where)
        role = message.get("role")
        if type(role) is not str or role not in _READERS:
            role = one_of(role, f"{where}.role", ROLES)
        if conversation.open_calls and role not in ("tool", "function"):
            _refuse_unanswered(conversation)
        if _is_plain(message) and role in _HEARERS:
            _HEARERS[role](conversation, message["content"])
            continue
        if not message.keys() <= KNOWN_FIELDS:
            unknown = sorted(message.keys() - KNOWN_FIELDS)
            conversation.unknown_fields += [f"messages.{name}" for name in unknown]
        _READERS[role](conversation, message, where)
    if conversation.open_calls:
        _refuse_unanswered(conversation)
    conversation.complete("messages")
    return conversation


def _is_plain(message: Message) -> bool:
    """Whether it has a role and a text, and nothing else."""
    return len(message) == PLAIN_FIELDS and type(message.get("content")) is str


def _refuse_unanswered(conversation: ChatConversation) -> None:
    missing = ", ".join(repr(call_id[:64]) for call_id in list(conversation.open_calls)[:5])
    refuse(
        conversation.calls_at,
        f"every tool call needs a tool message right after it; missing for {missing}",
    )


def _content(
    conversation: ChatConversation, message: Message, where: str, kinds: tuple[str, ...]
) -> str | list[Block]:
    return read_content(message.get("content"), f"{where}.content", kinds, conversation.breakpoints)


def _marked(content: str | list[Block], message: Message, where: str) -> str | list[Block]:
    """The content with the message's own mark on its last block, unless that has one."""
    mark = cache_mark(message, where)
    if mark is None:
        return content
    blocks = as_blocks(content)
    if blocks and "cache_control" not in blocks[-1]:
        blocks[-1] = {**blocks[-1], "cache_control": mark}
    return blocks


def _system(conversation: ChatConversation, message: Message, where: str) -> None:
    """Before the first turn: the system prompt. After it: a message in its place."""
    content = _content(conversation, message, where, SYSTEM_PARTS)
    _hear_system(conversation, _marked(content, message, where))


def _hear_system(conversation: ChatConversation, content: str | list[Block]) -> None:
    if conversation.turns:
        conversation.add("system", content)
    else:
        conversation.system += as_blocks(content)


def _user(conversation: ChatConversation, message: Message, where: str) -> None:
    content = _content(conversation, message, where, USER_PARTS)
    conversation.add_user(_marked(content, message, where))


def _assistant(conversation: ChatConversation, message: Message, where: str) -> None:
    if message.get("audio") is not None:
        unsupported(f"{where}.audio", "audio is not supported")
    refusal = message.get("refusal")
    calls = _tool_calls(conversation, message, where)
    content: str | list[Block] = []
    if message.get("content") is not None:
        content = _content(conversation, message, where, ASSISTANT_PARTS)
    elif "content" not in message and not calls and refusal is None:
        refuse(f"{where}.content", "needed unless there are tool calls or a refusal")
    if refusal is not None:
        content = [*as_blocks(content), *as_blocks(as_text(refusal, f"{where}.refusal"))]
    if calls:
        content = [*as_blocks(content), *calls]
    conversation.add_assistant(_marked(content, message, where))


def _tool_calls(conversation: ChatConversation, message: Message, where: str) -> list[Block]:
    """The message's tool calls as blocks, noted as open."""
    given = message.get("tool_calls")
    blocks: list[Block] = []
    if given is not None:
        conversation.calls_at = f"{where}.tool_calls"
        for n, value in enumerate(as_list(given, conversation.calls_at, MOST_PARTS)):
            at = f"{conversation.calls_at}[{n}]"
            call = as_object(value, at)
            if call.get("type", "function") != "function":
                unsupported(f"{at}.type", "only function calls are supported")
            call_id = as_name(call.get("id"), f"{at}.id")
            blocks.append(conversation.open_call(call_id, call.get("function"), f"{at}.function"))
    elif message.get("function_call") is not None:
        conversation.calls_at = at = f"{where}.function_call"
        blocks.append(conversation.open_call(_id_of(where), message["function_call"], at))
    return blocks


def _id_of(where: str) -> str:
    """An id for a call of the form that has none: the same in every turn of the conversation."""
    return f"call_{where.removeprefix('messages[').removesuffix(']')}"


def _tool(conversation: ChatConversation, message: Message, where: str) -> None:
    call_id = as_name(message.get("tool_call_id"), f"{where}.tool_call_id")
    if call_id not in conversation.open_calls:
        refuse(
            f"{where}.tool_call_id",
            f"{call_id[:64]!r} answers no open tool call of the assistant message before it",
        )
    _result(conversation, call_id, message, where)


def _function(conversation: ChatConversation, message: Message, where: str) -> None:
    """The answer to a `function_call`, of which a message has one."""
    name = as_name(message.get("name"), f"{where}.name")
    call_id, waiting = next(iter(conversation.open_calls.items()), ("", ()))
    if [call.name for call in waiting] != [name]:
        refuse(f"{where}.name", f"{name[:64]!r} was not called by the message before it")
    _result(conversation, call_id, message, where)


def _result(conversation: ChatConversation, call_id: str, message: Message, where: str) -> None:
    """A result block in the user turn that follows the calls."""
    content: str | list[Block] = ""
    if message.get("content") is not None or message["role"] == "tool":
        content = _content(conversation, message, where, USER_PARTS)
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": conversation.close_call(call_id)}
    if content.strip() if isinstance(content, str) else content:
        block["content"] = content
    mark = cache_mark(message, where)
    if mark is not None:
        block["cache_control"] = mark
    conversation.add("user", [block])


_READERS: Mapping[str, Callable[[ChatConversation, Message, str], None]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
    "function": _function,
}
# Those who may say a text and nothing else.
_HEARERS: Mapping[str, Callable[[ChatConversation, str], None]] = {
    "system": _hear_system,
    "developer": _hear_system,
    "user": ChatConversation.add_user,
    "assistant": ChatConversation.add_assistant,
}
