"""Why spend changed: each effect by hand, and in every case they add up to the nano-dollar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.spend_change import FACTORS, OUTPUT, PROMPT, Spent, effects

CATEGORIES = (*PROMPT, OUTPUT)


def spent(calls: int, other: int = 0, **figures: tuple[int, int]) -> Spent:
    """`figures` are tokens and nano-USD by category."""
    given = {name: figures.get(name, (0, 0)) for name in CATEGORIES}
    tokens = {name: tokens for name, (tokens, _) in given.items()}
    return Spent(calls, tokens, {name: nano for name, (_, nano) in given.items()}, other)


# 10 calls of 100 tokens in at 3 and 10 out at 15
ONE = spent(10, input=(1_000, 3_000), output=(100, 1_500))
CASES = [
    # twice as many of the same
    ({"s": spent(20, input=(2_000, 6_000), output=(200, 3_000))}, (4_500, 0, 0, 0, 0, 0)),
    # 50 tokens more in each prompt: 10 x 50 x 3
    ({"s": spent(10, input=(1_500, 4_500), output=(100, 1_500))}, (0, 1_500, 0, 0, 0, 0)),
    # input at 2 in place of 3
    ({"s": spent(10, input=(1_000, 2_000), output=(100, 1_500))}, (0, 0, 0, 0, -1_000, 0)),
    # a search for 700
    ({"s": spent(10, 700, input=(1_000, 3_000), output=(100, 1_500))}, (0, 0, 0, 0, 0, 700)),
    # nothing any more
    ({}, (-4_500, 0, 0, 0, 0, 0)),
]


@pytest.mark.parametrize(("after", "wanted"), CASES)
def test_one_factor_alone(after: dict[str, Spent], wanted: tuple[int, ...]) -> None:
    assert effects({"s": ONE}, after) == dict(zip(FACTORS, wanted, strict=True))


def test_cache_is_what_is_read_in_place_of_fresh() -> None:
    before = {"s": spent(10, input=(900, 2_700), cache_read=(100, 30), output=(100, 1_500))}
    after = {"s": spent(10, input=(500, 1_500), cache_read=(500, 150), output=(100, 1_500))}
    found = effects(before, after)
    assert found == dict.fromkeys(FACTORS, 0) | {"cache": -1_080}  # 400 x (0.3 - 3)


def test_mix_is_what_another_model_does_of_the_same() -> None:
    before = {"s": ONE, "h": spent(10, input=(1_000, 1_000), output=(100, 500))}
    after = {
        "s": spent(5, input=(500, 1_500), output=(50, 750)),
        "h": spent(15, input=(1_500, 1_500), output=(150, 750)),
    }
    found = effects(before, after)
    assert found == dict.fromkeys(FACTORS, 0) | {"mix": -1_500}  # 500 x (1 - 3) + 50 x (5 - 15)


def test_a_model_that_is_new_is_mix_at_its_own_prices() -> None:
    after = {"h": spent(10, input=(1_000, 1_000), output=(100, 500))}
    assert effects({"s": ONE}, after) == dict.fromkeys(FACTORS, 0) | {"mix": -3_000}


def test_from_nothing_all_is_calls() -> None:
    assert effects({}, {"s": ONE}) == dict.fromkeys(FACTORS, 0) | {"calls": 4_500}
    assert effects({}, {}) == dict.fromkeys(FACTORS, 0)


figures = st.tuples(st.integers(0, 50), st.integers(0, 10**6)).map(
    lambda pair: pair if pair[0] else (0, 0)
)
sides = st.dictionaries(
    st.sampled_from("abc"),
    st.builds(
        spent,
        st.integers(0, 9),
        st.integers(-1_000, 10**6),
        **dict.fromkeys(CATEGORIES, figures),
    ),
)


@given(sides, sides)
def test_the_effects_add_up_whatever_the_ranges_hold(
    before: dict[str, Spent], after: dict[str, Spent]
) -> None:
    found = effects(before, after)
    assert tuple(found) == FACTORS
    totals = [sum(each.total_nano_usd for each in side.values()) for side in (before, after)]
    assert sum(found.values()) == totals[1] - totals[0]


@given(sides)
def test_what_has_not_changed_has_no_effects(side: dict[str, Spent]) -> None:
    assert effects(side, side) == dict.fromkeys(FACTORS, 0)
