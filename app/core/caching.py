"""Where prompt-cache breakpoints go.  Pure: request -> the request with marks, and the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.core.breakpoints import marks, positions
from app.core.marking import MARK, legal_ttl, marked
from app.core.measure import bytes_of
from app.core.outlook import bytes_per_token, outlook_of
from app.core.remembered import SYSTEM, TOOLS
from app.core.values import value
from app.core.worth import Lengths, best

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.core.measure import Measure
    from app.core.models import Model
    from app.core.outlook import Outlook
    from app.core.pricing import Prices
    from app.core.remembered import Recalled
    from app.core.request import Request

MOST_BREAKPOINTS = 4
LOOK_BACK = 20  # blocks, the marked one included
FEWEST_BYTES_PER_TOKEN = 1.5
IMAGE_BYTES = 400  # the least that a picture counts as

Place = Literal["tools", "system", "messages"]
Ttl = Literal["5m", "1h"]


@dataclass(frozen=True, slots=True)
class CacheRules:
    """`mode` off adds nothing; `ttl` auto means as long as pays for what is to be expected."""

    mode: Literal["auto", "off"] = "auto"
    ttl: Literal["auto", "5m", "1h"] = "auto"


@value
class CachePlan:
    """What was placed, what the caller had placed, and the longest lifetime among them all.

    `placed` and `lifetimes` go together, in the order of the prompt. `expected_reads` are of tools
    and system prompt, and of the turns. `prompt_bytes` is the size that the prompt's tokens were
    guessed from; 0: nobody asked.
    """

    placed: tuple[Place, ...] = ()
    callers: int = 0
    ttl: Ttl | None = None
    why: str = ""
    prompt_bytes: int = 0
    lifetimes: tuple[Ttl, ...] = ()
    expected_reads: tuple[float, float] | None = None


@value
class _Mark:
    """One that is wanted: at the end of a message, TOOLS or SYSTEM, or on a block of it."""

    turn: int
    ttl: Ttl
    block: int | None = None


def plan(  # noqa: PLR0913, PLR0917 - what a plan is made from
    request: Request,
    size: Measure,
    model: Model,
    prices: Prices,
    rules: CacheRules,
    known: Recalled | None = None,
) -> tuple[Request, CachePlan]:
    """Mark what is worth it, with at most four marks together with the caller's.

    The caller's marks are never changed. A place is left out when the prefix it would close
    is shorter than the model's minimum, when it already ends in a mark, when none of its blocks
    can carry one, or when what it would write is not expected to be read often enough.
    """
    whole = _whole_bytes(size)
    least = model.limits.min_cacheable_tokens
    why = _why_not(request, size, rules)
    if not why and (
        whole < least * FEWEST_BYTES_PER_TOKEN or whole < least * bytes_per_token(known, model.id)
    ):
        why = "below_minimum"
    if why:
        return request, CachePlan((), size.marks, size.ttl, why, whole)
    outlook = outlook_of(request, known, model.id)
    lengths = _lengths(request, size, outlook, least)
    reads = (round(outlook.beginning.times, 2), round(outlook.turns.times, 2))
    if outlook.given_up:
        return request, CachePlan((), size.marks, size.ttl, "given_up", whole, (), reads)
    rates = prices.step(int(whole / outlook.bytes_per_token)).rates
    asked = _only(request, size, rules)
    first, last = best(lengths, outlook, rates, asked)
    if first is None and outlook.warm_beginning and lengths.beginning:
        first = last or asked or "5m"
    done, placed = request, dict[tuple[int, int], Ttl]()
    for mark in _wanted(request, outlook, size, first, last, least):
        if len(placed) + size.marks >= MOST_BREAKPOINTS:
            break
        ttl = legal_ttl(done, mark.turn, mark.ttl) if size.ttl else mark.ttl
        changed = marked(done, mark.turn, ttl, mark.block)
        if changed is not None:
            done, placed[mark.turn, -1 if mark.block is None else -2] = changed, ttl
    if not placed:
        why = "nothing_to_mark" if first or last else "not_expected"
        return request, CachePlan((), size.marks, size.ttl, why, whole, (), reads)
    return done, _made(size, placed, whole, reads)


def _made(
    size: Measure,
    placed: dict[tuple[int, int], Ttl],
    whole: int,
    reads: tuple[float, float],
) -> CachePlan:
    order = sorted(placed)
    lifetimes = tuple(placed[spot] for spot in order)
    longest: Ttl = "1h" if "1h" in lifetimes or size.ttl == "1h" else "5m"
    places = tuple(_place(turn) for turn, _ in order)
    return CachePlan(places, size.marks, longest, "auto", whole, lifetimes, reads)


def _place(turn: int) -> Place:
    return "tools" if turn == TOOLS else "system" if turn == SYSTEM else "messages"


def _why_not(request: Request, size: Measure, rules: CacheRules) -> str:
    """Why nothing may be marked, or an empty text."""
    if rules.mode == "off" or not request.cache:
        return "off"
    if request.options.get(MARK) is not None:
        return "automatic"
    return "callers_marks" if size.marks >= MOST_BREAKPOINTS else ""


def _only(request: Request, size: Measure, rules: CacheRules) -> Ttl | None:
    """The lifetime that the caller's marks around tools and system prompt demand, or the rules."""
    if size.ttl:
        legal = legal_ttl(request, SYSTEM, "5m"), legal_ttl(request, SYSTEM, "1h")
        if legal[0] == legal[1]:
            return legal[0]
    return None if rules.ttl == "auto" else rules.ttl


