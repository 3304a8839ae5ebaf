"""How big a request is: one walk over it, whose result routing, caching and bounds share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.core.request import Block, Message, Request

_LIST_ENTRY = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
_MARK = "cache_control"
FRAMED = 2  # fields of a plain message: role and content
FRAME_BYTES = 8  # what frames a tool's call or result, counted like its JSON


@dataclass(slots=True)
class _Tally:
    """The running sums of one walk."""

    text_chars: int = 0
    text_bytes: int = 0
    json_bytes: int = 0
    images: int = 0
    pdf_bytes: int = 0
    pdfs: int = 0
    marks: int = 0
    unsized: int = 0


@value
class Measure:
    """Sizes of one request.

    `text_bytes` are UTF-8 bytes of all text; `json_bytes` those of tools, schemas and tool
    inputs as compact JSON; `unsized` counts blocks whose tokens can't be bounded from the body
    (documents by URL or file id, unknown block types); `marks` the caller's own breakpoints.
    The three `*_prefix_bytes` are what stands before and inside tools, system and all messages.
    """

    text_chars: int
    text_bytes: int
    json_bytes: int
    images: int
    pdfs: int
    pdf_bytes: int
    unsized: int
    marks: int
    messages: int
    tools: int
    tools_prefix_bytes: int
    system_prefix_bytes: int


def measure(request: Request) -> Measure:
    """One pass over tools, system and messages, in the cache's order."""
    tally = _Tally()
    for tool in request.tools:
        tally.json_bytes += json_bytes(tool)
        tally.marks += _MARK in tool
    tools_prefix = tally.json_bytes
    _blocks(request.system, tally)
    system_prefix = tools_prefix + tally.text_bytes
    for message in request.messages:
        _content(message.get("content"), tally)
        if len(message) > FRAMED:
            tally.json_bytes += json_bytes({k: v for k, v in message.items() if k != "content"})
    config = request.options.get("output_config")
    if config:
        tally.json_bytes += json_bytes(config)
    if request.options.get(_MARK):
        tally.marks += 1
    return Measure(
        text_chars=tally.text_chars,
        text_bytes=tally.text_bytes,
        json_bytes=tally.json_bytes,
        images=tally.images,
        pdfs=tally.pdfs,
        pdf_bytes=tally.pdf_bytes,
        unsized=tally.unsized,
        marks=tally.marks,
        messages=len(request.messages),
        tools=len(request.tools),
        tools_prefix_bytes=tools_prefix,
        system_prefix_bytes=system_prefix,
    )


def json_bytes(value: object) -> int:
    """Bytes of `value` as compact UTF-8 JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def last_user_text(messages: tuple[Message, ...]) -> str:
    """All text of the last user turn, or an empty string."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            return "\n".join(_texts(content or ()))
    return ""


def has_late_system(request: Request) -> bool:
    """Whether a system message stands among the turns."""
    return "system" in [message.get("role") for message in request.messages]


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


def _text(text: str, tally: _Tally) -> None:
    tally.text_chars += len(text)
    tally.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _content(content: object, tally: _Tally) -> None:
    if isinstance(content, str):
        _text(content, tally)
    elif isinstance(content, (list, tuple)):
        _blocks(content, tally)


def _blocks(blocks: Iterable[Block], tally: _Tally) -> None:
    for block in blocks:
        if _MARK in block:
            tally.marks += 1
        kind = block.get("type")
        if kind == "text":
            _text(block["text"], tally)
        elif kind == "tool_result":
            tally.json_bytes += FRAME_BYTES + len(block.get("tool_use_id") or "")
            _content(block.get("content"), tally)
        elif kind == "tool_use":
            tally.json_bytes += FRAME_BYTES + len(block.get("id") or "")
            tally.json_bytes += json_bytes(block.get("input", {})) + len(block.get("name", ""))
        elif kind == "thinking":
            _text(block.get("thinking") or "", tally)
            _text(block.get("signature") or "", tally)
        elif kind == "image":
            tally.images += 1
        elif kind == "document":
            _document(block, tally)
        else:
            tally.unsized += 1


def _document(block: Mapping[str, Any], tally: _Tally) -> None:
    source = block.get("source") or {}
    kind = source.get("type")
    for label in ("title", "context"):
        _text(block.get(label) or "", tally)
    if kind == "text":
        _text(source.get("data") or "", tally)
    elif kind == "content":
        _content(source.get("content"), tally)
    elif kind == "base64":
        tally.pdfs += 1
        tally.pdf_bytes += len(source.get("data") or "") * 3 // 4
    else:
        tally.unsized += 1
