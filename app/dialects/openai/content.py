"""Content as blocks, and the caller's marks on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.request import Block
from app.dialects.json_values import as_object, cache_mark, one_of

FIVE_MINUTES: Block = {"type": "ephemeral"}
ONE_HOUR: Block = {"type": "ephemeral", "ttl": "1h"}
LONG = "12h"
LIFETIMES = ("30m", LONG)
SHORTENED = "prompt_cache_breakpoint.ttl"
"""How a lifetime that had to be shorter is reported."""


@dataclass(slots=True)
class Breakpoints:
    """The marks that `prompt_cache_breakpoint`s become, in the order of the conversation.

    `12h` is an hour, `30m` five minutes, both renewed by each use. Lifetimes may only get shorter
    along the prompt, and what a later turn asks for changes no mark before it: so behind a mark of
    five minutes all are of five, and `shortened` says that one was meant to be longer.
    """

    short: bool = False
    shortened: bool = False

    def mark(self, ttl: object) -> Block:
        """The mark of the next one."""
        if ttl == LONG and not self.short:
            return ONE_HOUR
        self.shortened = self.shortened or ttl == LONG
        self.short = True
        return FIVE_MINUTES

    def passed(self, own: Mapping[str, Any]) -> None:
        """A mark of the caller's own stands here."""
        self.short = self.short or own.get("ttl") != ONE_HOUR["ttl"]


def as_blocks(content: str | list[Block]) -> list[Block]:
    """The content as a list of blocks; a blank string is none."""
    if not isinstance(content, str):
        return content
    return [{"type": "text", "text": content}] if content.strip() else []


def marked_block(
    block: dict[str, Any], part: Mapping[str, Any], where: str, breakpoints: Breakpoints
) -> Block:
    """The block with the caller's mark; a native one wins over OpenAI's breakpoint."""
    own = cache_mark(part, where)
    if own is not None:
        breakpoints.passed(own)
        return {**block, "cache_control": own}
    if part.get("prompt_cache_breakpoint") is None:
        return block
    field = f"{where}.prompt_cache_breakpoint"
    point = as_object(part["prompt_cache_breakpoint"], field)
    if point.get("ttl") is not None:
        one_of(point["ttl"], f"{field}.ttl", LIFETIMES)
    return {**block, "cache_control": breakpoints.mark(point.get("ttl"))}
