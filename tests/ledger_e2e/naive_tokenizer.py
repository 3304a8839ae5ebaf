"""The dearest tokenizer there could be: a token for each byte, and the frames that a prompt needs.

It knows nothing of the gateway: whatever stands in a body's tools, system prompt and messages is
read, in the compatibility form that real tokenizers read, and the names of fields too, but for
those of plain text.
"""

from __future__ import annotations

from typing import Any
from unicodedata import normalize

TOKENS_PER_MESSAGE = 12
TOKENS_PER_BLOCK = 6
TOKENS_PER_DOCUMENT = 20
TOKENS_PER_IMAGE = 1_600
TOOL_USE_TOKENS = 346
TEXTS = ("text", "thinking", "signature", "title", "context")
WALKED = ("type", "content", "source")
# By the vendor's pages; for a toolset what its members would take one by one.
BUILT_IN = {
    "bash_20250124": 245,
    "text_editor_20250728": 700,
    "computer_20251124": 735 + 499,
    "computer_toolset_20260801": 17 * 500,
    "browser_toolset_20260801": 31 * 500,
    "memory_20250818": 1_000,
}


def tokens(body: dict[str, Any]) -> int:
    """Tokens of the whole prompt."""
    tools = body.get("tools") or []
    found = sum(_strings(tool) + BUILT_IN.get(tool.get("type", ""), 0) for tool in tools)
    found += TOOL_USE_TOKENS if tools else 0
    system = body.get("system") or []
    found += _strings(system) if isinstance(system, str) else sum(map(_block, system))
    for message in body["messages"]:
        found += TOKENS_PER_MESSAGE + _content(message["content"])
        found += _strings({k: v for k, v in message.items() if k not in ("role", "content")})
    return found


def _content(content: Any) -> int:
    if isinstance(content, list):
        return sum(map(_block, content))
    return _strings(content)


def _block(block: dict[str, Any]) -> int:
    kind = block["type"]
    if kind == "image":
        return TOKENS_PER_BLOCK + TOKENS_PER_IMAGE
    framed = TOKENS_PER_BLOCK
    if kind in ("document", "search_result"):
        framed += TOKENS_PER_DOCUMENT
    plain = [block.get(name) for name in TEXTS]
    shown = {k: v for k, v in block.items() if k not in (*TEXTS, *WALKED)}
    inner = _content(block.get("content"))
    source = block.get("source")
    if isinstance(source, dict):
        inner += _content(source.get("content")) + _strings(source.get("data"))
    else:
        inner += _strings(source)
    return framed + _strings(plain) + inner + _strings(shown)


def _strings(value: Any) -> int:
    """Bytes of every string in `value`, names and plain numbers included."""
    if isinstance(value, dict):
        return sum(_strings(name) + _strings(given) for name, given in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(_strings, value))
    if value is None:
        return 0
    return len(normalize("NFKC", str(value)).encode())
