"""How hard a request looks: a signed sum over what is counted in it, from 0 easy to 1 hard."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import log1p
from typing import TYPE_CHECKING, Literal

from app.core.features import Lexicon, counted
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.measure import Measure
    from app.core.request import Request

DIGITS = 4  # of what is shown and kept
MOST_IN_A_TABLE = 512


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that is counted, and what the most of it adds to the score.

    The first of them adds most: the share grows with the logarithm of the count, up to `full_at`.
    `words` are those that count, of the last user turn or of the system prompt; a feature without
    words is one of `features.MEASURED`.
    """

    name: str
    weight: float
    full_at: int
    words: tuple[str, ...] = ()
    of: Literal["turn", "system"] = "turn"

    def added(self, count: int) -> float:
        """What so many of it add to the score."""
        return round(self.weight * self.share(count), DIGITS)

    def share(self, count: int) -> float:
        """How much of its weight so many of it add, from 0 to 1."""
        return 1.0 if count >= self.full_at else log1p(count) / log1p(self.full_at)


@dataclass(frozen=True)
class Weights:
    """The features, and where the score begins. `name` tells these weights from others."""

    features: tuple[Feature, ...] = ()
    base: float = 0.0
    name: str = "none"

    @cached_property
    def by_name(self) -> Mapping[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def tables(self) -> Mapping[str, tuple[float, ...]]:
        """What each number of a feature adds, from none of it to as many as matter."""
        return {
            feature.name: tuple(feature.added(count) for count in range(feature.full_at + 1))
            for feature in self.features
            if feature.full_at <= MOST_IN_A_TABLE
        }

    @cached_property
    def turn_words(self) -> Lexicon:
        """The features that each word of the last user turn counts for."""
        return Lexicon(self._words_of("turn"))

    @cached_property
    def system_words(self) -> Lexicon:
        """The same of the system prompt."""
        return Lexicon(self._words_of("system"))

    def _words_of(self, part: str) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for feature in self.features:
            if feature.of == part:
                for word in feature.words:
                    found[word] = (*found.get(word, ()), feature.name)
        return found


@value
class Scored:
    """A score from 0 to 1, what was counted, and what each count added to it."""

    value: float
    counts: Mapping[str, int] = field(default_factory=dict)
    adds: Mapping[str, float] = field(default_factory=dict)


def scored(request: Request, size: Measure, weights: Weights) -> Scored:
    """The score of a request; 0 without weights."""
    if not weights.features:
        return Scored(0.0)
    return weighed(counted(request, size, weights.turn_words, weights.system_words), weights)


def weighed(counts: Mapping[str, int], weights: Weights) -> Scored:
    """The score that the counts come to."""
    by_name, tables = weights.by_name, weights.tables
    adds: dict[str, float] = {}
    for name, count in counts.items():
        table = tables.get(name)
        if table is not None:
            adds[name] = table[count] if count < len(table) else table[-1]
        elif name in by_name:
            adds[name] = by_name[name].added(count)
    total = round(weights.base + sum(adds.values()), DIGITS)
    if not 0.0 <= total <= 1.0:
        total = min(max(total, 0.0), 1.0)
    return Scored(total, counts, adds)
