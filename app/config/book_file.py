"""The shape of a price book's file: USD as quoted text, read exactly."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from app.config.fields import Positive, Section, Text
from app.config.sections import Identifier, Identifiers
from app.core.models import EFFORTS, Effort, Thinking
from app.core.pricing import CATEGORIES, ONE, Rates

State = Literal["active", "deprecated", "retired"]
Ability = Literal["sampling", "forced_tools", "late_system", "prefill", "us", "fast"]

MOST_USD_PER_MILLION = 10_000
MOST_MULTIPLIER = 100
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,4})(?:\.([0-9]{1,6}))?", re.ASCII)


def _scaled(value: object, digits: int) -> int | None:
    """A quoted decimal as a whole number of 10^-digits; None if it isn't one."""
    match = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    whole, decimals = match[1], (match[2] or "").rstrip("0")
    return None if len(decimals) > digits else int(whole + decimals.ljust(digits, "0"))


def _pico_usd_per_token(value: object) -> int:
    """$1 per million tokens is 1,000,000 pico-USD per token."""
    pico = _scaled(value, 6)
    if pico is None or pico > MOST_USD_PER_MILLION * 1_000_000:
        raise ValueError('quoted USD per million tokens, "0" to "10000", at most six decimals')
    return pico


def _thousandths(value: object) -> int:
    scaled = _scaled(value, 3)
    if not scaled or scaled > MOST_MULTIPLIER * ONE:
        raise ValueError('a quoted factor, "0.001" to "100", at most three decimals')
    return scaled


def _nano_usd_per_search(value: object) -> int:
    """$0.000001 per 1000 searches is one nano-USD for each."""
    nano = _scaled(value, 6)
    if nano is None:
        raise ValueError('quoted USD per 1000 searches, at most "99999" and six decimals')
    return nano


def _day(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError("a day such as 2026-10-07") from error


Price = Annotated[int, BeforeValidator(_pico_usd_per_token)]
Factor = Annotated[int, BeforeValidator(_thousandths)]
Day = Annotated[date, BeforeValidator(_day)]
Names = Annotated[tuple[Text, ...], Field(min_length=1)]


class StepRow(Section):
    """Pico-USD per token of each category, for prompts of more than `above_prompt_tokens`."""

    above_prompt_tokens: Positive | None = None
    input: Price
    output: Price
    cache_write_5m: Price
    cache_write_1h: Price
    cache_read: Price

    @property
    def rates(self) -> Rates:
        """The five categories alone."""
        return Rates(**{category: getattr(self, category) for category in CATEGORIES})


class Multipliers(Section):
    """Thousandths; 1,000 changes nothing."""

    batch: Factor = ONE
    us: Factor = ONE
    fast: Factor = ONE


class SourceOf(Section):
    """Sources of single categories, where they are not the period's own."""

    input: Names | None = None
    output: Names | None = None
    cache_write_5m: Names | None = None
    cache_write_1h: Names | None = None
    cache_read: Names | None = None


def _steps_ascend(steps: tuple[StepRow, ...]) -> tuple[StepRow, ...]:
    first, *rest = [step.above_prompt_tokens for step in steps]
    thresholds = [0, *(above or 0 for above in rest)]
    if first is not None or sorted(set(thresholds)) != thresholds:
        raise ValueError("a first step without above_prompt_tokens, then ascending ones")
    return steps


class Period(Section):
    """The prices from a day on, until the next period begins."""

    since: Day = Field(alias="from")
    steps: Annotated[tuple[StepRow, ...], Field(min_length=1), AfterValidator(_steps_ascend)]
    multipliers: Multipliers = Multipliers()
    web_search_nano_usd: Annotated[int, BeforeValidator(_nano_usd_per_search)] = Field(
        default=0, alias="web_search_usd_per_1000"
    )
    sources: Names
    source_of: SourceOf = SourceOf()

    def names_of_sources(self, category: str) -> tuple[str, ...]:
        """The names of those who published one category's figure."""
        own: tuple[str, ...] | None = getattr(self.source_of, category)
        return own or self.sources


def _periods_ascend(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    days = [period.since for period in periods]
    if sorted(set(days)) != days:
        raise ValueError("periods in order, each from a later day than the one before")
    return periods


class LimitsRow(Section):
    """The vendor's limits, in tokens; `image` is the most that one picture counts as."""

    context_window: Positive
    max_output: Positive
    min_cacheable: Positive
    image: Positive


def _levels_ascend(levels: tuple[Effort, ...]) -> tuple[Effort, ...]:
    if levels != tuple(level for level in EFFORTS if level in levels):
        raise ValueError("each level once, weakest first")
    return levels


class RefusalPeriod(Section):
    """From a day on: the categories of refusals that are free, and that are billed.

    `none` stands for a refusal without a category.
    """

    since: Day = Field(alias="from")
    free: tuple[Text, ...]
    billed: tuple[Text, ...] = ()
    sources: Names

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({*self.free, *self.billed}) != len(self.free) + len(self.billed):
            raise ValueError("each category once, free or billed")
        return self


def _refusals_ascend(periods: tuple[RefusalPeriod, ...]) -> tuple[RefusalPeriod, ...]:
    days = [period.since for period in periods]
    if sorted(set(days)) != days:
        raise ValueError("periods in order, each from a later day than the one before")
    return periods


class Entry(Section):
    aliases: Identifiers = ()
    state: State
    released: Day
    retires: Day | None = None
    retires_not_before: Day | None = None
    replacement: Identifier | None = None
    limits: LimitsRow
    thinking: Thinking
    efforts: Annotated[tuple[Effort, ...], AfterValidator(_levels_ascend)] = ()
    accepts: tuple[Ability, ...]
    prices: Annotated[tuple[Period, ...], Field(min_length=1), AfterValidator(_periods_ascend)]


class BookFile(Section):
    sources: dict[Text, Text]
    refusals: Annotated[tuple[RefusalPeriod, ...], AfterValidator(_refusals_ascend)] = ()
    models: dict[Identifier, Entry]


class Twin(Section):
    """A model that another vendor serves at the prices of `prices_of`."""

    prices_of: Identifier
    aliases: Identifiers = ()


class TwinsFile(Section):
    models: dict[Identifier, Twin]
