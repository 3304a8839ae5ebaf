"""Why one range cost more than another.  Pure: sums by model -> effects that add up exactly.

One factor after the other takes its new value, in the order of FACTORS, while those after it keep
their old one; an effect is what the sum changes by in its step. So the effects add up to the whole
change, to the nano-dollar, and the order decides where what two factors do together is counted.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROMPT: Final = ("input", "cache_write_5m", "cache_write_1h", "cache_read")
OUTPUT: Final = "output"
FACTORS: Final = ("calls", "size", "mix", "cache", "price", "other")


@value
class Spent:
    """What a model's calls came to in a range.

    `tokens` and `nano_usd` by category, PROMPT and OUTPUT; `other_nano_usd` is all that no token
    was charged for: searches, attempts without an answer, corrections, a vendor's own bill.
    """

    calls: int
    tokens: Mapping[str, int]
    nano_usd: Mapping[str, int]
    other_nano_usd: int = 0

    @property
    def total_nano_usd(self) -> int:
        """All that was charged."""
        return sum(self.nano_usd.values()) + self.other_nano_usd

    @property
    def prompt_tokens(self) -> int:
        """Of every category."""
        return sum(self.tokens[name] for name in PROMPT)

    def rate(self, category: str) -> Fraction | None:
        """What a token of the category was charged on average; None where there was none."""
        tokens = self.tokens[category]
        return Fraction(self.nano_usd[category], tokens) if tokens else None


Range = dict[str, Spent]
"""By model."""


def effects(before: Mapping[str, Spent], after: Mapping[str, Spent]) -> dict[str, int]:
    """Nano-USD by factor, as FACTORS."""
    sums = [_total(before), *map(round, _steps(before, after)), _total(after)]
    return {
        factor: later - earlier
        for factor, earlier, later in zip(FACTORS, sums, sums[1:], strict=False)
    }


def _steps(before: Mapping[str, Spent], after: Mapping[str, Spent]) -> list[Fraction]:
    """The sum once each factor but the last has its new value."""
    calls_before, calls_after = (_sum(each, lambda s: s.calls) for each in (before, after))
    if not calls_before or not calls_after:
        return [Fraction(_total(after))] * (len(FACTORS) - 1)
    growth = Fraction(calls_after, calls_before)
    other = _sum(before, lambda s: s.other_nano_usd) * growth
    sized = _sized(before, after, lambda s: s.prompt_tokens, PROMPT)
    sized += _sized(before, after, lambda s: s.tokens[OUTPUT], (OUTPUT,))
    mixed = cached = priced = Fraction(0)
    for model, new in after.items():
        old = before.get(model, new)
        mixed += new.prompt_tokens * _prompt_rate(old, new)
        mixed += new.tokens[OUTPUT] * _rate(old, new, OUTPUT)
        cached += sum(new.tokens[name] * _rate(old, new, name) for name in (*PROMPT, OUTPUT))
        priced += sum(new.nano_usd.values())
    return [
        _total(before) * growth,
        *(amount + other for amount in (sized, mixed, cached, priced)),
    ]


def _sized(
    before: Mapping[str, Spent],
    after: Mapping[str, Spent],
    tokens: Callable[[Spent], int],
    categories: tuple[str, ...],
) -> Fraction:
    """What as many tokens as after come to, in the shares and at the rates of before."""

    def charged(spent: Spent) -> int:
        return sum(spent.nano_usd[name] for name in categories)

    tokens_before, tokens_after = _sum(before, tokens), _sum(after, tokens)
    if not tokens_before:
        return Fraction(_sum(after, charged))
    return Fraction(_sum(before, charged) * tokens_after, tokens_before)


def _prompt_rate(old: Spent, new: Spent) -> Fraction:
    """What a token of a prompt was charged on average, whatever its category; as before, if any."""
    known = old if old.prompt_tokens else new
    if not known.prompt_tokens:
        return Fraction(0)
    return Fraction(sum(known.nano_usd[name] for name in PROMPT), known.prompt_tokens)


def _rate(old: Spent, new: Spent, category: str) -> Fraction:
    """The rate of before, if there was one."""
    rate = old.rate(category)
    if rate is None:
        rate = new.rate(category)
    return Fraction(0) if rate is None else rate


def _sum(spent: Mapping[str, Spent], of: Callable[[Spent], int]) -> int:
    return sum(map(of, spent.values()))


def _total(spent: Mapping[str, Spent]) -> int:
    return _sum(spent, lambda each: each.total_nano_usd)
