"""The price books held against genai-prices, an independent list of the same figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from app.config.prices import Book, BookModel
from app.core.pricing import CATEGORIES, prices_on

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, TieredPrices

PICO_PER_USD_PER_MILLION = 1_000_000
THEIR_NAMES = dict(
    zip(
        CATEGORIES,
        (
            "input_mtok",
            "output_mtok",
            "cache_write_mtok",
            "cache_write_1h_mtok",
            "cache_read_mtok",
        ),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure in USD per million tokens on which the lists differ; None: it isn't listed."""

    model: str
    category: str
    tier: str
    ours: str | None
    theirs: str | None


def compare_with_genai_prices(books: Mapping[str, Book], day: date) -> list[Difference]:
    """Every difference in the figures in force on `day`; retired models are left out.

    Raises RuntimeError when genai-prices is not installed: only development needs it.
    """
    try:
        from genai_prices.data import providers  # noqa: PLC0415 - a development dependency
    except ImportError as error:
        raise RuntimeError("install genai-prices to check the price books against it") from error
    vendors = {provider.id: provider for provider in providers}
    at = datetime.combine(day, time(12), UTC)
    return [
        difference
        for name, book in books.items()
        for model in book.models.values()
        if model.state != "retired" and model.schedule[0].effective_from <= day
        for difference in _differences(model, vendors[name].find_model(model.id), day, at)
    ]


def _differences(
    model: BookModel, theirs: ModelInfo | None, day: date, at: datetime
) -> Iterator[Difference]:
    """`theirs` is a model of genai-prices, or None when it doesn't list this one."""
    if theirs is None:
        yield Difference(model.id, "model", "base", "listed", None)
        return
    listed = theirs.get_prices(at)
    ours = {
        (category, max(step.above_prompt_tokens, 0)): getattr(step.rates, category)
        for step in prices_on(model.schedule, day).steps
        for category in CATEGORIES
    }
    other = {
        (category, above): pico
        for category, name in THEIR_NAMES.items()
        for above, pico in _their_tiers(getattr(listed, name, None))
    }
    for category, above in sorted(ours.keys() | other.keys()):
        mine, their = ours.get((category, above)), other.get((category, above))
        if mine != their:
            tier = f">{above}" if above else "base"
            yield Difference(model.id, category, tier, _usd(mine), _usd(their))


def _their_tiers(price: Decimal | TieredPrices | None) -> Iterator[tuple[int, int]]:
    if price is None:
        return
    if isinstance(price, Decimal):
        yield 0, _pico(price)
        return
    yield 0, _pico(price.base)
    for tier in price.tiers:
        yield tier.start, _pico(tier.price)


def _pico(usd_per_million: Decimal) -> int:
    return int(usd_per_million * PICO_PER_USD_PER_MILLION)


def _usd(pico: int | None) -> str | None:
    return None if pico is None else f"{(Decimal(pico) / PICO_PER_USD_PER_MILLION).normalize():f}"
