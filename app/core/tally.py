"""The walk over a request that adds up its sizes; what stands in it unknown is named."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from app.core.known_features import (
    BLOCKS,
    EDITS,
    FIELDS,
    TOOL_DEFINITION,
    TOOL_REFERENCES,
    known_tool,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.core.caching import Ttl
    from app.core.request import Block

MARK = "cache_control"
SEALED = 3  # fields of a thinking block: type, thinking and signature
FRAMED = 2  # fields of a plain message: role and content; of a plain text block: type and text
_WALKED = frozenset({"content", "tool_changes", "tool_references"})  # what holds blocks of its own
_OF_TEXTS = frozenset({"type", "text"})
_OF_IMAGES = frozenset({"type", "source"})
_OF_DOCUMENTS = frozenset({"type", "source", "title", "context"})
_OF_SOURCES = frozenset({"type", "media_type", "data", "content", "url", "file_id"})
_MARKED = f'"{MARK}":'
_MARKS = re.compile(rf'"{MARK}":(null|\{{[^{{}}]*\}}|)')
_SHORT = re.compile(r'^\{(?!.*"ttl":(?!"5m"|null))')
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
_OFTHOUGHTS = ("thinking", "signature", "data")
_SENTENCE_ENDS = ".!?\n。！？"  # noqa: RUF001 - as Chinese and Japanese end theirs
THOUGHTS = ("thinking", "redacted_thinking")


@dataclass(slots=True)
class Tally:
    """The running sums of one walk."""

    text_chars: int = 0
    text_bytes: int = 0
    json_bytes: int = 0
    blocks: int = 0
    documents: int = 0
    images: int = 0
    pdf_bytes: int = 0
    pdfs: int = 0
    marks: int = 0
    ttl: Ttl | None = None
    unsized: int = 0
    by_reference: int = 0
    defined: list[Block] = field(default_factory=list)
    references: list[object] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def add_json(value: object, tally: Tally) -> None:
    """Count `value` as compact UTF-8 JSON, or its compatibility form if that is longer."""
    text = _COMPACT.encode(value)
    tally.json_bytes += _bytes(text)
    if _MARKED in text and tally.ttl != "1h":
        tally.ttl = _ttl_of_marks(text) or tally.ttl


def _ttl_of_marks(text: str) -> Ttl | None:
    """The longest lifetime of the marks anywhere in a JSON text; an odd one may cost as much.

    Inside a string its quotes would be escaped, so that only the name of a field is found.
    """
    marks = [mark for mark in _MARKS.findall(text) if mark != "null"]
    if not marks:
        return None
    return "5m" if all(_SHORT.search(mark) for mark in marks) else "1h"


def _bytes(text: str) -> int:
    """UTF-8 bytes of the text or of its compatibility form: tokenizers read the latter."""
    if text.isascii():
        return len(text)
    written = len(text.encode("utf-8", "surrogatepass"))
    return max(written, len(normalize("NFKC", text).encode("utf-8", "surrogatepass")))


def add_text(text: object, tally: Tally) -> None:
    if isinstance(text, str):
        tally.text_chars += len(text)
        tally.text_bytes += len(text) if text.isascii() else _bytes(text)
    elif text is not None:
        add_json(text, tally)


def add_options(options: Mapping[str, Any], tally: Tally) -> None:
    """Fields beside the prompt: those that reach the model by their bytes, and the unknown ones."""
    for name, given in options.items():
        if given is None:
            continue
        bounded = FIELDS.get(name)
        if bounded is None:
            tally.unknown.append(name)
        elif bounded == "bytes":
            add_json(given, tally)
        elif name == MARK:
            tally.marks += 1
            tally.ttl = _ttl_of_marks(_COMPACT.encode({MARK: given})) if tally.ttl != "1h" else "1h"
        elif name == "context_management":
            tally.unknown += (
                f"{name}.{edit.get('type')}"
                for edit in given.get("edits") or ()
                if EDITS.get(str(edit.get("type"))) != "figure"
            )


def add_content(content: object, tally: Tally) -> None:
    if isinstance(content, str):
        add_text(content, tally)
    elif isinstance(content, (list, tuple)):
        add_blocks(content, tally)
    elif isinstance(content, dict):
        add_blocks((content,), tally)
    elif content is not None:
        add_json(content, tally)


def add_blocks(blocks: Iterable[object], tally: Tally) -> None:
    for block in blocks:
        if not isinstance(block, dict):
            add_json(block, tally)
            continue
        tally.blocks += 1
        if block.get(MARK) is not None:
            tally.marks += 1
        kind = block.get("type")
        if kind == "text":
            add_text(block.get("text"), tally)
            if len(block) > FRAMED:
                _rest(block, _OF_TEXTS, tally)
        elif kind == "image":
            _image(block, tally)
        elif kind == "document":
            _document(block, tally)
        elif kind in THOUGHTS:
            _thinking(block, tally)
        else:
            _structured(block, tally)


def _rest(block: Block, known: frozenset[str], tally: Tally) -> None:
    """Fields of a block that are none of `known`, by their bytes."""
    others = {name: given for name, given in block.items() if name not in known}
    if others:
        add_json(others, tally)


def _thinking(block: Block, tally: Tally) -> None:
    """Sealed thinking reaches the model whole, and its seal is no shorter."""
    for name in _OFTHOUGHTS:
        add_text(block.get(name), tally)
    if len(block) > SEALED:
        _rest(block, frozenset({"type", *_OFTHOUGHTS}), tally)


def _image(block: Block, tally: Tally) -> None:
    tally.images += 1
    _rest(block, _OF_IMAGES, tally)
    given = block.get("source")
    source: Mapping[str, Any] = given if isinstance(given, dict) else {}
    if source.get("type") != "base64":
        tally.by_reference += 1
    _rest(source, _OF_SOURCES, tally)


def _document(block: Block, tally: Tally) -> None:
    """A document cut into sentences to be cited counts like what has a structure."""
    tally.documents += 1
    _rest(block, _OF_DOCUMENTS, tally)
    before = tally.text_bytes
    for label in ("title", "context"):
        add_text(block.get(label), tally)
    _source(block.get("source"), tally)
    if block.get("citations"):
        _as_structured(before, tally)
        tally.blocks += _sentences(block.get("source"))


def _sentences(source: object) -> int:
    """Into how many pieces, at most, a text is cut to be cited."""
    text = source.get("data") if isinstance(source, dict) else None
    if not isinstance(text, str):
        return 0
    return sum(text.count(end) for end in _SENTENCE_ENDS)


def _source(given: object, tally: Tally) -> None:
    source: Mapping[str, Any] = given if isinstance(given, dict) else {}
    kind = source.get("type")
    if kind == "text":
        add_text(source.get("data"), tally)
    elif kind == "content":
        add_content(source.get("content"), tally)
    elif kind == "base64":
        tally.pdfs += 1
        tally.pdf_bytes += len(source.get("data") or "") * 3 // 4
    else:
        tally.unsized += 1
        tally.by_reference += 1
    _rest(source, _OF_SOURCES, tally)


def _structured(block: Block, tally: Tally) -> None:
    """A tool's call, its result, and every block that has a structure of its own."""
    kind = block.get("type")
    bounded = BLOCKS.get(kind) if isinstance(kind, str) else None
    if bounded is None:
        tally.unknown.append(f"content.{kind}")
    if bounded is None or bounded == "window":
        tally.unsized += 1
        tally.by_reference += 1
    if kind == "search_result":
        tally.documents += 1
    elif kind == "tool_addition":
        _defined_tool(block.get("tool"), tally)
    elif kind == "tool_reference":
        tally.references.append(block.get("tool_name"))
    before = tally.text_bytes
    for name in _WALKED & block.keys():
        add_content(block[name], tally)
    _as_structured(before, tally)
    _rest(block, _WALKED, tally)


