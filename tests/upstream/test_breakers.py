from __future__ import annotations

import logging

import pytest

from app.core.breaking import State
from app.upstream.breakers import Breakers

PLACE = ("anthropic", "claude-sonnet-4-6")


class World:
    """A clock, and what the breakers told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.changes: list[tuple[str, str, State]] = []
        self.breakers = Breakers(lambda *change: self.changes.append(change), lambda: self.now_s)

    def fails(self, times: int) -> None:
        for _ in range(times):
            self.breakers.failed(*PLACE)


def test_five_failures_in_a_row_open_it_and_one_call_at_a_time_tries_it_again() -> None:
    world = World()
    world.fails(4)
    world.breakers.answered(*PLACE)
    world.fails(4)
    assert world.breakers.admits(*PLACE)
    world.fails(1)
    assert not world.breakers.admits(*PLACE)
    assert world.breakers.states == {PLACE: "open"}
    world.now_s = 30.0
    assert [world.breakers.admits(*PLACE) for _ in range(3)] == [True, False, False]
    assert world.breakers.states == {PLACE: "half_open"}
    world.breakers.answered(*PLACE)
    assert world.breakers.admits(*PLACE)
    assert world.breakers.states == {}
    assert world.changes == [(*PLACE, "open"), (*PLACE, "half_open"), (*PLACE, "closed")]


def test_another_model_and_another_upstream_go_on_as_before() -> None:
    world = World()
    world.fails(5)
    assert world.breakers.admits("anthropic", "claude-haiku-5-5")
    assert world.breakers.admits("second", "claude-sonnet-4-6")


def test_each_change_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tollkeeper.upstream")
    world = World()
    world.fails(7)
    world.breakers.answered(*PLACE)
    told = [(r.levelname, vars(r)["state"], vars(r)["model"]) for r in caplog.records]
    assert told == [
        ("WARNING", "open", "claude-sonnet-4-6"),
        ("INFO", "closed", "claude-sonnet-4-6"),
    ]
