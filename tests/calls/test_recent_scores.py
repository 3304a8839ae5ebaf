from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from app.calls.recent_scores import RecentScores
from app.calls.story import process
from app.core.caching import CacheRules
from app.core.preparation import Policy
from app.core.routing import Reason, Route, Rules
from app.core.scoring import Feature, Weights
from tests.calls.fakes import After
from tests.calls.told import ANSWER, set_up
from tests.core.catalogs import CATALOG

SHARED = Rules(threshold=0.5, strong_share=0.3)


def decided(scores: Iterable[float], recent: RecentScores, rules: Rules = SHARED) -> list[bool]:
    """Which of the calls went to the strongest tier."""
    strong = []
    for score in scores:
        threshold = recent.threshold(rules)
        limit = rules.threshold if threshold is None else threshold
        strong.append(score >= limit)
        recent.add(Route("haiku", score, Reason.SCORE, limit))
    return strong


def share(strong: list[bool]) -> float:
    return sum(strong) / len(strong)


def drawn(low: float, high: float, calls: int) -> list[float]:
    chance = random.Random(7)  # noqa: S311 - the same draw in every run
    return [round(chance.uniform(low, high), 4) for _ in range(calls)]


def test_until_enough_calls_are_known_the_fixed_threshold_holds() -> None:
    recent = RecentScores()
    assert decided([0.6] * 50, recent) == [True] * 50
    assert recent.threshold(SHARED) == 0.6001  # all of them went there: more than three in ten
    assert recent.threshold(Rules()) is None


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.2), (0.3, 0.6), (0.6, 1.0)])
def test_about_the_share_goes_to_the_strongest_tier_whatever_the_scores(
    low: float, high: float
) -> None:
    strong = decided(drawn(low, high, 4_000), RecentScores())
    assert 0.28 <= share(strong[1_000:]) <= 0.32


def test_of_equal_scores_as_many_go_there_as_the_share_asks_for() -> None:
    strong = decided([0.2] * 4_000, RecentScores())
    assert 0.28 <= share(strong[1_000:]) <= 0.32
    mixed = decided([0.1, 0.4] * 2_000, RecentScores())
    assert not any(mixed[100::2])  # the easier half never goes
    assert 0.28 <= share(mixed[1_000:]) <= 0.32


def test_the_threshold_follows_when_the_calls_change() -> None:
    recent = RecentScores()
    decided(drawn(0.0, 0.3, 2_000), recent)
    decided(drawn(0.5, 0.9, 1_000), recent)
    assert 0.28 <= share(decided(drawn(0.5, 0.9, 2_000), recent)) <= 0.32


def test_another_share_is_another_threshold_over_the_same_calls() -> None:
    recent = RecentScores()
    decided([n / 100 for n in range(100)], recent)
    # the strong ones so far: 0.5 to 0.99, of which more than a tenth and less than nine tenths
    assert recent.threshold(Rules(strong_share=0.9)) == 0.1
    assert recent.threshold(Rules(strong_share=0.1)) == 0.9001
    assert recent.threshold(Rules(strong_share=0.0)) == 1.0


def test_what_scores_one_by_a_hard_rule_always_goes_there() -> None:
    recent = RecentScores()
    assert all(decided([1.0] * 500, recent, Rules(strong_share=0.1)))


def test_what_the_caller_decided_says_nothing() -> None:
    recent = RecentScores()
    for _ in range(100):
        recent.add(Route("sonnet", 0.0, Reason.FORCED_TIER))
    assert recent.threshold(SHARED) is None


async def test_a_calls_score_is_held_against_those_before_it_and_reloads_forget_none() -> None:
    weights = Weights((Feature("words", 0.4, 15),), 0.0, "length")
    plain = Policy(CATALOG, Rules(weights=weights), CacheRules(mode="off"))
    shared = replace(plain, rules=replace(plain.rules, strong_share=0.1))
    told, gateway, incoming = set_up([], policy=plain, model="auto")
    for words in (3, 1, 1, 1, 1) * 10:
        user = {"role": "user", "content": "word " * words}
        asked = replace(incoming.request, messages=(user,))
        told.upstream.script.append(After(1.0, ANSWER))
        await process(replace(incoming, request=asked), gateway)
    gateway = replace(gateway, policy=shared)
    told.upstream.script.append(After(1.0, ANSWER))
    asked = replace(incoming.request, messages=({"role": "user", "content": "one two three"},))
    await process(replace(incoming, request=asked), gateway)
    # the fifth highest of fifty scores is 0.4 * log 4 / log 16
    last = told.recordings.calls[-1].route
    assert (last.tier, last.threshold) == ("sonnet", 0.2)


def test_a_share_that_is_asked_for_later_follows_the_calls_that_were_before() -> None:
    always, later = RecentScores(window=60), RecentScores(window=60)
    scores = drawn(0.2, 0.9, 100)
    for score in scores:
        for recent in (always, later):
            recent.add(Route("haiku", score, Reason.SCORE, 0.5))
        always.threshold(SHARED)
    assert later.threshold(SHARED) == always.threshold(SHARED) == sorted(scores[40:])[-18] + 1e-4
