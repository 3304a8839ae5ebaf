"""Limits that are set in the middle of a window."""

from __future__ import annotations

import asyncio

import pytest

from app.core.errors import BudgetExceeded
from app.store.ledger.windows import GlobalBudget
from tests.store.ledger.till import CENT, HAIKU, Till, close_till, open_till, reservation

SONNET = "claude-sonnet-4-6"
WINDOWS = ("none", "day", "week", "month")


@pytest.mark.parametrize("window", WINDOWS)
async def test_a_model_budget_counts_what_the_key_spent_on_the_model_before(
    till: Till, window: str
) -> None:
    key = await till.key(budget_window=window)
    await till.call(reservation(key, CENT, model=SONNET), 4_000_000)
    await till.call(reservation(key, CENT), 9_000_000)
    shown = await till.keys.update(key.id, {"model_budgets": {SONNET: "0.01"}})
    assert shown["model_spend"] == {
        SONNET: {"spent_usd": "0.004", "reserved_usd": "0.00", "remaining_usd": "0.006"}
    }
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(key, CENT, model=SONNET), 0)
    assert refused.value.shortfall.scope == "key_model"
    assert refused.value.shortfall.remaining_nano_usd == 6_000_000


async def test_a_model_budget_sees_a_call_that_is_still_running(till: Till) -> None:
    key = await till.key()
    running = till.hold(reservation(key, CENT))
    await running.__aenter__()
    shown = await till.keys.update(key.id, {"model_budgets": {HAIKU: "0.015"}})
    assert shown["model_spend"][HAIKU]["remaining_usd"] == "0.005"
    with pytest.raises(BudgetExceeded):
        await till.call(reservation(key, CENT), 0)
    await running.__aexit__(None, None, None)


async def test_a_teams_budget_counts_what_its_keys_spent_before(till: Till) -> None:
    team = await till.teams.create({"name": "ops", "budget_window": "week"})
    key = await till.key(team="ops")
    await till.call(reservation(key, CENT), CENT)
    shown = await till.teams.update(team["id"], {"max_budget_usd": "0.015"})
    assert (shown["spent_usd"], shown["remaining_usd"]) == ("0.01", "0.005")
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(key, CENT), 0)
    assert refused.value.shortfall.scope == "team"


async def remaining(till: Till) -> int:
    """What the global limit has left for another key."""
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(await till.key(), 10**12), 0)
    assert refused.value.shortfall.scope == "global"
    return refused.value.shortfall.remaining_nano_usd


@pytest.mark.parametrize("window", WINDOWS)
async def test_a_global_budget_counts_what_all_keys_spent_before(till: Till, window: str) -> None:
    for _ in range(2):
        await till.call(reservation(await till.key(), CENT), 3_000_000)
    till.ledger.set_global_budget(GlobalBudget(50_000_000, window))  # type: ignore[arg-type]
    assert await remaining(till) == 44_000_000
    await till.call(reservation(await till.key(), CENT), 5_000_000)
    assert await remaining(till) == 39_000_000


async def test_a_global_budget_that_returns_counts_what_was_spent_without_it(till: Till) -> None:
    key = await till.key()
    till.ledger.set_global_budget(GlobalBudget(50_000_000, "day"))
    await till.call(reservation(key, CENT), 1_000_000)
    till.ledger.set_global_budget(GlobalBudget(60_000_000, "day"))
    await till.call(reservation(key, CENT), 2_000_000)
    till.ledger.set_global_budget(GlobalBudget())
    estimated = reservation(key, CENT)
    async with till.hold(estimated):
        pass  # charged at its bound
    till.ledger.set_global_budget(GlobalBudget(50_000_000, "day"))
    assert await remaining(till) == 37_000_000
    await till.requests.correct(estimated.request_id, 4_000_000)
    till.ledger.set_global_budget(GlobalBudget(50_000_000, "month"))
    assert await remaining(till) == 43_000_000
    till.ledger.set_global_budget(GlobalBudget(50_000_000, "day"))
    assert await remaining(till) == 43_000_000
    assert (await till.reports.reconcile())["differences"] == []


async def test_a_process_that_starts_with_a_global_budget_counts_the_others_calls(
    postgres_url: str,
) -> None:
    first = await open_till(postgres_url)
    key = await first.key()
    await first.call(reservation(key, CENT), 4_000_000)
    budget = GlobalBudget(50_000_000, "month")
    second = await open_till(postgres_url, global_budget=budget)
    await second.call(reservation(key, CENT), 1_000_000)
    assert await remaining(second) == 45_000_000
    await first.call(reservation(key, CENT), 2_000_000)  # this one has no limit yet
    first.ledger.set_global_budget(budget)
    assert await remaining(first) == 43_000_000
    await asyncio.gather(
        *(till.call(reservation(key, 4_000_000), 1_000_000) for till in (first, second) * 5)
    )
    assert await remaining(first) == 33_000_000
    assert await remaining(second) == 33_000_000
    assert (await first.reports.reconcile())["differences"] == []
    for till in (first, second):
        await close_till(till)


async def test_processes_that_take_up_a_global_budget_at_once_count_it_once(
    postgres_url: str,
) -> None:
    tills = [await open_till(postgres_url) for _ in range(3)]
    key = await tills[0].key()
    await tills[0].call(reservation(key, CENT), 4_000_000)
    for till in tills:
        till.ledger.set_global_budget(GlobalBudget(50_000_000, "day"))
    await asyncio.gather(*(till.call(reservation(key, 3_000_000), 1_000_000) for till in tills * 4))
    assert await remaining(tills[0]) == 34_000_000
    assert (await tills[0].reports.reconcile())["differences"] == []
    for till in tills:
        await close_till(till)
