"""One chat request and its reply in the canonical shape: Anthropic's blocks in frozen shells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias

from app.core.values import value

if TYPE_CHECKING:
    from app.core.usage import Usage

Block: TypeAlias = Mapping[str, Any]
"""A content block, a system block or a tool as JSON has it; never written to."""

Message: TypeAlias = Mapping[str, Any]
"""`{"role", "content": str | list of blocks, ...}`; never written to."""

FirstWords: TypeAlias = tuple[str | Sequence[Block], ...]
"""What the user says before the assistant first answers: of each message a text, or its blocks."""

EMPTY: Mapping[str, Any] = {}

CONTINUE = (
    "Your last message is the beginning of your answer. Continue from exactly where it ends: "
    "no preface, and nothing of it again."
)
"""A wish: what an answer that the caller began becomes on models that take none."""


@value
class Request:
    """What a caller asks for.

    `options` holds every other top-level field of the Messages API as it is sent
    (`tool_choice`, `stop_sequences`, `temperature`, `thinking`, `output_config`, ...).
    `reasoning_effort` is OpenAI's word, turned into options once the model is known;
    `effort_param` is what the caller's dialect calls it.
    `wishes` are the gateway's own words to the model.  They are sent at the end of the last turn
    that is not the assistant's, behind every breakpoint: what stands before keeps its cache.
    `session_id` is what the caller's body names the conversation; Anthropic does not know it.
    Without a name `first_words` and `prompt_cache_key` tell which one it is.
    `original` is the caller's own body, sent byte for byte when nothing was changed:
    whoever changes anything else sets it to None.
    """

    model: str
    messages: tuple[Message, ...]
    system: tuple[Block, ...] = ()
    tools: tuple[Block, ...] = ()
    max_tokens: int | None = None
    stream: bool = False
    options: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    reasoning_effort: str | None = None
    effort_param: str = "reasoning_effort"
    cache: bool = True
    wishes: tuple[str, ...] = ()
    end_user: str | None = None
    session_id: str | None = None
    prompt_cache_key: str | None = None
    first_words: FirstWords = ()
    tags: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    original: bytes | None = None


def with_wishes(messages: Sequence[Message], wishes: Sequence[str]) -> list[Message]:
    """The messages as they are sent: the wishes stand at the end of the last one to the assistant.

    Where that is a text of its own, it becomes a block; its marks stay where they are. A wish to
    continue follows what is to be continued.
    """
    turns = list(messages)
    blocks: list[Block] = [{"type": "text", "text": wish} for wish in wishes]
    if CONTINUE in wishes:
        return [*turns, {"role": "user", "content": blocks}]
    for n in range(len(turns) - 1, -1, -1):
        if turns[n].get("role") != "assistant":
            turns[n] = {**turns[n], "content": [*as_blocks(turns[n].get("content")), *blocks]}
            return turns
    return [*turns, {"role": "user", "content": blocks}]


def as_blocks(content: object) -> list[Block]:
    """The content of a message as a list of blocks of its own."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content) if isinstance(content, (list, tuple)) else []


@value
class TokenCount:
    """The vendor's own count of a prompt. `body` and `headers` are its answer's, as in `Reply`."""

    tokens: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@value
class Reply:
    """A whole answer. `content` is the vendor's list of blocks; `body` the answer's own bytes.

    `headers` are the upstream's, names in lower case; `billed_nano_usd` is what it says that it
    bills; `cache_miss` is its word for why the cache missed, where it was asked.
    """

    message_id: str
    model: str
    content: tuple[Block, ...]
    stop_reason: str | None
    usage: Usage
    stop_sequence: str | None = None
    stop_details: Mapping[str, Any] | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    billed_nano_usd: int | None = None
    cache_miss: str | None = None
