"""What is to be expected of a prompt: whether it comes again, how soon, and what is still cached.

Chances are guesses, never amounts: they decide whether a breakpoint is worth its price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.beginnings import NEW
from app.core.remembered import FIVE_MINUTES_S, HOUR_S, SURELY_KEPT_S
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.remembered import Recalled, Shared, Spot, Thread, Warm
    from app.core.request import Request

BYTES_PER_TOKEN = 4.0  # English text, until the vendor's own counts say better
SURELY_KEPT_AN_HOUR_S = HOUR_S - (FIVE_MINUTES_S - SURELY_KEPT_S)
MOST_CERTAIN = 0.95  # nothing goes on for ever
WEIGHT = 2  # of a guess, in calls
TRIED_ENOUGH = 2  # writes that nothing read
TRIED_AGAIN = 16  # every so many calls
LOSING_FROM_WRITES = 6


@value
class Chance:
    """That what was sent comes again, and then within five minutes, and within an hour."""

    again: float
    soon: float
    within_hour: float

    @property
    def times(self) -> float:
        """How often it is expected to come again."""
        return self.again / (1 - self.again)


@value
class Outlook:
    """What decides over a call's breakpoints.

    `beginning` is of tools and system prompt, whoever sends them; `turns` of the messages, but for
    the last `behind` of them, which won't stand there next time. `warm_tokens` are in the model's
    cache, up to `end`; `warm_beginning`: at least tools and system prompt are. The first
    `hour_tokens` stay for an hour. `given_up`: what was written lately was not read, or cost more
    than it saved.
    """

    beginning: Chance
    turns: Chance
    behind: int = 0
    warm_tokens: int = 0
    warm_beginning: bool = False
    hour_tokens: int = 0
    end: Spot | None = None
    bytes_per_token: float = BYTES_PER_TOKEN
    given_up: bool = False


@value
class _Habit:
    """What is guessed of a kind of traffic that nothing is known of yet."""

    again: float
    soon: float
    within_hour: float


_ONE_SHOT = _Habit(0.1, 0.85, 0.97)
_AGENT = _Habit(0.7, 0.95, 0.99)
_TALK = _Habit(0.8, 0.85, 0.97)
_RUN = _Habit(0.8, 0.95, 0.99)  # of an agent, on its way
_INSTRUCTIONS = _Habit(0.5, 0.85, 0.97)  # tools and system prompts are made to be used again


def outlook_of(request: Request, known: Recalled | None, model: str) -> Outlook:
    """From the request's shape and from what memory knows of its like."""
    shape = _shape(request)
    if known is None:
        return Outlook(_guess(_INSTRUCTIONS), _guess(shape))
    shared, thread = known.shared.get(model), known.thread
    new = known.shared.get(NEW) if shared is None else None
    beginning = _beginning(shared, known.now_s) if new is None else _new(_INSTRUCTIONS, new)
    turns = _turns(shape, shared, thread, known)
    if new is not None and thread is None:
        turns = _new(shape, new)
    if turns.again > beginning.again:
        beginning = Chance(turns.again, max(beginning.soon, turns.soon), turns.within_hour)
    warm = None if thread is None else thread.warm.get(model)
    tokens = known.warm_tokens(model)
    behind = known.behind
    if behind is None:
        behind = 0 if shared is None else shared.behind
    return Outlook(
        beginning=beginning,
        turns=turns,
        behind=behind,
        warm_tokens=tokens,
        warm_beginning=_is_warm(shared, known.now_s) or _begins_warm(warm, known),
        hour_tokens=0 if warm is None or not tokens else warm.hour_tokens,
        end=warm.end if warm is not None and tokens else None,
        bytes_per_token=bytes_per_token(known, model),
        given_up=_given_up(shared, thread),
    )


def bytes_per_token(known: Recalled | None, model: str) -> float:
    """Of a prompt that begins so: as the vendor counted its like, or as English text has."""
    shared = None if known is None else known.shared.get(model)
    told = None if shared is None else shared.bytes_per_token
    return BYTES_PER_TOKEN if told is None else told


