"""Weights fitted to labels: near the weights they start from, and never with another sign.

It is a ridge regression shrunk to the first weights instead of to 0, each weight held at its sign.
How strongly it is shrunk is chosen by cross-validation, and so is how well the weights do: always
on labels that they have not seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.core.scoring import DIGITS, weighed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.core.scoring import Weights

FEWEST_LABELS = 200
FEWEST_OF_A_KIND = 20
FOLDS = 5
SHRINKAGES = (3_000.0, 1_000.0, 300.0, 100.0, 30.0, 10.0)  # in labels that the first weights count
NOISE = 0.005  # of a rank: less than that is chance
SWEEPS = 60
LEAST_SCALE = 0.1
MOST_WEIGHT = 1.0
CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class Label:
    """What was counted in a request, and whether it needed the strong tier."""

    counts: Mapping[str, int]
    strong: bool


@dataclass(frozen=True, slots=True)
class Fitted:
    """New weights, and how well they and the first ones rank labels that they have not seen."""

    weights: Weights
    shrinkage: float
    rank: float
    first_rank: float


@dataclass(slots=True)
class _Sums:
    """Sums over labels: all that a least-squares fit needs of them."""

    labels: int
    shares: list[float]
    strong: float
    products: list[list[float]]
    strong_shares: list[float]

    @classmethod
    def none(cls, features: int) -> _Sums:
        rows = [[0.0] * features for _ in range(features)]
        return cls(0, [0.0] * features, 0.0, rows, [0.0] * features)

    def add(self, shares: Mapping[int, float], *, strong: bool) -> None:
        self.labels += 1
        self.strong += strong
        for n, share in shares.items():
            self.shares[n] += share
            self.strong_shares[n] += share * strong
            row = self.products[n]
            for m, other in shares.items():
                row[m] += share * other

    def centred(self) -> tuple[list[list[float]], list[float]]:
        """Products of the shares with one another and with the label, both less their means."""
        size, mean = range(len(self.shares)), [total / self.labels for total in self.shares]
        shares = [[self.products[n][m] - self.shares[n] * mean[m] for m in size] for n in size]
        return shares, [self.strong_shares[n] - self.strong * mean[n] for n in size]


def fit(labels: Sequence[Label], first: Weights) -> Fitted:
    """The weights that suit the labels best.  Raises ValueError for too few of them."""
    check_labels(labels)
    shuffled = list(labels)
    random.Random(0).shuffle(shuffled)  # noqa: S311 - the same folds each time
    folds = [shuffled[n::FOLDS] for n in range(FOLDS)]
    sums = [_summed(fold, first) for fold in folds]
    ranks, first_ranks = [], []
    for n, unseen in enumerate(folds):
        others = [m for m in range(FOLDS) if m != n]
        chosen = _shrinkage([folds[m] for m in others], [sums[m] for m in others], first)
        fitted = _fitted(_together(sums[m] for m in others), first, chosen)
        ranks.append(ranked(unseen, fitted))
        first_ranks.append(ranked(unseen, first))
    shrinkage = _shrinkage(folds, sums, first)
    weights = _as_high(_fitted(_together(sums), first, shrinkage), first, labels)
    return Fitted(weights, shrinkage, sum(ranks) / FOLDS, sum(first_ranks) / FOLDS)


def check_labels(labels: Sequence[Label]) -> None:
    """Raises ValueError where they are too few to say more than the weights that are there."""
    strong = sum(label.strong for label in labels)
    if len(labels) < FEWEST_LABELS:
        raise ValueError(
            f"{len(labels)} labels are too few: from {FEWEST_LABELS} on fitted weights do better "
            "than those that are there, below they do worse"
        )
    if min(strong, len(labels) - strong) < FEWEST_OF_A_KIND:
        raise ValueError(
            f"{strong} of {len(labels)} labels ask for the strong tier: at least "
            f"{FEWEST_OF_A_KIND} of each kind are needed"
        )


def ranked(labels: Sequence[Label], weights: Weights) -> float:
    """How often a label that needs the strong tier scores above one that does not; 0.5 is chance.

    Equal scores count half.
    """
    scores = sorted((weighed(label.counts, weights).value, label.strong) for label in labels)
    strong = sum(label.strong for label in labels)
    if not 0 < strong < len(labels):
        return CHANCE
    wins, below, at = 0.0, 0, 0
    while at < len(scores):
        end = at
        while end < len(scores) and scores[end][0] == scores[at][0]:
            end += 1
        above = sum(is_strong for _, is_strong in scores[at:end])
        weak = end - at - above
        wins += above * (below + weak / 2)
        below, at = below + weak, end
    return wins / (strong * (len(labels) - strong))


def _summed(labels: Iterable[Label], first: Weights) -> _Sums:
    number = {feature.name: n for n, feature in enumerate(first.features)}
    sums = _Sums.none(len(number))
    for label in labels:
        shares = {
            number[name]: first.by_name[name].share(count)
            for name, count in label.counts.items()
            if name in number
        }
        sums.add(shares, strong=label.strong)
    return sums


def _together(parts: Iterable[_Sums]) -> _Sums:
    several = list(parts)
    size = range(len(several[0].shares))
    return _Sums(
        sum(part.labels for part in several),
        [sum(part.shares[n] for part in several) for n in size],
        sum(part.strong for part in several),
        [[sum(part.products[n][m] for part in several) for m in size] for n in size],
        [sum(part.strong_shares[n] for part in several) for n in size],
    )


def _shrinkage(folds: Sequence[Sequence[Label]], sums: Sequence[_Sums], first: Weights) -> float:
    """The strongest whose weights rank each fold as well as any when fitted to the others."""

    def rank(shrinkage: float) -> float:
        total = 0.0
        for n, unseen in enumerate(folds):
            rest = _together(part for m, part in enumerate(sums) if m != n)
            total += ranked(unseen, _fitted(rest, first, shrinkage))
        return total

    ranks = [rank(shrinkage) for shrinkage in SHRINKAGES]
    enough = max(ranks) - NOISE * len(folds)
    return next(s for s, found in zip(SHRINKAGES, ranks, strict=True) if found >= enough)


def _fitted(sums: _Sums, first: Weights, shrinkage: float) -> Weights:
    """Coordinate descent, each weight held at its sign; then back to the first weights' scale."""
    products, targets = sums.centred()
    start = [feature.weight for feature in first.features]
    scale = _scale(products, targets, start)
    prior = [weight * scale for weight in start]
    weights = list(prior)
    penalty = shrinkage * _mean_square(products, sums.labels)
    for _ in range(SWEEPS):
        for n, row in enumerate(products):
            rest = sum(p * w for p, w in zip(row, weights, strict=True)) - row[n] * weights[n]
            found = (targets[n] - rest + penalty * prior[n]) / (row[n] + penalty)
            weights[n] = max(found, 0.0) if start[n] >= 0 else min(found, 0.0)
    features = tuple(
        replace(feature, weight=round(_within(weight / scale), DIGITS))
        for feature, weight in zip(first.features, weights, strict=True)
    )
    return replace(first, features=features)


def _scale(products: list[list[float]], targets: list[float], start: list[float]) -> float:
    """By how much a score has to be multiplied to tell the label best."""
    size = range(len(start))
    along = sum(start[n] * targets[n] for n in size)
    squares = sum(start[n] * start[m] * products[n][m] for n in size for m in size)
    return max(along / squares, LEAST_SCALE) if squares > 0 else 1.0


def _mean_square(products: list[list[float]], labels: int) -> float:
    """How much one label says of one feature, on average: the unit of the shrinkage."""
    trace = sum(row[n] for n, row in enumerate(products))
    return max(trace / len(products) / labels, 1e-9)


def _within(weight: float) -> float:
    return min(max(weight, -MOST_WEIGHT), MOST_WEIGHT)


def _as_high(weights: Weights, first: Weights, labels: Sequence[Label]) -> Weights:
    """The same weights from a base at which the labels' scores are as high as they were."""

    def mean(of: Weights) -> float:
        return sum(weighed(label.counts, of).value for label in labels) / len(labels)

    base = first.base
    for _ in range(8):  # a score is cut at 0 and 1, so that one step is not quite enough
        base = _within(base + mean(first) - mean(replace(weights, base=base)))
    return replace(weights, base=round(base, DIGITS))
