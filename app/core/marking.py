"""Setting breakpoints: on which block, and for how long the vendor lets them stand there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.remembered import SYSTEM, TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.core.caching import Ttl
    from app.core.request import Block, Message, Request

CANNOT_CARRY = frozenset({"thinking", "redacted_thinking"})
MARK = "cache_control"
_ADVISORS_MARK = "caching"  # what the advisor tool calls the mark of its own prompts
_HOLDERS = ("content", "source", "tool", "definition", "tool_changes")  # of what may be marked


def marked_1h(request: Request) -> bool:
    """Whether any mark of the request, the gateway's own or an advisor's too, asks for an hour."""
    if any(_ttl(tool.get(_ADVISORS_MARK)) == "1h" for tool in request.tools):
        return True
    parts = (request.tools, request.system, request.messages, (_automatic(request),))
    return any("1h" in _ttls(part) for part in parts)


def legal_ttl(request: Request, turn: int, wanted: Ttl) -> Ttl:
    """A lifetime that keeps the vendor's order: along the prompt lifetimes may only get shorter.

    `turn` is the message's number, TOOLS or SYSTEM; the mark would stand at its end.
    """
    messages, at = request.messages, turn - TOOLS + 1
    parts: tuple[Sequence[Block], ...] = (request.tools, request.system)
    before = (*parts[:at], messages[: max(turn + 1, 0)])
    after = (*parts[at:], messages[max(turn + 1, 0) :], (_automatic(request),))
    if any("1h" in _ttls(part) for part in after):
        return "1h"
    return "5m" if any("5m" in _ttls(part) for part in before) else wanted


def marked(request: Request, turn: int, ttl: Ttl, block: int | None = None) -> Request | None:
    """The request with a breakpoint at the end of `turn`, or on that block of it.

    None where there is one already, or nothing that can carry one.
    """
    if turn == TOOLS:
        tools = _last_marked(request.tools, ttl)
        return None if tools is None else replace(request, tools=tools, original=None)
    if turn == SYSTEM:
        system = _last_marked(request.system, ttl)
        return None if system is None else replace(request, system=system, original=None)
    messages = request.messages
    if not 0 <= turn < len(messages):
        return None
    said = messages[turn]
    content = said.get("content")
    blocks: Sequence[Block]
    if isinstance(content, str):
        blocks = ({"type": "text", "text": content},)
    else:
        blocks = tuple(content or ())
    until = len(blocks) if block is None else min(block + 1, len(blocks))
    carrying = _last_marked(blocks[:until], ttl)
    if carrying is None:
        return None
    turned: Message = {**said, "content": [*carrying, *blocks[until:]]}
    return replace(
        request, messages=(*messages[:turn], turned, *messages[turn + 1 :]), original=None
    )


def _automatic(request: Request) -> Block:
    """The vendor's own placing of a mark, as a block that bears it."""
    mark = request.options.get(MARK)
    return {} if mark is None else {MARK: mark}


def _ttls(blocks: object) -> list[Ttl]:
    """The lifetimes of all marks in there, in order."""
    return [_ttl(mark) for mark in _marks(blocks)]


def _ttl(mark: object) -> Ttl:
    return "1h" if isinstance(mark, dict) and mark.get("ttl") == "1h" else "5m"


def _marks(blocks: object) -> Iterator[object]:
    """The marks of messages, tools or blocks and of what they hold, in the order of the prompt."""
    for block in blocks if isinstance(blocks, (list, tuple)) else (blocks,):
        if not isinstance(block, dict):
            continue
        if block.get("type") != "text":
            for name in _HOLDERS:
                if name in block:
                    yield from _marks(block[name])
        if block.get(MARK) is not None:
            yield block[MARK]


def _last_marked(blocks: Sequence[Block], ttl: Ttl) -> tuple[Block, ...] | None:
    """The blocks with the last one that can carry a mark marked; None if it is or none can."""
    for n in range(len(blocks) - 1, -1, -1):
        block = blocks[n]
        if block.get(MARK) is not None:
            return None
        if _can_carry(block):
            return (*blocks[:n], {**block, MARK: _mark_of(ttl)}, *blocks[n + 1 :])
    return None


def _mark_of(ttl: Ttl) -> Mapping[str, str]:
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": "1h"}


def _can_carry(block: Block) -> bool:
    if block.get("type") in CANNOT_CARRY or block.get("defer_loading"):
        return False
    return not (block.get("type") == "text" and not block.get("text"))
