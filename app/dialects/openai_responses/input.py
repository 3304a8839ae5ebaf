"""Input items -> system blocks and alternating turns."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.request import Block
from app.dialects.ceilings import MOST_MESSAGES, MOST_TOOLS
from app.dialects.json_values import (
    as_list,
    as_name,
    as_object,
    as_text,
    one_of,
    refuse,
    unsupported,
)
from app.dialects.openai.content import as_blocks
from app.dialects.openai.conversation import Conversation
from app.dialects.openai_responses.parts import (
    ASSISTANT_PARTS,
    SYSTEM_PARTS,
    USER_PARTS,
    read_parts,
)
from app.dialects.openai_responses.thinking import REASONING_ID, unsealed
from app.dialects.openai_responses.tools import Given, sent_name

Item = Mapping[str, Any]

ROLES = ("user", "assistant", "system", "developer")
OUTPUTS = ("function_call_output", "custom_tool_call_output")
# traces of tools that can't be called here
LEFT_OUT = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "computer_call",
        "computer_call_output",
        "configuration_update",
        "file_search_call",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
# without what they stand for, the conversation would be another one
REFUSED: Mapping[str, str] = {
    "item_reference": "items are not stored; send the item itself (the AI SDK does so with "
    "`store: false`)",
    "compaction": "a compacted conversation can't be read; send the conversation itself",
    "compaction_trigger": "conversations are not compacted",
}
# those that mean something, and those that say nothing to the model
KNOWN_FIELDS = frozenset(
    {
        "type",
        "role",
        "content",
        "call_id",
        "name",
        "arguments",
        "input",
        "output",
        "encrypted_content",
        "tools",
        "id",
        "status",
        "phase",
        "summary",
        "namespace",
        "caller",
        "async",
    }
)


@dataclass(slots=True)
class Transcript:
    """Input items as far as they have been read.

    `outputs` are those of the whole input by call id, each with its place; `taken` the places
    of those that answer a call which has been read. `results` answer the calls of the last
    turn; `thinking` waits for what it led to, with the `wishes` that
    the prompt before it held.
    """

    conversation: Conversation
    outputs: Mapping[str, deque[tuple[int, Item]]]
    taken: set[int] = field(default_factory=set)
    results: list[Block] = field(default_factory=list)
    thinking: list[Block] = field(default_factory=list)
    wishes: list[str] = field(default_factory=list)
    late_tools: list[Given] = field(default_factory=list)

    def add_assistant(self, content: str | list[Block]) -> None:
        """Append to the assistant's turn, after the thinking that led there."""
        if self.thinking and as_blocks(content):
            content = [*self.thinking, *as_blocks(content)]
            self.conversation.repeat_wishes(self.wishes)
            self.thinking, self.wishes = [], []
        self.conversation.add_assistant(content)

    def end_assistant(self) -> None:
        """Answer the calls of the assistant's turn, if that is the last one.

        Thinking that led to nothing is left out: a turn can't end with it.
        """
        self.thinking, self.wishes = [], []
        if self.results:
            self.conversation.add("user", self.results)
            self.results = []


def read_input(value: object, instructions: object) -> Transcript:
    """The whole conversation.  Raises BadRequest and UnsupportedParameter.

    An output may stand anywhere after its call: the vendor wants the results of a turn's calls
    all together right behind it.
    """
    given = [{"role": "user", "content": value}] if isinstance(value, str) else value
    if not isinstance(given, list):
        refuse("input", "expected a string or an array of items")
    given = as_list(given, "input", MOST_MESSAGES)
    items = [as_object(item, f"input[{n}]") for n, item in enumerate(given)]
    transcript = Transcript(Conversation(), _outputs(items))
    if instructions is not None:
        transcript.conversation.system += as_blocks(as_text(instructions, "instructions"))
    for n, item in enumerate(items):
        _read(transcript, item, n)
    transcript.end_assistant()
    transcript.conversation.complete("input")
    return transcript


def _outputs(items: list[dict[str, Any]]) -> Mapping[str, deque[tuple[int, Item]]]:
    outputs: defaultdict[str, deque[tuple[int, Item]]] = defaultdict(deque)
    for n, item in enumerate(items):
        if item.get("type") in OUTPUTS:
            outputs[as_name(item.get("call_id"), f"input[{n}].call_id")].append((n, item))
    return outputs


