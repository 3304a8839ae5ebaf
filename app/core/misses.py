"""Why the prompt cache missed, and what that cost.  Pure: what was remembered x what was used."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from app.core.breakpoints import marks, positions
from app.core.money import PICO_PER_NANO, round_half_even
from app.core.remembered import TOOLS
from app.core.replay import WHOLE, lines_of
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.fingerprints import Fingerprint
    from app.core.remembered import Conversation, Recalled, Thread, Warm
    from app.core.replay import Line
    from app.core.request import Request
    from app.core.usage import Usage

LOOK_BACK_POSITIONS = 20  # of each breakpoint, itself included


class MissReason(StrEnum):
    """Every reason there is: one word for the ledger, the metric and the reports."""

    FIRST_SEEN = "first_seen"  # nothing of the prompt was cached before
    EXPIRED = "expired"  # it had been, for less time than has passed
    MODEL_CHANGED = "model_changed"  # or its upstream: each has a cache of its own
    TOOLS_CHANGED = "tools_changed"
    SYSTEM_CHANGED = "system_changed"
    MESSAGES_CHANGED = "messages_changed"  # an earlier turn, or what the vendor keeps with them
    BELOW_MINIMUM = "below_minimum"  # too short a prompt for the model's cache
    LOOK_BACK = "look_back"  # no mark looks as far back as where it was written
    UNKNOWN = "unknown"


VENDORS_WORDS = frozenset(
    {
        MissReason.MODEL_CHANGED,
        MissReason.TOOLS_CHANGED,
        MissReason.SYSTEM_CHANGED,
        MissReason.MESSAGES_CHANGED,
    }
)


@value
class Miss:
    """One call that read less than its conversation had in the cache, and what that cost more.

    `tokens` of its prompt's beginning could have been read; None where none is charged to the miss.
    """

    reason: MissReason
    nano_usd: int = 0
    tokens: int | None = None


_TOO_SHORT, _FIRST_SEEN = Miss(MissReason.BELOW_MINIMUM), Miss(MissReason.FIRST_SEEN)


@value
class Read:
    """What an answer tells of the cache.

    `model` answered, at `upstream`; it caches no prompt below `least_tokens`. `rates` are the
    figures that its row keeps, as JSON text. `date` is the vendor's own clock; `told` is what the
    vendor names as the reason.
    """

    model: str
    upstream: str
    usage: Usage
    rates: str
    least_tokens: int
    date: str | None = None
    told: str | None = None


def miss_of(known: Recalled, sent: Request, answer: Read) -> Miss | None:
    """Why less was read than the thread's last call had read and written; None for a hit.

    Nothing is lost, and nothing is charged to a miss, where nothing had been cached.
    """
    usage, last = answer.usage, known.last
    if last is None or not last.tokens:
        return first_miss(usage, answer.least_tokens)
    if usage.cache_read_tokens >= last.tokens:
        return None
    reason = _why(known, last, sent, answer)
    if reason is MissReason.BELOW_MINIMUM:
        return Miss(reason)
    line = answering(lines_of(json.loads(answer.rates), usage))
    return Miss(reason, missed_nano_usd(line, last.tokens), last.tokens)


def first_miss(usage: Usage, least_tokens: int) -> Miss | None:
    """Why nothing was read where nothing had been cached; None where something was read."""
    if usage.cache_read_tokens:
        return None
    return _TOO_SHORT if usage.prompt_tokens < least_tokens else _FIRST_SEEN


def nearest_thread(conversation: Conversation, now: Fingerprint) -> Thread | None:
    """Which thread is told of in the place of one that a call has not got: the last much like it.

    The last one with its tools and system prompt; else the last of all, if it has either of them.
    With both of them new the call is another agent's.
    """
    found = None
    for place, thread in enumerate(reversed(conversation.threads.values())):
        warm = thread.warm.get(thread.model)
        if warm is None:
            continue
        then = warm.fingerprint
        same_tools, same_system = then.tools == now.tools, then.system == now.system
        if same_tools and same_system:
            return thread
        if place == 0 and (same_tools or same_system):
            found = thread
    return found


def answering(lines: Sequence[Line]) -> Line:
    """The model call that wrote the answer."""
    return next(line for line in reversed(lines) if line.answers)


def missed_nano_usd(line: Line, tokens: int) -> int:
    """What the prompt's first `tokens` cost above the read rate, at what the call was charged.

    They are taken in the order read, written for an hour, written for five minutes, uncached.
    What had no price is charged at the dearest figures, and so is its miss.
    """
    usage, rates = line.usage, line.rates
    left, pico = max(tokens - usage.cache_read_tokens, 0), 0
    for paid, rate in (
        (usage.cache_write_1h_tokens, rates.cache_write_1h),
        (usage.cache_write_5m_tokens, rates.cache_write_5m),
        (usage.input_tokens, rates.input),
    ):
        taken = min(left, paid)
        left -= taken
        pico += taken * (rate - rates.cache_read)
    return round_half_even(pico * line.multiplier, WHOLE * PICO_PER_NANO)


def _why(known: Recalled, last: Warm, sent: Request, answer: Read) -> MissReason:
    """The first that explains it: the gateway's own evidence, then the vendor's."""
    thread, now, then = known.thread, known.fingerprint, last.fingerprint
    if thread is not None and (thread.model, last.upstream) != (answer.model, answer.upstream):
        return MissReason.MODEL_CHANGED
    age_s = max(known.now_s - last.at_s, _between_s(last.date, answer.date))
    if age_s >= last.ttl_s:
        return MissReason.EXPIRED
    if now.tools != then.tools:
        return MissReason.TOOLS_CHANGED
    turn, _ = last.end
    if turn > TOOLS and now.system != then.system:
        return MissReason.SYSTEM_CHANGED
    if turn >= 0 and not (now.settings == then.settings and now.begins_with(then, turn + 1)):
        return MissReason.MESSAGES_CHANGED
    if answer.usage.prompt_tokens < answer.least_tokens:
        return MissReason.BELOW_MINIMUM
    if answer.told in VENDORS_WORDS:
        return MissReason(answer.told)
    return MissReason.UNKNOWN if _is_in_reach(last, sent) else MissReason.LOOK_BACK


def _is_in_reach(last: Warm, sent: Request) -> bool:
    """Whether a mark of the request looks back as far as the last one of the call before."""
    end, *stand = positions(sent, [last.end, *marks(sent)])
    return any(0 <= mark - end < LOOK_BACK_POSITIONS for mark in stand)


def _between_s(then: str | None, now: str | None) -> float:
    """Seconds by the vendor's own clock, 0 where it did not tell."""
    if then is None or now is None:
        return 0.0
    try:
        return (parsedate_to_datetime(now) - parsedate_to_datetime(then)).total_seconds()
    except (OverflowError, TypeError, ValueError):
        return 0.0
