"""Every price as it is charged now, where it is from, and what the book says where it differs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from app.config.catalog import price_rows
from app.config.prices import in_force
from app.core.money import PICO_PER_NANO, round_half_even
from app.core.pricing import ONE, Prices, PriceStep
from app.dashboard import spending
from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Records, Table
from app.dashboard.page import Page, View
from app.dashboard.pages.receipts import book_rates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from starlette.responses import Response

    from app.core.models import Catalog, Model
    from app.dashboard.page import Visit

PATH: Final = "/ui/prices"
CATEGORIES: Final = {
    "input": "Input",
    "cache_write_5m": "Write 5 min",
    "cache_write_1h": "Write 1 h",
    "cache_read": "Read",
    "output": "Output",
}
COLUMNS: Final = (
    Column("Model"),
    Column("Tier", hint="Its name in config.yaml"),
    Column("Prompts", hint="The whole request is charged at the rates of its prompt’s size"),
    *(Column(label, numeric=True) for label in CATEGORIES.values()),
    Column("Web search", numeric=True, hint="Dollars each"),
    Column("Since"),
    Column("Retires"),
)
CHANGE_COLUMNS: Final = (
    Column("From"),
    Column("Model"),
    *(Column(label, numeric=True) for label in CATEGORIES.values()),
    Column(
        "It cost you",
        numeric=True,
        hint="Tokens since then, at the new rate less the old one; no multipliers",
    ),
)
USER_COLUMNS: Final = (
    Column("Model"),
    Column("Retires"),
    Column("Its vendor advises"),
    Column("Keys of the last 30 days, greatest spend first"),
)
LOOKED_BACK: Final = timedelta(days=30)
SOON: Final = timedelta(days=180)
MOST_KEYS: Final = 5


async def show(visit: Visit) -> Response:
    """The prices in force; the twins are the admin API's own rows."""
    running = visit.running
    catalog, day = running.gateway.policy.catalog, running.gateway.now().date()
    if visit.twin:
        return visit.records(Records([asdict(row) for row in price_rows(catalog, day)]))
    retiring = [m for m in catalog.models.values() if m.retires and m.retires <= visit.now + SOON]
    return await visit.html(
        "prices.html",
        table=_table(visit, catalog, day),
        overridden=sum(
            origin == "config"
            for model in catalog.models.values()
            for prices in in_force(model.schedule, day)
            for origin in prices.origins.values()
        ),
        changes=await visit.part(_changes(visit, catalog)),
        retiring=await visit.part(_retiring(visit, retiring)) if retiring else None,
        sources=_sources(catalog, day),
        multipliers=_multipliers(catalog, day),
    )


def _table(visit: Visit, catalog: Catalog, day: date) -> Table:
    tiers = {model_id: tier for tier, model_id in catalog.tiers.items()}
    lines = [
        _line(visit, model, tiers.get(model.id, ""), prices, step)
        for model in catalog.models.values()
        for prices in in_force(model.schedule, day)
        for step in prices.steps
    ]
    return Table(
        caption="Dollars per million tokens, as they are charged now",
        columns=COLUMNS,
        lines=lines,
        query=visit.query,
        empty="No model is offered: config.yaml lists none whose upstream is on.",
    )


def _line(visit: Visit, model: Model, tier: str, prices: Prices, step: PriceStep) -> Line:
    since = prices.effective_from.isoformat()
    book = book_rates(model.id, since, step.above_prompt_tokens)
    if book is None:  # all of it is the config's
        since = "config"
    above = step.above_prompt_tokens
    first = len(prices.steps) == 1 or above < 0
    upto = prices.steps[1].above_prompt_tokens if first and len(prices.steps) > 1 else 0
    size = f"over {formats.count(above)}" if above > 0 else "all"
    return Line(
        (
            cells.name(model.id),
            tier or formats.DASH,
            f"up to {formats.count(upto)}" if upto else size,
            *(
                _rate(
                    getattr(step.rates, category),
                    None if book is None else getattr(book, category),
                    overridden=prices.origins[category] == "config",
                )
                for category in CATEGORIES
            ),
            formats.exact(prices.web_search_nano_usd),
            since,
            cells.time(model.retires, visit.now, visit.zone) if model.retires else formats.DASH,
        )
    )


