"""Whose prices a name in a reply stands for, and what a refusal costs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from app.core.pricing import CATEGORIES, ONE, Prices, PriceStep, Rates, prices_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DATED = re.compile(r"(.+)-20[0-9]{6}", re.ASCII)
_OF_OPENROUTER = re.compile(
    r"(anthropic/claude)-(?:([a-z]+)-([0-9.]+)|([0-9.]+)-([a-z]+))-20[0-9]{6}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A model with a price: `figures_of` is the id of the book's entry that its figures are from.

    The same model may be served by several vendors under several names; by its figures it is
    known again. `by_config` says that the config alone prices it.
    """

    id: str
    figures_of: str
    schedule: tuple[Prices, ...]
    by_config: bool = False


@dataclass(frozen=True, slots=True)
class RefusalRule:
    """From a day on: the categories whose refusals before any output are free, and are billed.

    None stands for a refusal without a category.
    """

    effective_from: date
    free: frozenset[str | None]
    billed: frozenset[str | None]


@dataclass(frozen=True)
class PriceList:
    """Every model with a price by each of its names, whether it is offered or not."""

    names: Mapping[str, Listed]
    refusals: tuple[RefusalRule, ...] = ()

    def find(self, name: str) -> Listed | None:
        """The model with that id or alias, or with that and a date behind it."""
        found = self.names.get(name) or self.names.get(undated_slug(name))
        if found is None and (dated := _DATED.fullmatch(name)):
            return self.names.get(dated[1])
        return found

    def is_model(self, model_id: str, name: str | None) -> bool:
        """Whether `name`, as a reply bears it, says that the model that was sent has answered."""
        if not name or name == model_id:
            return True
        sent = self.find(model_id)
        return sent is None or sent.by_config or self.has_figures_of(model_id, name)

    def has_figures_of(self, model_id: str, name: str) -> bool:
        """Whether both names stand for the same model, by whichever vendor."""
        one, other = self.find(model_id), self.find(name)
        return one is not None and other is not None and one.figures_of == other.figures_of

    def refusal(self, category: str | None, day: date) -> Literal["free", "billed"] | None:
        """What a refusal before any output costs; None: the lists don't say."""
        for rule in reversed(self.refusals):
            if rule.effective_from <= day:
                if category in rule.free:
                    return "free"
                return "billed" if category in rule.billed else None
        return None

    def dearest(self, day: date, *others: Prices) -> Prices:
        """Prices of which no figure is below one that is listed, for what has no price."""
        return _dearest(day, (*_in_force(self.names.values(), day), *others))


def undated_slug(name: str) -> str:
    """OpenRouter's short name for what its replies call `anthropic/claude-4.6-sonnet-20260217`."""
    slug = _OF_OPENROUTER.fullmatch(name)
    if slug is None:
        return name
    vendor, family, version, leading_version, trailing_family = slug.groups()
    return f"{vendor}-{family or trailing_family}-{version or leading_version}"


def _in_force(listed: Iterable[Listed], day: date) -> Iterable[Prices]:
    for model in listed:
        if model.schedule[0].effective_from <= day:
            yield prices_on(model.schedule, day)


def _dearest(day: date, found: tuple[Prices, ...]) -> Prices:
    steps = [step.rates for prices in found for step in prices.steps]
    rates = Rates(**{c: max(getattr(step, c) for step in steps) for c in CATEGORIES})
    return Prices(
        effective_from=day,
        steps=(PriceStep(-1, rates),),
        sources=dict.fromkeys(CATEGORIES, "the dearest figure that is listed"),
        origins=dict.fromkeys(CATEGORIES, "dearest"),
        fast=max(ONE, *(prices.fast for prices in found)),
        us=max(ONE, *(prices.us for prices in found)),
        web_search_nano_usd=max(prices.web_search_nano_usd for prices in found),
    )