def _whole_bytes(size: Measure) -> int:
    """Pictures by the least they count as."""
    return size.text_bytes + size.json_bytes + size.images * IMAGE_BYTES + size.pdf_bytes


def _lengths(request: Request, size: Measure, outlook: Outlook, least: int) -> Lengths:
    """In tokens; what is too short to be written by itself counts as part of what follows."""
    per_token = outlook.bytes_per_token
    kept = _whole_bytes(size)
    if outlook.behind:
        kept -= bytes_of(request.messages[-outlook.behind :])
    beginning, whole = int(size.system_prefix_bytes / per_token), int(kept / per_token)
    if beginning < least:
        beginning = 0
    turns = whole - beginning if whole >= least and outlook.behind < size.messages else 0
    return Lengths(beginning, turns, 2 * turns // (size.messages + 1))


def _wanted(  # noqa: PLR0913, PLR0917 - what decides over the places
    request: Request,
    outlook: Outlook,
    size: Measure,
    first: Ttl | None,
    last: Ttl | None,
    least: int,
) -> Iterator[_Mark]:
    """The marks that are worth a slot, the most useful one first."""
    tail = size.messages - 1 - outlook.behind
    reader = _reader(request, outlook, tail if last else None, size)
    if reader is not None:
        turn, block = reader
        yield _Mark(turn, last or first or "5m", block)
    if last is not None:
        yield _Mark(tail, last)
    if first is None:
        return
    least_bytes = least * outlook.bytes_per_token
    if size.system_prefix_bytes >= least_bytes:
        if request.system:
            yield _Mark(SYSTEM, first)
        if size.tools_prefix_bytes >= least_bytes:
            yield _Mark(TOOLS, first)


def _reader(
    request: Request, outlook: Outlook, tail: int | None, size: Measure
) -> tuple[int, int | None] | None:
    """Where a mark must stand so that what the last call wrote is found.

    The vendor looks back over 20 blocks from each mark; a turn may have added more.
    """
    end = outlook.end
    if end is not None:
        if end[0] < 0:
            return None
        spot: tuple[int, int | None] = end
    elif tail is None or outlook.behind:
        return None
    else:
        turn = _last_asked(request)
        if turn is None:
            return None
        spot = (turn, None)
    ends = list(marks(request)) if size.marks else []
    if tail is not None:
        ends.append((tail, _blocks(request, tail) - 1))
    turn, block = spot
    start = (turn, _blocks(request, turn) - 1 if block is None else block)
    at, *others = positions(request, [start, *ends])
    near = any(0 <= other - at < LOOK_BACK for other in others)
    return None if near else spot


def _last_asked(request: Request) -> int | None:
    """The last message of the prompt before this one, if turns were added as they usually are."""
    messages = request.messages
    turn = len(messages) - 1
    while turn >= 0 and messages[turn].get("role") != "assistant":
        turn -= 1
    while turn >= 0 and messages[turn].get("role") == "assistant":
        turn -= 1
    return turn if turn >= 0 else None


def _blocks(request: Request, turn: int) -> int:
    content = request.messages[turn].get("content")
    return max(len(content), 1) if isinstance(content, (list, tuple)) else 1