def _rate(pico: int, in_book: int | None, *, overridden: bool) -> Markup:
    if not overridden:
        return cells.rate(pico)
    beside = "in no book" if in_book is None else f"book {formats.rate(in_book)}"
    return Markup('{} <small class="note"><span class="warn">▲ override</span>, {}</small>').format(
        cells.rate(pico), beside
    )


async def _changes(visit: Visit, catalog: Catalog) -> Table:
    """Each day on which a price of an offered model changed, or will."""
    found = [
        (prices.effective_from, model.id, before, prices)
        for model in catalog.models.values()
        for before, prices in pairwise(model.schedule)
        if before.steps != prices.steps
    ]
    found.sort(key=lambda change: (change[0], change[1]), reverse=True)
    costs = [await _cost_of(visit, model, *change) for _, model, *change in found]
    return Table(
        caption="Changes of the offered models’ prices, newest first",
        columns=CHANGE_COLUMNS,
        lines=[
            Line(
                (
                    when.isoformat(),
                    cells.name(model),
                    *(_difference(before, after, category) for category in CATEGORIES),
                    cost,
                )
            )
            for (when, model, before, after), cost in zip(found, costs, strict=True)
        ],
        query=visit.query,
        empty="The books know of no change.",
        twins=False,
    )


async def _cost_of(visit: Visit, model: str, before: Prices, after: Prices) -> Markup:
    """What the tokens since then would have cost less before: negative where it got cheaper."""
    was, becomes = before.steps[0].rates, after.steps[0].rates
    if was == becomes:
        return cells.unknown("only longer prompts cost another rate")
    sums = await spending.since(visit.store, after.effective_from, model=model)
    pico = sum(
        getattr(sums, f"{name}_tokens") * (getattr(becomes, name) - getattr(was, name))
        for name in CATEGORIES
    )
    return cells.total(round_half_even(pico, PICO_PER_NANO), guessed=bool(pico))


def _difference(before: Prices, after: Prices, category: str) -> Markup | str:
    was = getattr(before.steps[0].rates, category)
    becomes = getattr(after.steps[0].rates, category)
    if was == becomes:
        return "same"
    return Markup("{} → {}").format(cells.rate(was), cells.rate(becomes))


async def _retiring(visit: Visit, models: list[Model]) -> Table:
    since = (visit.now - LOOKED_BACK).date()
    lines = []
    for model in models:
        found = await spending.by_key(visit.store, model.id, since)
        users = [cells.link(f"/ui/keys/{key.id}", key.name) for key in found[:MOST_KEYS]]
        more = f"and {len(found) - MOST_KEYS} more" if len(found) > MOST_KEYS else ""
        lines.append(
            Line(
                (
                    cells.name(model.id),
                    cells.time(model.retires, visit.now, visit.zone),
                    model.replacement or formats.DASH,
                    cells.together(*users, more) if users else "none",
                )
            )
        )
    return Table(
        caption="Models that retire within 180 days, or have",
        columns=USER_COLUMNS,
        lines=lines,
        query=visit.query,
        twins=False,
    )


def _sources(catalog: Catalog, day: date) -> list[tuple[str, list[str]]]:
    """Who published the figures: each source with the models that it is for."""
    found: dict[str, list[str]] = {}
    for model in catalog.models.values():
        for prices in in_force(model.schedule, day):
            for source in dict.fromkeys(prices.sources.values()):
                found.setdefault(source, []).append(model.id)
    return list(found.items())


def _multipliers(catalog: Catalog, day: date) -> list[tuple[str, str]]:
    return list(_told_multipliers(catalog, day))


def _told_multipliers(catalog: Catalog, day: date) -> Iterator[tuple[str, str]]:
    """What multiplies every rate of a model: where it runs, how fast, and in a batch."""
    for model in catalog.models.values():
        for prices in in_force(model.schedule, day):
            told: dict[str, Any] = {"US": prices.us, "fast": prices.fast, "batch": prices.batch}
            words = [
                f"{name} × {thousandths / ONE:g}"
                for name, thousandths in told.items()
                if thousandths != ONE
            ]
            if words:
                yield model.id, ", ".join(words)


PAGE: Final = Page("prices", "Prices", (View(PATH, show, twins=True),), shortcut="c")
