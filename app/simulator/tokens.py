"""The simulated tokenizer: about four bytes a token, and never more tokens than bytes."""

from __future__ import annotations

from typing import Final

import orjson

from app.simulator.facts import Model
from app.simulator.json_values import JsonObject, as_object, content_blocks
from app.simulator.media import image_tokens, pdf_tokens

MESSAGE_TOKENS: Final = 4
TOOLS_TOKENS: Final = 346
TOOL_TOKENS: Final = 8
SEARCH_RESULT_TOKENS: Final = 400  # what one web search adds to the prompt
FILE_TOKENS: Final = 2000


def text_tokens(text: str, model: Model) -> int:
    """A quarter of the UTF-8 bytes, rounded up; 30 % more with the newer tokenizer."""
    return byte_tokens(len(text.encode()), model)


def byte_tokens(size_bytes: int, model: Model) -> int:
    return -(-13 * size_bytes // 40) if model.dense_tokenizer else -(-size_bytes // 4)


def most_bytes(tokens: int, model: Model) -> int:
    """The longest text, in bytes, that counts as at most `tokens`."""
    return 40 * tokens // 13 if model.dense_tokenizer else 4 * tokens


def json_tokens(value: object, model: Model) -> int:
    return byte_tokens(len(orjson.dumps(value)), model)


def tool_tokens(tool: JsonObject, model: Model) -> int:
    return TOOL_TOKENS + json_tokens(tool, model)


def block_tokens(block: JsonObject, model: Model) -> int:
    """One content block, of a request or of an answer."""
    kind = str(block.get("type"))
    if kind == "text":
        return text_tokens(str(block.get("text", "")), model)
    if kind == "image":
        return image_tokens(block, model)
    if kind == "document":
        return _document_tokens(block, model)
    if kind == "tool_result":
        return sum(block_tokens(inner, model) for inner in content_blocks(block.get("content")))
    if kind == "thinking":
        return text_tokens(str(block.get("thinking", "")), model)
    if kind in {"tool_use", "server_tool_use"}:
        return text_tokens(str(block.get("name", "")), model) + json_tokens(
            block.get("input"), model
        )
    return json_tokens(block, model)


def _document_tokens(block: JsonObject, model: Model) -> int:
    source = as_object(block.get("source"))
    kind = source.get("type")
    if kind == "text":
        return text_tokens(str(source.get("data", "")), model)
    if kind == "content":
        return sum(block_tokens(inner, model) for inner in content_blocks(source.get("content")))
    if kind == "file":
        return FILE_TOKENS
    return pdf_tokens(block, model)
