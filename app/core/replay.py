"""A settled call priced again from what its row keeps.  Pure: tokens x rates -> nano-USD.

Under the rules of its day this gives the row's own cost back to the nano-dollar. What-if reports,
pricing a past range anew and the reasons why spend changed all stand on it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from app.core.money import NANO_DIGITS, NANO_PER_USD, PICO_PER_NANO, round_half_even
from app.core.pricing import CATEGORIES, Cost, Rates
from app.core.usage import ANSWERING, Usage
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from app.core.ended import CostSource
    from app.core.pricing import Prices

PICO_DIGITS: Final = NANO_DIGITS + 3
WHOLE: Final = 10**PICO_DIGITS  # a multiplier of 1
MESSAGE: Final = "message"


@value
class Line:
    """One model call inside an answer, with the prices that it was charged at.

    `multiplier` is in units of 1e-12; `free` says why it costs nothing, `unknown` what of it had no
    price.
    """

    kind: str
    model: str
    usage: Usage
    rates: Rates
    multiplier: int = WHOLE
    search_nano_usd: int = 0
    free: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def answers(self) -> bool:
        """Whether it wrote the answer, or a piece of it."""
        return self.kind in ANSWERING


@value
class Stored:
    """A finished call as its row tells of it; amounts in nano-USD.

    `sent_model` is the one that it was sent to first, `model` the one that answered; `tier` is None
    where its caller named a model; `score` None where nothing was scored. `lines` are empty where
    the answer was never priced. `kept_nano_usd` is what stays charged besides: attempts without an
    answer, and corrections. `billed`: the vendor's own bill decides, and is `billed_more_nano_usd`
    above what the lines come to. `by_hand`: an admin has set the cost. `missed_tokens` of the
    prompt were in the cache, and not all of them were read from it.
    """

    id: str
    day: date
    model: str
    sent_model: str
    cost_nano_usd: int
    cost_source: CostSource | None
    lines: tuple[Line, ...]
    kept_nano_usd: int = 0
    billed: bool = False
    billed_more_nano_usd: int = 0
    tier: str | None = None
    reason: str = ""
    score: float | None = None
    placed: bool = False
    callers_marks: int = 0
    by_hand: bool = False
    missed_tokens: int | None = None


def cost_of(lines: Iterable[Line]) -> Cost:
    """The exact cost: each category is rounded once, over all lines."""
    pico = dict.fromkeys(CATEGORIES, 0)
    searches = 0
    for line in lines:
        usage, rates, factor = line.usage, line.rates, line.multiplier
        pico["input"] += usage.input_tokens * rates.input * factor
        pico["output"] += usage.output_tokens * rates.output * factor
        pico["cache_write_5m"] += usage.cache_write_5m_tokens * rates.cache_write_5m * factor
        pico["cache_write_1h"] += usage.cache_write_1h_tokens * rates.cache_write_1h * factor
        pico["cache_read"] += usage.cache_read_tokens * rates.cache_read * factor
        searches += usage.web_search_requests * line.search_nano_usd
    each = WHOLE * PICO_PER_NANO
    return Cost(
        **{category: round_half_even(exact, each) for category, exact in pico.items()},
        server_tools=searches,
    )


def replayed(call: Stored) -> int:
    """What the call costs under the rules of its day, in nano-USD."""
    return cost_of(call.lines).total + call.kept_nano_usd + call.billed_more_nano_usd


def lines_of(rates: Mapping[str, Any] | None, usage: Usage) -> tuple[Line, ...]:
    """The lines that a row's `rates` tell of; `usage` are the row's own tokens."""
    if rates is None or "usd_per_token" not in rates:
        return ()
    parts = rates.get("parts")
    if parts is None:
        return (_line(MESSAGE, rates, usage),)
    return tuple(_line(part["kind"], part, _usage(part)) for part in parts)


def _line(kind: str, told: Mapping[str, Any], usage: Usage) -> Line:
    per_token = told["usd_per_token"]
    return Line(
        kind,
        told["model"],
        usage,
        _rates(tuple(per_token[category] for category in CATEGORIES)),
        _pico(told["multiplier"]),
        _pico(told["usd_per_web_search"]) // PICO_PER_NANO,
        "free" in told,
        tuple(told.get("unknown", ())),
    )


def _usage(part: Mapping[str, Any]) -> Usage:
    counts = {f"{category}_tokens": count for category, count in part["tokens"].items()}
    return Usage(**counts, web_search_requests=part["web_search_requests"])


@lru_cache(maxsize=1_024)
def _rates(texts: tuple[str, ...]) -> Rates:
    """As CATEGORIES."""
    return Rates(**dict(zip(CATEGORIES, map(_pico, texts), strict=True)))


@lru_cache(maxsize=1_024)
def _pico(text: str) -> int:
    """'0.000003' -> 3_000_000: the reverse of `pico_text`."""
    whole, _, decimals = text.partition(".")
    return int(whole) * NANO_PER_USD * PICO_PER_NANO + int(decimals.ljust(PICO_DIGITS, "0"))


def at_prices(line: Line, model: str, prices: Prices) -> Line:
    """The same tokens by `model`, at its prices; what multiplied them stays, and what was free."""
    rates = prices.step(line.usage.prompt_tokens).rates
    search = 0 if line.free else prices.web_search_nano_usd
    return replace(line, model=model, rates=rates, search_nano_usd=search)


def without_cache(line: Line) -> Line:
    """The same, had nothing been written to the cache or read from it."""
    usage = line.usage
    return replace(
        line,
        usage=replace(
            usage,
            input_tokens=usage.prompt_tokens,
            cache_write_5m_tokens=0,
            cache_write_1h_tokens=0,
            cache_read_tokens=0,
        ),
    )


def written_anew(line: Line) -> Line:
    """The same, had what was read from the cache been written to it for five minutes."""
    usage = line.usage
    return replace(
        line,
        usage=replace(
            usage,
            cache_write_5m_tokens=usage.cache_write_5m_tokens + usage.cache_read_tokens,
            cache_read_tokens=0,
        ),
    )
