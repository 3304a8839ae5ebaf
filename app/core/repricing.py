"""A settled call at the prices that are known now for its day.  Pure: call x catalog -> new cost.

What its answer used stays, and so do its multiplier, what was free, what was charged besides the
answer and what a vendor or an admin has said. A call whose amounts all stay the same is left alone,
so that doing it twice changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from app.core.misses import answering, missed_nano_usd
from app.core.money import PICO_PER_NANO, pico_text
from app.core.pricing import CATEGORIES, Cost, prices_on
from app.core.replay import WHOLE, at_prices, cost_of, without_cache
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.core.ended import CostSource
    from app.core.models import Catalog
    from app.core.pricing import Prices
    from app.core.replay import Line, Stored

NO_PRICE = "model"  # the word for a model that no price list knew


class Left(StrEnum):
    """Why a call is left as it is."""

    SAME = "same"  # no amount of it changes
    BILLED = "billed"  # its vendor's own bill decides, or is still awaited
    BY_HAND = "by_hand"  # an admin has set its cost
    UNPRICED = "unpriced"  # there was no answer whose tokens are known


@value
class Repriced:
    """What a call becomes; amounts in nano-USD. `rates` tells its new figures.

    `strongest_nano_usd` is the same usage on the strongest tier, None where that has no price;
    `missed_nano_usd` what its cache miss cost, None where that is not known.
    """

    cost: Cost
    total_nano_usd: int
    cost_source: CostSource
    rates: Mapping[str, Any]
    cache_savings_nano_usd: int
    strongest_nano_usd: int | None
    missed_nano_usd: int | None


def repriced(call: Stored, rates: Mapping[str, Any] | None, catalog: Catalog) -> Repriced | Left:
    """The call priced anew; `rates` are what its row tells of its prices."""
    if call.by_hand:
        return Left.BY_HAND
    if call.billed:
        return Left.BILLED
    if rates is None or not call.lines:
        return Left.UNPRICED
    found = [_priced(line, call, catalog) for line in call.lines]
    lines = tuple(line for line, _ in found)
    cost, saved, missed = amounts = _amounts(lines, call)
    if amounts == _amounts(call.lines, call):
        return Left.SAME
    return Repriced(
        cost=cost,
        total_nano_usd=cost.total + call.kept_nano_usd,
        cost_source=_source(call, lines, cost),
        rates=_told(rates, found),
        cache_savings_nano_usd=saved,
        strongest_nano_usd=_strongest(lines, call, catalog),
        missed_nano_usd=missed,
    )


def _amounts(lines: Sequence[Line], call: Stored) -> tuple[Cost, int, int | None]:
    """What the lines cost, what the cache saved on them and what it cost that it missed."""
    cost, tokens = cost_of(lines), call.missed_tokens
    saved = cost_of(map(without_cache, lines)).total - cost.total
    return cost, saved, None if tokens is None else missed_nano_usd(answering(lines), tokens)


def _source(call: Stored, lines: Sequence[Line], cost: Cost) -> CostSource:
    """How far the new cost can be trusted; one that stays is what it was."""
    if call.cost_source is not None and cost == cost_of(call.lines):
        return call.cost_source
    exact = call.cost_source != "estimated" or (
        call.kept_nano_usd == 0 and _unknown(call.lines) and not _unknown(lines)
    )
    return "corrected" if exact else "estimated"


def _priced(line: Line, call: Stored, catalog: Catalog) -> tuple[Line, Prices | None]:
    """The line at its model's prices, where they are known; and those."""
    knows = not line.unknown or (line.unknown == (NO_PRICE,) and line.multiplier == WHOLE)
    prices = _prices(line.model, call, catalog) if knows and not line.free else None
    if prices is None:
        return line, None
    return replace(at_prices(line, line.model, prices), unknown=()), prices


def _prices(model: str, call: Stored, catalog: Catalog) -> Prices | None:
    listed = catalog.price_list.find(model)
    if listed is None:
        return None
    try:
        return prices_on(listed.schedule, call.day)
    except LookupError:
        return None


def _unknown(lines: Iterable[Line]) -> bool:
    return any(line.unknown for line in lines)


def _strongest(lines: Iterable[Line], call: Stored, catalog: Catalog) -> int | None:
    """The same usage on the strongest tier, as far as the call was by the model it was sent to."""
    strongest = catalog.strongest
    prices = None if strongest is None else _prices(strongest.id, call, catalog)
    if strongest is None or prices is None:
        return None
    return cost_of(
        at_prices(line, strongest.id, prices) if line.model == call.sent_model else line
        for line in lines
    ).total


def _told(rates: Mapping[str, Any], found: list[tuple[Line, Prices | None]]) -> dict[str, Any]:
    """The figures of each line, as the row's `rates` had them before."""
    parts = rates.get("parts")
    if parts is None:
        return _figures(rates, *found[0])
    told = [_figures(part, *each) for part, each in zip(parts, found, strict=True)]
    answering = next(n for n in reversed(range(len(found))) if found[n][0].answers)
    return {**_figures(rates, *found[answering]), "parts": told}


def _figures(told: Mapping[str, Any], line: Line, prices: Prices | None) -> dict[str, Any]:
    if prices is None:
        return dict(told)
    step = prices.step(line.usage.prompt_tokens)
    kept = {name: each for name, each in told.items() if name != "unknown"}
    return {
        **kept,
        "effective_from": prices.effective_from.isoformat(),
        "above_prompt_tokens": max(step.above_prompt_tokens, 0),
        "usd_per_token": {c: pico_text(getattr(step.rates, c)) for c in CATEGORIES},
        "usd_per_web_search": pico_text(prices.web_search_nano_usd * PICO_PER_NANO),
        "origins": dict(prices.origins),
    }