def _shape(request: Request) -> _Habit:
    """A history goes on, tools are called in turn; a question or a forced tool is asked once."""
    if any(message.get("role") == "assistant" for message in request.messages[:-1]):
        return _RUN if request.tools else _TALK
    if request.tools:
        choice = request.options.get("tool_choice")
        kind = choice.get("type") if isinstance(choice, dict) else "auto"
        if kind == "auto":
            return _AGENT
    return _ONE_SHOT


def _guess(habit: _Habit) -> Chance:
    return Chance(habit.again, habit.soon, habit.within_hour)


def _new(habit: _Habit, new: Shared) -> Chance:
    """Of a first call with tools and system prompt that the key did not have before.

    Where such have not come again it is expected less than is guessed at first, and never more.
    """
    again = _certain(habit.again, new.found, new.opened)
    return Chance(min(again, habit.again), habit.soon, habit.within_hour)


def _beginning(shared: Shared | None, now_s: float) -> Chance:
    habit = _INSTRUCTIONS
    if shared is None or not shared.calls:
        return _guess(habit)
    gaps_s = (*shared.gaps_s, max(now_s - shared.at_s, 0.0))
    return Chance(
        _certain(habit.again, shared.calls, shared.calls),
        _share_within(SURELY_KEPT_S, gaps_s, habit.soon),
        _share_within(SURELY_KEPT_AN_HOUR_S, gaps_s, habit.within_hour),
    )


def _turns(habit: _Habit, shared: Shared | None, thread: Thread | None, known: Recalled) -> Chance:
    again, soon, within_hour = habit.again, habit.soon, habit.within_hour
    if shared is not None and shared.calls:
        again = _certain(again, shared.calls - shared.opened, shared.calls)
        soon = _share_within(SURELY_KEPT_S, shared.turn_gaps_s, soon)
        within_hour = _share_within(SURELY_KEPT_AN_HOUR_S, shared.turn_gaps_s, within_hour)
    gap_s = known.gap_s
    if thread is not None and gap_s is not None:
        again = _certain(max(again, _TALK.again), thread.calls, thread.calls)
        gaps_s = (*thread.gaps_s, gap_s)
        soon = _share_within(SURELY_KEPT_S, gaps_s, soon)
        within_hour = _share_within(SURELY_KEPT_AN_HOUR_S, gaps_s, within_hour)
    return Chance(again, soon, within_hour)


def _certain(guess: float, happened: int, of: int) -> float:
    return min((WEIGHT * guess + happened) / (WEIGHT + of), MOST_CERTAIN)


def _share_within(limit_s: float, gaps_s: Iterable[float], guess: float) -> float:
    found = [gap_s < limit_s for gap_s in gaps_s]
    return (guess + sum(found)) / (1 + len(found))


def _is_warm(shared: Shared | None, now_s: float) -> bool:
    """Whether another call had tools and system prompt in the cache a moment ago."""
    tried = None if shared is None else shared.tried
    if shared is None or tried is None or now_s - shared.at_s >= SURELY_KEPT_S:
        return False
    return bool(tried.read_tokens or tried.written_tokens)


def _begins_warm(warm: Warm | None, known: Recalled) -> bool:
    if warm is None or not warm.tokens_at(known.now_s):
        return False
    then, now = warm.fingerprint, known.fingerprint
    return (then.tools, then.system) == (now.tools, now.system)


def _given_up(shared: Shared | None, thread: Thread | None) -> bool:
    """After two writes that nothing read, or a loss over many; tried again now and then."""
    if thread is not None:
        if thread.unread >= TRIED_ENOUGH:
            return thread.calls % TRIED_AGAIN != 0
        if thread.tried is not None and thread.tried.read_tokens:
            return False
    if shared is None:
        return False
    losing = shared.writes >= LOSING_FROM_WRITES and shared.saved_nano_usd < 0
    return (losing or shared.unread >= TRIED_ENOUGH) and shared.calls % TRIED_AGAIN != 0
