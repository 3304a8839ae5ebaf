"""How much of a prompt is worth writing to the cache, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.values import value

if TYPE_CHECKING:
    from app.core.caching import Ttl
    from app.core.outlook import Chance, Outlook
    from app.core.pricing import Rates

LEAST_NEW_TOKENS = 32  # a turn with fewer is written with the next one
_CHOICES: tuple[tuple[Ttl | None, Ttl | None], ...] = (
    # of tools and system prompt, and of the turns behind them, whose lifetime is never longer
    (None, None),
    ("5m", None),
    ("1h", None),
    ("5m", "5m"),
    ("1h", "5m"),
    ("1h", "1h"),
)


@value
class Lengths:
    """Tokens of a prompt: tools and system prompt, the turns that will stay, and a turn's usual."""

    beginning: int
    turns: int
    step: int


def best(
    lengths: Lengths, outlook: Outlook, rates: Rates, only: Ttl | None
) -> tuple[Ttl | None, Ttl | None]:
    """The lifetimes of the two parts, None where writing one is not worth it.

    The choice with the least cost to be expected, of this call and of those that are to come;
    `only` a lifetime that was asked for.
    """
    beginning_warm = lengths.beginning if outlook.warm_beginning else 0
    warm = max(min(outlook.warm_tokens - lengths.beginning, lengths.turns), 0)
    fresh = lengths.turns - warm
    longer = outlook.hour_tokens >= lengths.beginning  # a mark alone makes no entry live longer
    found, least = _CHOICES[0], float("inf")
    for choice in _CHOICES:
        first, last = choice
        if only is not None and any(ttl not in (None, only) for ttl in choice):
            continue
        if last is not None and fresh < LEAST_NEW_TOKENS:
            continue
        kept = "1h" if last == "1h" else first if longer or not beginning_warm else first and "5m"
        cost = _expected(lengths.beginning, beginning_warm, 0, kept, outlook.beginning, rates)
        cost += _expected(lengths.turns, warm, lengths.step, last, outlook.turns, rates)
        if cost < least:
            found, least = choice, cost
    return found


def _expected(  # noqa: PLR0913, PLR0917 - what the cost of a part depends on
    tokens: int, warm: int, step: int, ttl: Ttl | None, chance: Chance, rates: Rates
) -> float:
    """Of a part of the prompt, `warm` tokens of it cached, with `step` more at each further call.

    What is read now costs the same whatever is chosen, and is left out.
    """
    times = chance.times
    new = tokens - warm + times * step
    if ttl is None:
        still = chance.soon * rates.cache_read + (1 - chance.soon) * rates.input
        return (1 + times) * rates.input * new + times * still * warm
    kept = chance.within_hour if ttl == "1h" else chance.soon
    write = rates.cache_write_1h if ttl == "1h" else rates.cache_write_5m
    later = times * (kept * rates.cache_read + (1 - kept) * write)
    return (write + later) * new + later * warm
