"""Price books: dated prices, limits and manners of models, and what config.yaml overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path

from app.config.book_file import (
    BookFile,
    Entry,
    Period,
    RefusalPeriod,
    State,
    Twin,
    TwinsFile,
)
from app.config.fields import validated
from app.config.problems import ConfigError, Problem, path_text
from app.config.yaml_text import Document, read_yaml
from app.core.models import Accepts, Limits
from app.core.price_list import RefusalRule, undated_slug
from app.core.pricing import CATEGORIES, Prices, PriceStep, Rates, prices_on

BOOKS = Path(__file__).parent.parent / "prices"
FROM_BOOK = "price_book"
FROM_CONFIG = "config"
EVERY_PROMPT = -1
RETIRED_AT = time(17)  # 9:00 Pacific in winter: the hour at which earlier models were retired
UNKNOWN_SINCE = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class BookModel:
    """What a book knows of one model: `released` is a day, `retires` a moment, UTC.

    `retires_not_before` is the day from which its vendor may retire it, `replacement` the model
    that its vendor advises instead.

    `figures_of` is the entry that its prices are from: its own, or another vendor's.
    """

    id: str
    figures_of: str
    aliases: tuple[str, ...]
    state: State
    released: date
    retires: datetime | None
    retires_not_before: date | None
    replacement: str | None
    limits: Limits
    accepts: Accepts
    schedule: tuple[Prices, ...]

    def is_retired(self, now: datetime) -> bool:
        """Whether its vendor no longer serves it."""
        return self.state == "retired" or (self.retires is not None and self.retires <= now)


@dataclass(frozen=True, slots=True)
class Book:
    """One vendor's models by their own ids."""

    name: str
    models: Mapping[str, BookModel]
    refusals: tuple[RefusalRule, ...] = ()

    def find(self, name: str) -> BookModel | None:
        """The model with that id or alias; OpenRouter's dated slugs are aliases."""
        if (slug := undated_slug(name)) in self.models:
            return self.models[slug]
        return next((model for model in self.models.values() if name in model.aliases), None)


@cache
def bundled_books() -> Mapping[str, Book]:
    """The books that come with the gateway, by vendor."""
    anthropic = load_book(BOOKS / "anthropic.yaml")
    openrouter = load_twins(BOOKS / "openrouter.yaml", anthropic)
    return {book.name: book for book in (anthropic, openrouter)}


def known(books: Mapping[str, Book], name: str) -> BookModel | None:
    """What any of the books says about an id or alias; they share none."""
    return next((found for book in books.values() if (found := book.find(name))), None)


def load_book(path: Path) -> Book:
    """The book in `path`, named after the file.

    Raises ConfigError with each problem: a figure or source that is missing, not exact or out
    of range, steps or days out of order, a name given twice.
    """
    document = read_yaml(path.read_text("utf-8"), path.name)
    written = validated(BookFile, document.tree, document)
    _refuse(document, [*_unnamed_sources(written), *_names_given_twice(written.models)])
    models = {
        model_id: _book_model(model_id, entry, written.sources)
        for model_id, entry in written.models.items()
    }
    return Book(path.stem, models, tuple(map(_refusal_rule, written.refusals)))


def load_twins(path: Path, book: Book) -> Book:
    """The book in `path`, whose models have the prices of models in `book`.

    Raises ConfigError: an entry that `book` doesn't have, a name given twice.
    """
    document = read_yaml(path.read_text("utf-8"), path.name)
    written = validated(TwinsFile, document.tree, document)
    strangers = [
        (("models", twin_id, "prices_of"), twin.prices_of, f"a model of {book.name}.yaml")
        for twin_id, twin in written.models.items()
        if twin.prices_of not in book.models
    ]
    _refuse(document, [*strangers, *_names_given_twice(written.models)])
    own_names = {twin.prices_of: twin_id for twin_id, twin in written.models.items()}
    models = {
        twin_id: _twin(twin_id, twin.aliases, book.models[twin.prices_of], own_names)
        for twin_id, twin in written.models.items()
    }
    return Book(path.stem, models)


def in_force(schedule: tuple[Prices, ...], day: date) -> tuple[Prices, ...]:
    """The prices of `day`; empty before the first of them."""
    return (prices_on(schedule, day),) if schedule[0].effective_from <= day else ()


