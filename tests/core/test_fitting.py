from __future__ import annotations

import random
from dataclasses import replace

import pytest

from app.core.fitting import Fitted, Label, fit, ranked
from app.core.scoring import Feature, Weights

WEIGHTS = Weights(
    (
        Feature("hard", 0.2, 1, ("hard",)),
        Feature("noise", 0.2, 1, ("noise",)),
        Feature("easy", -0.2, 1, ("easy",)),
        Feature("never", 0.3, 1, ("never",)),
    ),
    base=0.3,
    name="first",
)


def labels(number: int, *, seed: int = 3) -> list[Label]:
    """What needs the strong tier is mostly `hard`; `noise` says nothing, `easy` the wrong way."""
    chance = random.Random(seed)  # noqa: S311 - the same draw in every run
    made = []
    for _ in range(number):
        hard, noise, easy = (chance.random() < 0.5 for _ in range(3))
        strong = chance.random() < (0.6 if hard else 0.1) + (0.3 if easy else 0.0)
        counts = {"hard": hard, "noise": noise, "easy": easy}
        made.append(Label({name: 1 for name, there in counts.items() if there}, strong))
    return made


def weight_of(fitted: Fitted, name: str) -> float:
    return fitted.weights.by_name[name].weight


def test_fitted_weights_rank_labels_that_they_have_not_seen_better() -> None:
    fitted = fit(labels(600), WEIGHTS)
    assert fitted.rank > fitted.first_rank + 0.05
    unseen = labels(2_000, seed=4)
    assert ranked(unseen, fitted.weights) > ranked(unseen, WEIGHTS) + 0.05
    assert weight_of(fitted, "hard") > 3 * weight_of(fitted, "noise")


def test_no_weight_takes_another_sign_and_what_no_label_has_stays() -> None:
    fitted = fit(labels(2_000), WEIGHTS)
    assert weight_of(fitted, "easy") == 0.0  # the labels would have it above
    assert weight_of(fitted, "never") == 0.3


def test_scores_stay_as_high_as_they_were() -> None:
    known = labels(600)
    fitted = fit(known, WEIGHTS)

    def mean(weights: Weights) -> float:
        adds = {each.name: each.weight for each in weights.features}
        sums = [weights.base + sum(adds[name] for name in label.counts) for label in known]
        return sum(min(max(total, 0.0), 1.0) for total in sums) / len(known)

    assert abs(mean(fitted.weights) - mean(WEIGHTS)) < 0.001


def test_labels_that_say_nothing_leave_the_weights_nearly_as_they_are() -> None:
    chance = random.Random(5)  # noqa: S311 - the same draw in every run
    known = [replace(label, strong=chance.random() < 0.5) for label in labels(400)]
    assert fit(known, WEIGHTS).rank < 0.6


def test_the_same_labels_give_the_same_weights() -> None:
    assert fit(labels(300), WEIGHTS) == fit(labels(300), WEIGHTS)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (labels(199), "199 labels are too few: from 200 on"),
        ([Label({}, strong=True)] * 19 + [Label({}, strong=False)] * 300, "19 of 319 labels"),
        ([Label({}, strong=True)] * 300, "300 of 300 labels"),
    ],
)
def test_too_few_labels_are_refused(known: list[Label], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit(known, WEIGHTS)


def test_a_rank_is_how_often_the_right_one_of_two_scores_higher() -> None:
    strong = [Label({"hard": 1}, strong=True), Label({}, strong=True)]
    weak = [Label({"easy": 1}, strong=False), Label({}, strong=False)]
    # of four pairs three are right and one is even
    assert ranked([*strong, *weak], WEIGHTS) == 0.875
    assert ranked(strong, WEIGHTS) == 0.5
