"""When a model at an upstream is given a rest, by a table of what happens to it."""

from __future__ import annotations

import pytest

from app.core.breaking import HEALTHY, Health, State, after_admission, after_failure

FAILS, ASKS = "fails", "asks"
STORIES: list[tuple[list[tuple[float, str]], float, State, bool]] = [
    # what happens when, then at that second: its state, and whether a call is let in
    ([], 0, "closed", True),
    ([(0, FAILS)] * 4, 1, "closed", True),
    ([(0, FAILS)] * 5, 1, "open", False),
    ([(0, FAILS)] * 5, 29.9, "open", False),
    ([(0, FAILS)] * 5, 30, "open", True),
    ([*[(0, FAILS)] * 5, (30, ASKS)], 30.1, "half_open", False),
    ([*[(0, FAILS)] * 5, (30, ASKS)], 59.9, "half_open", False),
    ([*[(0, FAILS)] * 5, (30, ASKS)], 60, "half_open", True),
    ([*[(0, FAILS)] * 5, (30, ASKS), (35, FAILS)], 60, "open", False),
    ([*[(0, FAILS)] * 5, (30, ASKS), (35, FAILS)], 65, "open", True),
    ([*[(0, FAILS)] * 5, (10, FAILS)], 39.9, "open", False),
    ([*[(0, FAILS)] * 5, (10, FAILS)], 40, "open", True),
]


@pytest.mark.parametrize(("story", "second", "state", "lets_in"), STORIES)
def test_the_state_follows_from_what_happened(
    story: list[tuple[float, str]], second: float, state: State, *, lets_in: bool
) -> None:
    health = HEALTHY
    for now_s, what in story:
        health = after_failure(health, now_s) if what == FAILS else admitted(health, now_s)
    assert health.state == state
    assert (after_admission(health, second) is not None) is lets_in


def admitted(health: Health, now_s: float) -> Health:
    after = after_admission(health, now_s)
    assert after is not None
    return after
