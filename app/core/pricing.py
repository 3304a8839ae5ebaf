"""What one reply cost.  Pure: usage x dated prices -> nano-USD, no clock, no config, no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.core.money import PICO_PER_NANO, NanoUsd, pico_text, round_half_even
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from app.core.usage import Usage

CATEGORIES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
ONE = 1_000  # multipliers are whole thousandths: 1.1 is 1_100
FINEST = ONE * ONE * ONE  # what every multiplier's denominator divides


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-USD per token, one for each category."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int


@dataclass(frozen=True, slots=True)
class PriceStep:
    """The rates of every request whose prompt has *more* than `above_prompt_tokens` tokens."""

    above_prompt_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Prices:
    """One model's prices from a day on.

    `steps` ascend and the first stands above -1 tokens, so one always applies, to the
    whole request. Multipliers are in thousandths. `origin` names, per category, where the
    figure came from: `price_book` or `config`; `sources` says who published it.
    """

    effective_from: date
    steps: tuple[PriceStep, ...]
    sources: Mapping[str, str]
    origins: Mapping[str, str]
    fast: int = ONE
    us: int = ONE
    batch: int = ONE
    web_search_nano_usd: int = 0

    def __hash__(self) -> int:
        """Of what tells most of them apart: the mappings have no hash."""
        return hash((self.effective_from, self.steps[0].rates.input))

    def step(self, prompt_tokens: int) -> PriceStep:
        """The dearest threshold that `prompt_tokens` is strictly above."""
        if len(self.steps) == 1:
            return self.steps[0]
        return next(s for s in reversed(self.steps) if prompt_tokens > s.above_prompt_tokens)


@value
class Cost:
    """Nano-USD per category, each rounded half-even once; the total is the sum of all seven fields.

    `adjustment` is what a vendor's own bill is above what the categories come to, or below.
    """

    input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    output: int = 0
    server_tools: int = 0
    adjustment: int = 0
    total: NanoUsd = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Sum once what is asked for again and again."""
        total = (
            self.input
            + self.cache_write_5m
            + self.cache_write_1h
            + self.cache_read
            + self.output
            + self.server_tools
            + self.adjustment
        )
        object.__setattr__(self, "total", NanoUsd(total))


def prices_on(schedule: tuple[Prices, ...], day: date) -> Prices:
    """The prices in force on `day` (UTC).  Raises LookupError when none are yet."""
    for prices in reversed(schedule):
        if prices.effective_from <= day:
            return prices
    raise LookupError(f"no price is in force on {day.isoformat()}")


def multiplier(usage: Usage, prices: Prices) -> tuple[int, int]:
    """The factor on every token category as (numerator, denominator)."""
    if not (usage.fast or usage.us or usage.batch):
        return 1, 1
    fast = prices.fast if usage.fast else ONE
    us = prices.us if usage.us else ONE
    batch = prices.batch if usage.batch else ONE
    return fast * us * batch, FINEST


def price(usage: Usage, prices: Prices) -> Cost:
    """The exact cost of `usage`."""
    rates = prices.step(usage.prompt_tokens).rates
    factor, divisor = multiplier(usage, prices)
    each = divisor * PICO_PER_NANO
    nano = round_half_even
    fresh, written_5m = usage.input_tokens, usage.cache_write_5m_tokens
    written_1h, read = usage.cache_write_1h_tokens, usage.cache_read_tokens
    return Cost(
        fresh and nano(fresh * rates.input * factor, each),
        written_5m and nano(written_5m * rates.cache_write_5m * factor, each),
        written_1h and nano(written_1h * rates.cache_write_1h * factor, each),
        read and nano(read * rates.cache_read * factor, each),
        nano(usage.output_tokens * rates.output * factor, each),
        usage.web_search_requests * prices.web_search_nano_usd,
    )


def price_together(calls: Iterable[tuple[Usage, Prices]]) -> Cost:
    """The exact cost of several model calls: each category is rounded once, over all of them."""
    pico = dict.fromkeys(CATEGORIES, 0)
    searches = 0
    for usage, prices in calls:
        rates = prices.step(usage.prompt_tokens).rates
        factor, divisor = multiplier(usage, prices)
        scale = factor * (FINEST // divisor)
        for category in CATEGORIES:
            tokens = getattr(usage, f"{category}_tokens")
            pico[category] += tokens * getattr(rates, category) * scale
        searches += usage.web_search_requests * prices.web_search_nano_usd
    each = FINEST * PICO_PER_NANO
    return Cost(
        **{category: round_half_even(exact, each) for category, exact in pico.items()},
        server_tools=searches,
    )


def uncached(usage: Usage) -> Usage:
    """The same reply had nothing been written to or read from the cache."""
    return replace(
        usage,
        input_tokens=usage.prompt_tokens,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
        cache_read_tokens=0,
    )


def snapshot(model: str, usage: Usage, prices: Prices) -> str:
    """All it takes to recompute `price(usage, prices)` by hand, as JSON text."""
    above = prices.step(usage.prompt_tokens).above_prompt_tokens
    return _snapshot(model, prices, above, multiplier(usage, prices))


@lru_cache(maxsize=1_024)
def _snapshot(model: str, prices: Prices, above: int, factors: tuple[int, int]) -> str:
    """The same for every call of a model on one step, that above `above` tokens: written once."""
    return json_text(_figures(model, prices, above, factors))


def figures(model: str, usage: Usage, prices: Prices) -> dict[str, Any]:
    """What `snapshot` holds, to be told among others."""
    above = prices.step(usage.prompt_tokens).above_prompt_tokens
    return _figures(model, prices, above, multiplier(usage, prices))


def _figures(model: str, prices: Prices, above: int, factors: tuple[int, int]) -> dict[str, Any]:
    step = prices.step(above + 1)
    factor, divisor = factors
    return {
        "model": model,
        "effective_from": prices.effective_from.isoformat(),
        "above_prompt_tokens": max(step.above_prompt_tokens, 0),
        "usd_per_token": {c: pico_text(getattr(step.rates, c)) for c in CATEGORIES},
        "multiplier": pico_text(factor * 1_000_000_000_000 // divisor),
        "usd_per_web_search": pico_text(prices.web_search_nano_usd * PICO_PER_NANO),
        "origins": dict(prices.origins),
    }


def json_text(shown: Mapping[str, Any]) -> str:
    """As short as it can be, and readable by people."""
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
