"""Limits that are switched on while calls run count what those hold, and then what they cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.core.errors import BudgetExceeded
from app.core.keys import Key
from app.store.ledger.windows import GlobalBudget
from tests.store.ledger.till import CENT, Till, charge, close_till, open_till, reservation

SONNET = "claude-sonnet-4-6"


async def entered(till: Till, key: Key, bound: int, **changes: Any) -> Any:
    booked = till.hold(reservation(key, bound, **changes))
    await booked.__aenter__()
    return booked


async def leave(booked: Any, cost: int) -> None:
    booked.settle(charge(cost))
    await booked.__aexit__(None, None, None)


async def standing(till: Till, key: Key, scope: str) -> tuple[int, int]:
    """What is spent and held in a scope that a huge call does not fit into."""
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(key, 10**14), 0)
    short = refused.value.shortfall
    assert short.scope == scope
    return short.spent_nano_usd, short.held_nano_usd


@pytest.mark.parametrize("window", ["none", "day", "week", "month"])
async def test_a_global_budget_counts_the_calls_that_run(till: Till, window: Any) -> None:
    key, other = await till.key(), await till.key()
    running = [await entered(till, each, 2_000_000) for each in (key, other)]
    till.ledger.set_global_budget(GlobalBudget(CENT, window))
    assert await standing(till, key, "global") == (0, 4_000_000)
    with pytest.raises(BudgetExceeded):
        await till.call(reservation(other, 7_000_000), 0)
    await leave(running[0], 500_000)
    assert await standing(till, key, "global") == (500_000, 2_000_000)
    await till.call(reservation(other, 7_000_000), 1_000_000)
    await leave(running[1], 300_000)
    assert await standing(till, key, "global") == (1_800_000, 0)


async def test_a_global_budget_of_another_length_counts_the_calls_that_run(till: Till) -> None:
    key = await till.key()
    before = await entered(till, key, 1_000_000)
    till.ledger.set_global_budget(GlobalBudget(CENT, "day"))
    beside = await entered(till, key, 2_000_000)
    till.ledger.set_global_budget(GlobalBudget())
    without = await entered(till, key, 4_000_000)
    till.ledger.set_global_budget(GlobalBudget(CENT, "month"))
    assert await standing(till, key, "global") == (0, 7_000_000)
    for booked in (before, beside, without):
        await leave(booked, 100_000)
    assert await standing(till, key, "global") == (300_000, 0)


async def test_a_running_call_that_is_lost_is_charged_where_it_was_moved(url: str) -> None:
    till = await open_till(url, lease_s=1.0)
    key = await till.key()
    await entered(till, key, 3_000_000)
    till.ledger.set_global_budget(GlobalBudget(CENT, "day"))
    assert await standing(till, key, "global") == (0, 3_000_000)
    await close_till(till)
    again = await open_till(url, global_budget=GlobalBudget(CENT, "day"))
    assert await standing(again, key, "global") == (3_000_000, 0)
    assert (await again.reports.reconcile())["differences"] == []
    await close_till(again)


async def test_another_hold_of_a_call_that_was_moved_is_not_let_through_uncounted(
    till: Till,
) -> None:
    key = await till.key()
    booked = await entered(till, key, 1_000_000)
    till.ledger.set_global_budget(GlobalBudget(CENT, "day"))
    assert await standing(till, key, "global") == (0, 1_000_000)
    assert not await booked.extend(kept=1_000_000)
    await leave(booked, 1_000_000)
    assert (await standing(till, key, "global"))[1] == 0


LENGTHS = [("none", "day"), ("day", "month"), ("month", "none")]


@pytest.mark.parametrize(("before", "after"), LENGTHS)
async def test_a_keys_limits_count_the_calls_that_run(till: Till, before: str, after: str) -> None:
    key = await till.key(budget_window=before)
    await till.call(reservation(key), 100_000)
    running = [
        await entered(till, key, 2_000_000),
        await entered(till, key, 3_000_000, model=SONNET),
    ]
    fields = {"max_budget_usd": "0.01", "budget_window": after, "model_budgets": {SONNET: "0.004"}}
    await till.keys.update(key.id, fields)
    assert await standing(till, key, "key") == (0, 5_000_000)
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(key, 2_000_000, model=SONNET), 0)
    assert (refused.value.shortfall.scope, refused.value.shortfall.held_nano_usd) == (
        "key_model",
        3_000_000,
    )
    for booked in running:
        await leave(booked, 400_000)
    assert await till.sums(key) == ("0.0008", "0.00", "0.0092")


async def test_a_teams_limit_counts_the_calls_that_run(till: Till) -> None:
    team = await till.teams.create({"name": "ops"})
    key = await till.key(team="ops")
    booked = await entered(till, key, 2_000_000)
    await till.teams.update(team["id"], {"max_budget_usd": "0.01", "budget_window": "week"})
    assert await standing(till, key, "team") == (0, 2_000_000)
    await leave(booked, 400_000)
    assert await standing(till, key, "team") == (400_000, 0)


async def test_calls_of_every_process_are_counted(postgres_url: str) -> None:
    first, second = await open_till(postgres_url), await open_till(postgres_url)
    key = await first.key()
    running = [await entered(till, key, 2_000_000) for till in (first, second)]
    first.ledger.set_global_budget(GlobalBudget(CENT, "day"))
    assert await standing(first, key, "global") == (0, 4_000_000)
    late = await entered(second, key, 1_000_000)  # this process has not read its config yet
    second.ledger.set_global_budget(GlobalBudget(CENT, "day"))
    assert await standing(second, key, "global") == (0, 5_000_000)
    for booked in (*running, late):
        await leave(booked, 100_000)
    assert await standing(first, key, "global") == (300_000, 0)
    assert (await first.reports.reconcile())["differences"] == []
    for till in (first, second):
        await close_till(till)


async def test_a_budget_may_be_switched_while_many_calls_begin_and_end(till: Till) -> None:
    key = await till.key()
    stop = asyncio.Event()

    async def caller() -> None:
        while not stop.is_set():
            await till.call(reservation(key, 10_000), 1_000)

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    for window in ("day", "month", "none", "week"):
        await asyncio.sleep(0.2)
        till.ledger.set_global_budget(GlobalBudget(10**12, window))
        await till.keys.update(key.id, {"budget_window": window})
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*callers), 20)
    shown = await till.keys.get(key.id)
    assert shown["reserved_usd"] == "0.00"
