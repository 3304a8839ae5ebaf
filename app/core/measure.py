"""How big a request is: one walk over it, whose result routing, caching and bounds share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.core.request import as_blocks
from app.core.tally import (
    FRAMED,
    MARK,
    THOUGHTS,
    Tally,
    add_blocks,
    add_content,
    add_json,
    add_options,
    add_references,
    add_text,
)
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.core.caching import Ttl
    from app.core.request import Block, Message, Request

_LIST_ENTRY = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)


@value
class Measure:
    """Sizes of one request.

    `text_bytes` are UTF-8 bytes of all text; `json_bytes` those of whatever has a structure, as
    compact JSON: tools, schemas, tool calls and their results, citations. Both are of the text as
    it is or in its compatibility form (NFKC), whichever is longer. `documents` counts search
    results too. `unsized` are blocks whose tokens the body doesn't bound (a document or upload by
    URL or file id, an unknown block); `by_reference` are those and pictures by URL or file id:
    another call may read something else there. `defined` are tools that messages bring along,
    `unknown` names what the gateway doesn't know; `marks` are the caller's own breakpoints and
    `ttl` is the longest of theirs, wherever they stand.
    The `*_prefix_bytes` are what stands before and inside tools, and before and inside system.
    """

    text_chars: int
    text_bytes: int
    json_bytes: int
    blocks: int
    documents: int
    images: int
    pdfs: int
    pdf_bytes: int
    unsized: int
    by_reference: int
    marks: int
    messages: int
    tools: int
    tools_prefix_bytes: int
    system_prefix_bytes: int
    ttl: Ttl | None = None
    defined: tuple[Block, ...] = ()
    unknown: tuple[str, ...] = ()


def measure(request: Request) -> Measure:
    """One pass over tools, system and messages, in the cache's order."""
    tally = Tally()
    for tool in request.tools:
        add_json(tool, tally)
        tally.marks += tool.get(MARK) is not None
    tools_prefix = tally.json_bytes
    add_blocks(request.system, tally)
    system_prefix = tally.json_bytes + tally.text_bytes
    for message in request.messages:
        add_content(message.get("content"), tally)
        if len(message) > FRAMED:
            add_json({k: v for k, v in message.items() if k != "content"}, tally)
    if request.options:
        add_options(request.options, tally)
    for wish in request.wishes:
        tally.blocks += 1
        add_text(wish, tally)
    if tally.references:
        add_references((*request.tools, *tally.defined), tally)
    return Measure(
        tally.text_chars,
        tally.text_bytes,
        tally.json_bytes,
        tally.blocks,
        tally.documents,
        tally.images,
        tally.pdfs,
        tally.pdf_bytes,
        tally.unsized,
        tally.by_reference,
        tally.marks,
        len(request.messages),
        len(request.tools) + len(tally.defined),
        tools_prefix,
        system_prefix,
        tally.ttl,
        tuple(tally.defined),
        tuple(tally.unknown),
    )


def bytes_of(messages: Sequence[Message]) -> int:
    """The bytes that messages add to a prompt, near enough to guess tokens from."""
    tally = Tally()
    for message in messages:
        add_content(message.get("content"), tally)
    return tally.text_bytes + tally.json_bytes


def last_user_text(messages: tuple[Message, ...]) -> str:
    """All text of the last user turn, or an empty string."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            return "\n".join(_texts(content or ()))
    return ""


def has_thinking(request: Request) -> bool:
    """Whether the history holds thinking, which other models don't take."""
    return any(
        block.get("type") in THOUGHTS
        for message in request.messages
        for block in as_blocks(message.get("content"))
    )


def has_late_system(request: Request) -> bool:
    """Whether a system message stands among the turns."""
    return "system" in [message.get("role") for message in request.messages]


def ends_with_answer(request: Request) -> bool:
    """Whether the last turn is the assistant's: an answer that the caller began."""
    return bool(request.messages) and request.messages[-1].get("role") == "assistant"


def list_entries(messages: tuple[Message, ...]) -> int:
    """Lines of the last user turn that begin like an entry of a list."""
    return _entries(last_user_text(messages))


def has_list_of(messages: tuple[Message, ...], entries: int) -> bool:
    """Whether so many lines of the last user turn begin like an entry of a list."""
    text = last_user_text(messages)
    return text.count("\n") + 1 >= entries and _entries(text) >= entries


def _entries(text: str) -> int:
    return len(_LIST_ENTRY.findall(text))


def _texts(blocks: Iterable[Block]) -> Iterable[str]:
    return (b["text"] for b in blocks if b.get("type") == "text" and isinstance(b["text"], str))
