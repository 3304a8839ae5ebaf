"""Attempts with one limit share a timer, and each ends at its own time."""

from __future__ import annotations

import asyncio

import pytest

from app.upstream.anthropic.deadlines import Deadline, Deadlines


async def attempt(deadlines: Deadlines, takes_s: float) -> str:
    deadline = deadlines.begin()
    try:
        await asyncio.sleep(takes_s)
    except asyncio.CancelledError:
        if not deadline.cut_it_short():
            raise
        return "late"
    finally:
        deadlines.end(deadline)
    return "in time"


async def test_attempts_that_overlap_each_have_the_whole_limit() -> None:
    deadlines = Deadlines(0.3)
    loop = asyncio.get_running_loop()
    ended_s = []

    async def slow(begins_s: float) -> str:
        await asyncio.sleep(begins_s)
        begun_s = loop.time()
        told = await attempt(deadlines, 30)
        ended_s.append(loop.time() - begun_s)
        return told

    found = await asyncio.gather(slow(0), slow(0.1), slow(0.2))
    assert tuple(found) == ("late", "late", "late")
    assert all(0.29 <= took_s < 5 for took_s in ended_s)


async def test_one_that_ends_in_time_is_left_alone_and_the_next_one_is_not_cut_early() -> None:
    deadlines = Deadlines(0.8)
    assert await attempt(deadlines, 0.5) == "in time"
    assert await attempt(deadlines, 0.5) == "in time"  # the first one's timer rings within it
    assert await attempt(deadlines, 30) == "late"


async def test_whoever_is_cancelled_by_another_is_not_late() -> None:
    deadlines = Deadlines(0.1)
    task = asyncio.create_task(attempt(deadlines, 30))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await attempt(deadlines, 30) == "late"


async def test_whoever_is_cancelled_by_another_at_the_same_moment_is_not_late() -> None:
    deadline: Deadline | None = None

    async def attempt_cut_twice() -> bool:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return deadline is not None and deadline.cut_it_short()
        return False

    task = asyncio.create_task(attempt_cut_twice())
    deadline = Deadline(task, 0.0)
    await asyncio.sleep(0)
    deadline.ring()
    task.cancel()
    assert await task is False


async def test_a_task_may_go_on_after_it_was_late() -> None:
    deadlines = Deadlines(0.05)
    assert await attempt(deadlines, 30) == "late"
    this = asyncio.current_task()
    assert this is not None
    assert this.cancelling() == 0
    await asyncio.sleep(0.1)
