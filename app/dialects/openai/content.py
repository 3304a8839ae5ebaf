"""Content as blocks, and the caller's marks on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.request import Block
from app.dialects.json_values import as_object, cache_mark, one_of

FIVE_MINUTES: Block = {"type": "ephemeral"}
ONE_HOUR: Block = {"type": "ephemeral", "ttl": "1h"}
LIFETIMES = ("30m", "12h")


def lifetime(messages: list[Any]) -> Block:
    """The mark that every `prompt_cache_breakpoint` of the conversation becomes.

    They promise a *least* lifetime, and lifetimes may only get shorter along the prompt: one
    for all of them, the longest, keeps both rules. `30m` is five minutes, renewed by each use.
    """
    for message in messages:
        parts = message.get("content") if isinstance(message, dict) else None
        if isinstance(parts, list) and any(_wants_long(part) for part in parts):
            return ONE_HOUR
    return FIVE_MINUTES


def _wants_long(part: object) -> bool:
    point = part.get("prompt_cache_breakpoint") if isinstance(part, dict) else None
    return isinstance(point, dict) and point.get("ttl") == "12h"


def as_blocks(content: str | list[Block]) -> list[Block]:
    """The content as a list of blocks; a blank string is none."""
    if not isinstance(content, str):
        return content
    return [{"type": "text", "text": content}] if content.strip() else []


def marked_block(
    block: dict[str, Any], part: Mapping[str, Any], where: str, breakpoint_mark: Block
) -> Block:
    """The block with the caller's mark; a native one wins over OpenAI's breakpoint."""
    own = cache_mark(part, where)
    if own is not None:
        return {**block, "cache_control": own}
    if part.get("prompt_cache_breakpoint") is None:
        return block
    field = f"{where}.prompt_cache_breakpoint"
    point = as_object(part["prompt_cache_breakpoint"], field)
    if point.get("ttl") is not None:
        one_of(point["ttl"], f"{field}.ttl", LIFETIMES)
    return {**block, "cache_control": breakpoint_mark}
