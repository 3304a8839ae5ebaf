"""What the settings and the price books offer together, checked against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from app.config.defaults import OPENROUTER
from app.config.fields import PICO_ALLOWED
from app.config.names import name_problems
from app.config.price_list import price_list
from app.config.prices import Book, BookModel, configured, in_force, known, overridden
from app.config.problems import ConfigError, KeyPath, Problem, path_text
from app.config.sections import ModelSettings
from app.config.settings import Settings
from app.config.weights import read_weights, shipped_weights
from app.core.caching import CacheRules
from app.core.models import Accepts, Catalog, Limits, Model
from app.core.money import pico_text
from app.core.pricing import CATEGORIES, ONE, Prices, Rates
from app.core.routing import Rules
from app.core.scoring import Weights

# A model that no book knows is held at the widest limits and the dearest multipliers in use.
UNKNOWN_LIMITS = Limits(
    context_window_tokens=1_000_000,
    max_output_tokens=128_000,
    min_cacheable_tokens=4_096,
    max_image_tokens=4_784,
)
HELD_FOR_A_BILL = 1_100
UNKNOWN_PRICES = Prices(
    effective_from=date(1970, 1, 1),
    steps=(),
    sources={},
    origins={},
    fast=2_000,
    us=1_100,
    batch=500,
    web_search_nano_usd=10_000_000,
)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One figure in force; `tier` is `base` or, such as `>100000`, for longer prompts."""

    model: str
    category: str
    tier: str
    usd_per_token: str
    source: str
    effective_from: str
    origin: str


def build_catalog(settings: Settings, books: Mapping[str, Book]) -> Catalog:
    """Every model with at least one upstream that is on, in the order of the file.

    Tiers keep their order, cheapest first; those whose model is not offered are left out.
    Raises ConfigError: a name that nothing stands for or that two things share, a model
    without a price.
    """
    problems = [*name_problems(settings), *_unpriced(settings, books)]
    if problems:
        raise ConfigError(settings.document.file, problems)
    models = {
        model_id: replace(
            _model(model_id, written, upstreams, known(books, model_id)),
            us_by_default=_us_by_default(upstreams, settings),
            provider=_provider(written),
            held_thousandths=_held_thousandths(upstreams, settings),
        )
        for model_id, written in settings.models.items()
        if (upstreams := _on(written, settings))
    }
    aliases = {alias: model.id for model in models.values() for alias in model.aliases}
    named = {tier: aliases.get(name, name) for tier, name in settings.tiers.items()}
    tiers = {tier: model_id for tier, model_id in named.items() if model_id in models}
    return Catalog(models, aliases, tiers, price_list(models.values(), books))


def routing_rules(settings: Settings) -> Rules:
    """The rules that `auto` routes by.  Raises ConfigError for a file of weights that is none."""
    written = settings.routing
    return Rules(
        strong_from_chars=written.rules.strong_from_chars,
        strong_from_items=written.rules.strong_from_items,
        threshold=written.threshold,
        strong_share=written.sonnet_share,
        weights=_weights(settings),
    )


def _weights(settings: Settings) -> Weights:
    """The shipped weights, or those in the file that the settings name, beside their own file."""
    named = settings.routing.weights
    if named is None:
        return shipped_weights()
    file = Path(settings.document.file).parent / named
    if not file.is_file():
        path = ("routing", "weights")
        line = settings.document.line(path)
        problem = Problem(path_text(path), repr(named), "a file of weights beside this one", line)
        raise ConfigError(settings.document.file, [problem])
    return read_weights(file)


def cache_rules(settings: Settings) -> CacheRules:
    """The rules that breakpoints are placed by."""
    return CacheRules(mode=settings.cache.mode, ttl=settings.cache.ttl)


def fallback_models(settings: Settings, catalog: Catalog) -> Mapping[str, tuple[str, ...]]:
    """For each offered model the ids of the offered ones to try after it, in order."""
    return {
        model.id: tuple(other.id for name in names if (other := catalog.find(name)))
        for first, names in settings.fallbacks.items()
        if (model := catalog.find(first))
    }


def price_rows(catalog: Catalog, day: date) -> list[PriceRow]:
    """Every figure in force on `day`: five categories for each model and step."""
    return [
        PriceRow(
            model=model.id,
            category=category,
            tier=f">{step.above_prompt_tokens}" if step.above_prompt_tokens > 0 else "base",
            usd_per_token=pico_text(getattr(step.rates, category)),
            source=prices.sources[category],
            effective_from=prices.effective_from.isoformat(),
            origin=prices.origins[category],
        )
        for model in catalog.models.values()
        for prices in in_force(model.schedule, day)
        for step in prices.steps
        for category in CATEGORIES
    ]


def _on(written: ModelSettings, settings: Settings) -> tuple[str, ...]:
    return tuple(u for u in written.upstream if settings.upstreams[u].api_key is not None)


def _us_by_default(upstreams: tuple[str, ...], settings: Settings) -> bool:
    """Whether one of them runs in the US what names no place: a hold must do for each."""
    return any(settings.upstreams[u].default_inference_geo == "us" for u in upstreams)


def _provider(written: ModelSettings) -> Mapping[str, Any] | None:
    if written.provider is None:
        return None
    return written.provider.model_dump(exclude_none=True)


def _held_thousandths(upstreams: tuple[str, ...], settings: Settings) -> int:
    """What OpenRouter bills may be above the list: its providers and its fees differ."""
    billed = any(settings.upstreams[u].kind == OPENROUTER for u in upstreams)
    return HELD_FOR_A_BILL if billed else ONE


def _overrides(written: ModelSettings) -> dict[str, int]:
    figures = {c: getattr(written.cost_per_token, c) for c in CATEGORIES}
    return {category: pico for category, pico in figures.items() if pico is not None}


def _unpriced(settings: Settings, books: Mapping[str, Book]) -> Iterator[Problem]:
    for model_id, written in settings.models.items():
        if known(books, model_id) is not None:
            continue
        given = _overrides(written)
        for category in CATEGORIES:
            if category not in given:
                path: KeyPath = ("models", model_id, "cost_per_token", category)
                missing = "nothing is given, and no price book knows the model"
                line = settings.document.line(path)
                yield Problem(path_text(path), missing, PICO_ALLOWED, line)


def _model(
    model_id: str, written: ModelSettings, upstreams: tuple[str, ...], book: BookModel | None
) -> Model:
    overrides = _overrides(written)
    source = f"models.{model_id}.cost_per_token"
    if book is None:
        return Model(
            id=model_id,
            upstreams=upstreams,
            schedule=configured(Rates(**overrides), source, UNKNOWN_PRICES),
            limits=UNKNOWN_LIMITS,
            accepts=Accepts(),
            aliases=written.aliases,
        )
    return Model(
        id=model_id,
        upstreams=upstreams,
        schedule=overridden(book.schedule, overrides, source),
        limits=book.limits,
        accepts=book.accepts,
        aliases=written.aliases,
        created=int(datetime.combine(book.released, time(), UTC).timestamp()),
        retires=book.retires,
        replacement=book.replacement,
    )
