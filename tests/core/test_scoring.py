from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from app.config.weights import shipped_weights
from app.core.measure import measure
from app.core.request import Request
from app.core.scoring import Feature, Scored, Weights, scored, weighed

PROMPTS = yaml.safe_load(Path(__file__).with_name("prompts.yaml").read_text("utf-8"))
WEIGHTS = Weights(
    (
        Feature("words", 0.4, 15),
        Feature("commas", -0.2, 3),
        Feature("proof", 0.3, 1, ("prove", "theorem")),
        Feature("role", 0.1, 1, ("expert",), of="system"),
    ),
    base=0.1,
    name="by hand",
)


def asks(text: str, **more: object) -> Request:
    return replace(Request(model="auto", messages=({"role": "user", "content": text},)), **more)  # type: ignore[arg-type]


def score_of(request: Request, weights: Weights) -> Scored:
    return scored(request, measure(request), weights)


def test_a_feature_adds_its_weight_by_the_logarithm_of_its_count() -> None:
    # log(1 + 3) is half of log(1 + 15)
    assert weighed({"words": 3}, WEIGHTS) == Scored(0.3, {"words": 3}, {"words": 0.2})
    assert weighed({"words": 15}, WEIGHTS).value == 0.5
    assert weighed({"words": 900}, WEIGHTS).value == 0.5


def test_a_score_is_the_sum_of_what_its_features_add_and_never_leaves_its_range() -> None:
    found = score_of(asks("Prove it, and that, and this theorem"), WEIGHTS)
    # seven words add 0.4 * log 8 / log 16, two commas take 0.2 * log 3 / log 4, proof adds 0.3
    assert found.counts == {"proof": 2, "words": 7, "commas": 2}
    assert found.adds == {"proof": 0.3, "words": 0.3, "commas": -0.1585}
    assert found.value == 0.5415
    assert weighed({"commas": 3}, replace(WEIGHTS, base=0.1)).value == 0.0
    assert weighed({"words": 15, "proof": 1}, replace(WEIGHTS, base=0.9)).value == 1.0


def test_words_of_the_system_prompt_count_for_its_own_features_alone() -> None:
    told = asks("hi", system=({"type": "text", "text": "You are an Expert; prove nothing."},))
    assert score_of(told, WEIGHTS).adds == {"words": 0.1, "role": 0.1}


def test_what_the_weights_do_not_name_adds_nothing() -> None:
    found = weighed({"asked": 3}, WEIGHTS)
    assert (found.value, found.adds) == (0.1, {})


def test_without_weights_nothing_is_counted() -> None:
    assert score_of(asks("Prove it."), Weights()) == Scored(0.0)


@pytest.mark.parametrize("prompt", PROMPTS["haiku"])
def test_what_any_model_does_stays_below_the_threshold(prompt: str) -> None:
    assert score_of(asks(prompt), shipped_weights()).value < 0.5


@pytest.mark.parametrize("prompt", PROMPTS["sonnet"])
def test_what_needs_thought_reaches_the_threshold(prompt: str) -> None:
    assert score_of(asks(prompt), shipped_weights()).value >= 0.5


def test_a_prompt_of_any_language_is_scored() -> None:
    for prompt in ("证明每个素数阶群都是循环群。", "", "🙂", "\ud800", "İ" * 5_000):
        assert 0.0 <= score_of(asks(prompt), shipped_weights()).value <= 1.0