def _read(transcript: Transcript, item: Item, n: int) -> None:
    where = f"input[{n}]"
    dropped = transcript.conversation.unknown_fields
    kind = as_name(item.get("type", "message"), f"{where}.type")
    if kind in LEFT_OUT or _refers_to_reasoning(item):
        dropped.append(f"input.{kind}")
        return
    if kind in REFUSED:
        unsupported(where, REFUSED[kind])
    reader = _READERS.get(kind)
    if reader is None:
        refuse(f"{where}.type", f"must be one of {', '.join(_READERS)}, got {kind[:40]!r}")
    if not item.keys() <= KNOWN_FIELDS:
        dropped += [f"input.{name}" for name in sorted(item.keys() - KNOWN_FIELDS)]
    reader(transcript, item, n)


def _refers_to_reasoning(item: Item) -> bool:
    """Reasoning that was not handed out sealed is left out, sent or only referred to."""
    return item.get("type") == "item_reference" and str(item.get("id")).startswith(REASONING_ID)


def _message(transcript: Transcript, item: Item, n: int) -> None:
    where = f"input[{n}]"
    conversation = transcript.conversation
    role = one_of(item.get("role"), f"{where}.role", ROLES)
    kinds = {"user": USER_PARTS, "assistant": ASSISTANT_PARTS}.get(role, SYSTEM_PARTS)
    content = read_parts(item.get("content"), f"{where}.content", kinds, conversation.breakpoints)
    if role == "assistant":
        transcript.add_assistant(content)
        return
    transcript.end_assistant()
    if role != "user" and not conversation.turns:
        conversation.system += as_blocks(content)
        return
    if role == "user":
        conversation.add_user(content)
    else:
        conversation.add("system", content)


def _reasoning(transcript: Transcript, item: Item, _n: int) -> None:
    carried = unsealed(item.get("encrypted_content"))
    if carried is not None:
        block, wishes = carried
        transcript.thinking.append(block)
        transcript.wishes = wishes


def _function_call(transcript: Transcript, item: Item, n: int) -> None:
    where = f"input[{n}]"
    call_id = as_name(item.get("call_id"), f"{where}.call_id")
    if item.get("namespace") is not None:
        namespace = as_name(item["namespace"], f"{where}.namespace")
        item = {**item, "name": sent_name(namespace, as_name(item.get("name"), f"{where}.name"))}
    block = transcript.conversation.call(call_id, item, where)
    transcript.add_assistant([block])
    transcript.results.append(_result(transcript, call_id, block["id"], n))


def _custom_tool_call(transcript: Transcript, item: Item, n: int) -> None:
    """A call with plain text, from a conversation begun elsewhere: its `input` is the text."""
    text = as_text(item.get("input"), f"input[{n}].input")
    arguments = orjson.dumps({"input": text}).decode()
    _function_call(transcript, {**item, "arguments": arguments}, n)


def _result(transcript: Transcript, call_id: str, sent_id: str, call_at: int) -> Block:
    """The first output behind the call that no call before has taken."""
    n, item = _take_output(transcript, call_id, call_at)
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": sent_id}
    breakpoints = transcript.conversation.breakpoints
    content = read_parts(item.get("output"), f"input[{n}].output", USER_PARTS, breakpoints)
    if content.strip() if isinstance(content, str) else content:
        block["content"] = content
    return block


def _take_output(transcript: Transcript, call_id: str, call_at: int) -> tuple[int, Item]:
    waiting = transcript.outputs.get(call_id)
    while waiting:
        n, item = waiting.popleft()
        if n > call_at:
            transcript.taken.add(n)
            return n, item
    return refuse(
        f"input[{call_at}]", f"every call needs an output after it; none for {call_id[:64]!r}"
    )


def _output(transcript: Transcript, item: Item, n: int) -> None:
    if n not in transcript.taken:
        refuse(f"input[{n}].call_id", f"{item['call_id'][:64]!r} answers no open call before it")
    transcript.end_assistant()


def _additional_tools(transcript: Transcript, item: Item, n: int) -> None:
    where = f"input[{n}].tools"
    tools = as_list(item.get("tools"), where, MOST_TOOLS)
    transcript.late_tools += [(f"{where}[{m}]", tool) for m, tool in enumerate(tools)]


_READERS: Mapping[str, Callable[[Transcript, Item, int], None]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _output,
    "reasoning": _reasoning,
    "custom_tool_call": _custom_tool_call,
    "custom_tool_call_output": _output,
    "additional_tools": _additional_tools,
}