def _as_structured(text_bytes: int, tally: Tally) -> None:
    """Count the text since there were `text_bytes` of it as part of a structure."""
    tally.json_bytes += tally.text_bytes - text_bytes
    tally.text_bytes = text_bytes


def _defined_tool(given: object, tally: Tally) -> None:
    """A tool that a message brings along stands for the same cost as one in `tools`."""
    tool: Mapping[str, Any] = given if isinstance(given, dict) else {}
    kind = tool.get("type")
    if kind == TOOL_DEFINITION and isinstance(tool.get("definition"), dict):
        tally.defined.append(tool["definition"])
        tally.marks += tool["definition"].get(MARK) is not None
    elif kind == "tool_reference":
        tally.references.append(tool.get("name"))
    elif str(kind) not in TOOL_REFERENCES:
        tally.unknown.append(f"content.tool_addition.{kind}")


def add_references(tools: Iterable[Block], tally: Tally) -> None:
    """A reference to a tool reaches the model as the tool itself, each time anew."""
    times = Counter(name for name in tally.references if isinstance(name, str))
    for tool in tools:
        uses = times[str(tool.get("name"))]
        if uses:
            before = tally.json_bytes
            add_json(tool, tally)
            size = tally.json_bytes - before + known_tool(tool.get("type")).tokens
            tally.json_bytes = before + uses * size
