"""Where the breakpoints of a request stand, and for how long what they close is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.remembered import FIVE_MINUTES_S, HOUR_S, SYSTEM, TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.core.caching import Ttl
    from app.core.remembered import Spot
    from app.core.request import Block, Request
    from app.core.usage import Usage

MARK = "cache_control"
NOWHERE: Spot = (TOOLS, -1)


def outermost_mark(request: Request) -> Spot:
    """Where the last breakpoint stands; NOWHERE without one."""
    return next(_from_behind(request), (NOWHERE, None))[0]


def marks(request: Request) -> list[Spot]:
    """Where breakpoints stand, the last one first."""
    return [spot for spot, _ in _from_behind(request)]


def lifetimes(
    request: Request, longest: Ttl | None, usage: Usage, known_hour_tokens: int
) -> tuple[int, int]:
    """For how many seconds the end of what was read or written is kept, and how much for an hour.

    `longest` is the plan's; `known_hour_tokens` were kept for an hour before this call.
    """
    if longest != "1h":
        return FIVE_MINUTES_S, 0
    read, whole = usage.cache_read_tokens, usage.cache_read_tokens + usage.cache_write_tokens
    if all(ttl == "1h" for _, ttl in _from_behind(request)):
        return HOUR_S, whole
    written = usage.cache_write_1h_tokens
    return FIVE_MINUTES_S, read + written if written else min(known_hour_tokens, read)


def positions(request: Request, spots: Sequence[Spot]) -> list[int]:
    """The places of the spots in the whole prompt, as the vendor's look-back counts them."""
    before = [len(request.tools), len(request.system)]
    before += [_blocks(message.get("content")) for message in request.messages]
    starts = [0]
    for count in before:
        starts.append(starts[-1] + count)
    return [starts[min(turn - TOOLS, len(starts) - 1)] + block for turn, block in spots]


def _blocks(content: object) -> int:
    return len(content) if isinstance(content, (list, tuple)) else 1


def _from_behind(request: Request) -> Iterator[tuple[Spot, object]]:
    automatic = request.options.get(MARK)
    messages = request.messages
    if automatic is not None and messages:
        last = _blocks(messages[-1].get("content")) - 1
        yield (len(messages) - 1, max(last, 0)), _ttl(automatic)
    for turn in range(len(messages) - 1, -1, -1):
        content = messages[turn].get("content")
        if isinstance(content, (list, tuple)):
            yield from _marked(turn, content)
    yield from _marked(SYSTEM, request.system)
    yield from _marked(TOOLS, request.tools)


def _marked(turn: int, blocks: Sequence[Block]) -> Iterator[tuple[Spot, object]]:
    for n in range(len(blocks) - 1, -1, -1):
        block = blocks[n]
        mark = _mark_of(block) if isinstance(block, dict) else None
        if mark is not None:
            yield (turn, n), _ttl(mark)


def _mark_of(block: Block) -> object:
    """The block's own breakpoint, or one of those inside it: the vendor counts both as its own."""
    own, inner = block.get(MARK), block.get("content")
    if own is not None or not isinstance(inner, list):
        return own
    found = (each.get(MARK) for each in inner if isinstance(each, dict))
    return next((mark for mark in found if mark is not None), None)


def _ttl(mark: object) -> Ttl:
    return "1h" if isinstance(mark, dict) and mark.get("ttl") == "1h" else "5m"
