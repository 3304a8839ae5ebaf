"""Where prompt-cache breakpoints go.  Pure: request -> the request with marks, and the plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.core.measure import Measure
    from app.core.models import Model
    from app.core.request import Block, Message, Request

MOST_BREAKPOINTS = 4
BYTES_PER_TOKEN = 4  # English text; only decides where a mark is worth placing
CANNOT_CARRY = frozenset({"thinking", "redacted_thinking"})
_MARK = "cache_control"
_ADVISORS_MARK = "caching"  # what the advisor tool calls the mark of its own prompts
_HOLDERS = ("content", "source", "tool", "definition", "tool_changes")  # of what may be marked

Place = Literal["tools", "system", "messages"]
PLACES: tuple[Place, ...] = get_args(Place)
Ttl = Literal["5m", "1h"]
NO_MARKS: tuple[Sequence[Ttl], ...] = ((), (), ())


@dataclass(frozen=True, slots=True)
class CacheRules:
    """`mode` off adds nothing; `ttl` auto means five minutes unless the caller's marks say more."""

    mode: Literal["auto", "off"] = "auto"
    ttl: Literal["auto", "5m", "1h"] = "auto"


@value
class CachePlan:
    """What was placed, what the caller had placed, and the longest lifetime among them all.

    `prompt_bytes` is the size that the prompt's tokens were guessed from; 0: nobody asked.
    """

    placed: tuple[Place, ...] = ()
    callers: int = 0
    ttl: Ttl | None = None
    why: str = ""
    prompt_bytes: int = 0


def plan(
    request: Request, size: Measure, model: Model, rules: CacheRules
) -> tuple[Request, CachePlan]:
    """Mark the end of tools, system and the last turn, at most four marks with the caller's.

    The caller's marks are never changed. A place is left out when the prefix it would close
    is shorter than the model's minimum, when it already ends in a mark, or when none of its
    blocks can carry one. Later places win when the slots do not suffice.
    """
    callers = _ttls_by_place(request) if size.marks else NO_MARKS
    slots = MOST_BREAKPOINTS - size.marks
    least = model.limits.min_cacheable_tokens * BYTES_PER_TOKEN
    wanted = [n for n, length in enumerate(_prefix_bytes(size)) if length >= least]
    why = _why_not(request, rules, slots, wanted)
    if why:
        return request, CachePlan((), size.marks, size.ttl, why)
    marked, placed = request, dict[Place, Ttl]()
    for n in reversed(wanted):
        ttl = _legal_ttl(n, callers, rules)
        changed = _mark(marked, PLACES[n], ttl)
        if changed is not None and len(placed) < slots:
            marked = changed
            placed[PLACES[n]] = ttl
    if not placed:
        return request, CachePlan((), size.marks, size.ttl, "nothing_to_mark")
    lifetimes = [*placed.values(), *([size.ttl] if size.ttl else ())]
    longest: Ttl = "1h" if "1h" in lifetimes else "5m"
    return marked, CachePlan(tuple(reversed(placed)), size.marks, longest, "auto")


def _why_not(request: Request, rules: CacheRules, slots: int, wanted: Sequence[int]) -> str:
    """Why nothing is marked, or an empty text."""
    if rules.mode == "off" or not request.cache:
        return "off"
    if request.options.get(_MARK) is not None:
        return "automatic"
    if slots <= 0:
        return "callers_marks"
    return "" if wanted else "below_minimum"


def marked_1h(request: Request) -> bool:
    """Whether any mark of the request, the gateway's own or an advisor's too, asks for an hour."""
    if any(_ttl(tool.get(_ADVISORS_MARK)) == "1h" for tool in request.tools):
        return True
    return any("1h" in ttls for ttls in _ttls_by_place(request))


def _prefix_bytes(size: Measure) -> tuple[int, int, int]:
    """Bytes up to the end of each of PLACES; pictures by the least they count as."""
    whole = size.text_bytes + size.json_bytes + size.images * 400 + size.pdf_bytes
    return size.tools_prefix_bytes, size.system_prefix_bytes, whole


def _legal_ttl(place: int, callers: tuple[Sequence[Ttl], ...], rules: CacheRules) -> Ttl:
    """A lifetime that keeps the vendor's order: along the prompt lifetimes may only get shorter."""
    if any("1h" in later for later in callers[place + 1 :]):
        return "1h"
    before = [ttl for ttls in callers[: place + 1] for ttl in ttls]
    if before:
        return before[-1]
    return "1h" if rules.ttl == "1h" else "5m"


def _ttls_by_place(request: Request) -> tuple[list[Ttl], list[Ttl], list[Ttl]]:
    """The caller's own lifetimes in tools, system and messages, in order."""
    places = (_marks(request.tools), _marks(request.system), _marks(request.messages))
    tools, system, messages = ([_ttl(mark) for mark in marks] for marks in places)
    if request.options.get(_MARK) is not None:
        messages.append(_ttl(request.options[_MARK]))
    return tools, system, messages


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
        if block.get(_MARK) is not None:
            yield block[_MARK]


def _mark(request: Request, place: Place, ttl: Ttl) -> Request | None:
    """The request with `place` marked, or None when that place is absent, marked or unfit."""
    if place == "tools":
        tools = _last_marked(request.tools, ttl)
        return None if tools is None else replace(request, tools=tools, original=None)
    if place == "system":
        system = _last_marked(request.system, ttl)
        return None if system is None else replace(request, system=system, original=None)
    return _mark_last_turn(request, ttl)


def _mark_last_turn(request: Request, ttl: Ttl) -> Request | None:
    if not request.messages:
        return None
    *before, last = request.messages
    content = last.get("content")
    blocks: Sequence[Block]
    if isinstance(content, str):
        blocks = ({"type": "text", "text": content},)
    else:
        blocks = tuple(content or ())
    marked = _last_marked(blocks, ttl)
    if marked is None:
        return None
    turn: Message = {**last, "content": list(marked)}
    return replace(request, messages=(*before, turn), original=None)


def _last_marked(blocks: Sequence[Block], ttl: Ttl) -> tuple[Block, ...] | None:
    """The blocks with the last one that can carry a mark marked; None if it is or none can."""
    for n in range(len(blocks) - 1, -1, -1):
        block = blocks[n]
        if block.get(_MARK) is not None:
            return None
        if _can_carry(block):
            return (*blocks[:n], {**block, _MARK: _mark_of(ttl)}, *blocks[n + 1 :])
    return None


def _mark_of(ttl: Ttl) -> Mapping[str, str]:
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": "1h"}


def _can_carry(block: Block) -> bool:
    if block.get("type") in CANNOT_CARRY or block.get("defer_loading"):
        return False
    return not (block.get("type") == "text" and not block.get("text"))