def overridden(
    schedule: tuple[Prices, ...], overrides: Mapping[str, int], source: str
) -> tuple[Prices, ...]:
    """The schedule with whole categories replaced in every step of every period.

    `overrides` maps a category to pico-USD per token; multipliers stay as they are.
    """
    if not overrides:
        return schedule
    return tuple(
        replace(
            prices,
            steps=tuple(replace(s, rates=replace(s.rates, **overrides)) for s in prices.steps),
            sources={**prices.sources, **dict.fromkeys(overrides, source)},
            origins={**prices.origins, **dict.fromkeys(overrides, FROM_CONFIG)},
        )
        for prices in schedule
    )


def configured(rates: Rates, source: str, like: Prices) -> tuple[Prices, ...]:
    """The schedule of a model that is in no book: flat, with the multipliers of `like`."""
    flat = replace(
        like,
        effective_from=UNKNOWN_SINCE,
        steps=(PriceStep(EVERY_PROMPT, rates),),
        sources=dict.fromkeys(CATEGORIES, source),
        origins=dict.fromkeys(CATEGORIES, FROM_CONFIG),
    )
    return (flat,)


def _book_model(model_id: str, entry: Entry, sources: Mapping[str, str]) -> BookModel:
    limits = entry.limits
    abilities = dict.fromkeys(entry.accepts, True)
    return BookModel(
        id=model_id,
        figures_of=model_id,
        aliases=entry.aliases,
        state=entry.state,
        released=entry.released,
        retires=None if entry.retires is None else datetime.combine(entry.retires, RETIRED_AT, UTC),
        retires_not_before=entry.retires_not_before,
        replacement=entry.replacement,
        limits=Limits(
            context_window_tokens=limits.context_window,
            max_output_tokens=limits.max_output,
            min_cacheable_tokens=limits.min_cacheable,
            max_image_tokens=limits.image,
        ),
        accepts=Accepts(
            **{"forced_tools": False, **abilities}, efforts=entry.efforts, thinking=entry.thinking
        ),
        schedule=tuple(_prices(period, sources) for period in entry.prices),
    )


def _refusal_rule(period: RefusalPeriod) -> RefusalRule:
    free, billed = (
        frozenset(None if name == "none" else name for name in names)
        for names in (period.free, period.billed)
    )
    return RefusalRule(period.since, free, billed)


def _prices(period: Period, sources: Mapping[str, str]) -> Prices:
    return Prices(
        effective_from=period.since,
        steps=tuple(
            PriceStep(row.above_prompt_tokens or EVERY_PROMPT, row.rates) for row in period.steps
        ),
        sources={
            category: "; ".join(sources[name] for name in period.names_of_sources(category))
            for category in CATEGORIES
        },
        origins=dict.fromkeys(CATEGORIES, FROM_BOOK),
        fast=period.multipliers.fast,
        us=period.multipliers.us,
        batch=period.multipliers.batch,
        web_search_nano_usd=period.web_search_nano_usd,
    )


def _twin(
    twin_id: str, aliases: tuple[str, ...], model: BookModel, own_names: Mapping[str, str]
) -> BookModel:
    """Served by another vendor, which knows neither `inference_geo` nor `speed`.

    `own_names` are that vendor's for the models of the book.
    """
    accepts = replace(model.accepts, us=False, fast=False)
    instead = None if model.replacement is None else own_names.get(model.replacement)
    return replace(model, id=twin_id, aliases=aliases, accepts=accepts, replacement=instead)


Found = tuple[tuple[str | int, ...], str, str]


def _unnamed_sources(written: BookFile) -> list[Found]:
    of_refusals = [
        (("refusals", n), f"source {name!r}", "a name under sources")
        for n, refusals in enumerate(written.refusals)
        for name in refusals.sources
        if name not in written.sources
    ]
    return of_refusals + [
        (("models", model_id, "prices", n), f"source {name!r}", "a name under sources")
        for model_id, entry in written.models.items()
        for n, period in enumerate(entry.prices)
        for name in sorted({n for c in CATEGORIES for n in period.names_of_sources(c)})
        if name not in written.sources
    ]


def _names_given_twice(models: Mapping[str, Entry] | Mapping[str, Twin]) -> list[Found]:
    seen = set(models)
    twice: list[Found] = []
    for model_id, entry in models.items():
        for alias in entry.aliases:
            if alias in seen:
                twice.append((("models", model_id, "aliases"), alias, "a name of no other model"))
            seen.add(alias)
    return twice


def _refuse(document: Document, found: list[Found]) -> None:
    if found:
        problems = [
            Problem(path_text(path), value, allowed, document.line(path))
            for path, value, allowed in found
        ]
        raise ConfigError(document.file, problems)
