"""Calls that wait for running ones to end, on each database."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from app.core.errors import BudgetExceeded, LedgerUnavailable
from app.core.keys import Key
from app.ports import Reservation
from app.store.ledger.windows import GlobalBudget
from tests.store.ledger.till import CENT, Till, charge, close_till, open_till, reservation

SONNET = "claude-sonnet-4-6"


def patient(key: Key, bound: int = CENT, **changes: Any) -> Reservation:
    return reservation(key, bound, may_wait=True, **changes)


async def entered(till: Till, asked: Reservation) -> Any:
    """A hold that stays open until the test leaves it."""
    hold = till.hold(asked)
    await hold.__aenter__()
    return hold


async def leave(hold: Any, cost: int) -> None:
    hold.settle(charge(cost))
    await hold.__aexit__(None, None, None)


async def test_a_call_waits_for_one_that_holds_what_it_needs(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.01")
    running = await entered(till, reservation(key, 8_000_000))
    waiting = asyncio.create_task(till.call(patient(key, 5_000_000), 1_000_000))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    started = time.monotonic()
    await leave(running, 2_000_000)
    await asyncio.wait_for(waiting, 10)
    assert time.monotonic() - started < 10
    assert await till.sums(key) == ("0.003", "0.00", "0.007")


async def test_whoever_waited_in_vain_is_told_how_the_budget_stands(till: Till) -> None:
    till.ledger.set_wait_for_holds(0.4)
    key = await till.key(max_budget_usd="0.01")
    await till.call(reservation(key), 1_000_000)
    running = [await entered(till, reservation(key, 3_000_000)) for _ in range(2)]
    started = time.monotonic()
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(patient(key, 5_000_000), 0)
    assert 0.4 <= time.monotonic() - started < 10
    short = refused.value.shortfall
    assert (short.scope, short.limit_nano_usd, short.spent_nano_usd) == ("key", CENT, 1_000_000)
    assert (short.held_nano_usd, short.running_calls) == (6_000_000, 2)
    assert (short.remaining_nano_usd, short.needed_nano_usd) == (3_000_000, 5_000_000)
    assert short.holds_alone
    for hold in running:
        await leave(hold, 0)


async def test_an_exhausted_budget_refuses_at_once(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.01")
    await till.call(reservation(key), 6_000_000)
    running = await entered(till, reservation(key, 4_000_000))
    started = time.monotonic()
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(patient(key, 5_000_000), 0)
    assert time.monotonic() - started < 10
    assert not refused.value.shortfall.holds_alone
    assert refused.value.shortfall.running_calls == 1
    await leave(running, 0)


async def test_a_cost_that_exhausts_the_budget_ends_the_wait(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.01")
    running = await entered(till, reservation(key, 8_000_000))
    waiting = asyncio.create_task(till.call(patient(key, 5_000_000), 0))
    await asyncio.sleep(0.1)
    await leave(running, 8_000_000)
    with pytest.raises(BudgetExceeded) as refused:
        await asyncio.wait_for(waiting, 20)
    assert not refused.value.shortfall.holds_alone


@pytest.mark.parametrize("scope", ["key", "key_model", "team", "global"])
async def test_running_calls_are_counted_in_every_scope(till: Till, scope: str) -> None:
    till.ledger.set_wait_for_holds(0)
    limit = {"max_budget_usd": "0.01"}
    await till.teams.create({"name": "ops", **(limit if scope == "team" else {})})
    if scope == "global":
        till.ledger.set_global_budget(GlobalBudget(CENT, "day"))
    own: dict[str, dict[str, Any]] = {
        "key": limit,
        "key_model": {"model_budgets": {SONNET: "0.01"}},
    }
    key = await till.key(team="ops", **own.get(scope, {}))
    other = await till.key(team="ops")
    running = [await entered(till, reservation(key, 3_000_000, model=SONNET)) for _ in range(3)]
    beside = await entered(till, reservation(other, 500_000))
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(patient(key, 5_000_000, model=SONNET), 0)
    short = refused.value.shortfall
    wide = scope in ("team", "global")
    assert (short.scope, short.running_calls) == (scope, 4 if wide else 3)
    assert short.held_nano_usd == (9_500_000 if wide else 9_000_000)
    for hold in (*running, beside):
        await leave(hold, 0)


async def test_who_came_first_is_let_in_first(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.01")
    running = await entered(till, reservation(key, 8_000_000))
    order: list[int] = []

    async def call(number: int, bound: int) -> None:
        async with till.hold(patient(key, bound)) as hold:
            order.append(number)
            await asyncio.sleep(0.01)
            hold.settle(charge(0))

    waiting = []
    for number, bound in enumerate((9_000_000, 1_000_000, 9_500_000, 500_000)):
        waiting.append(asyncio.create_task(call(number, bound)))
        await asyncio.sleep(0.05)
    assert order == []  # the second and fourth would fit, and don't overtake
    await leave(running, 0)
    await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert order == [0, 1, 2, 3]


async def test_a_key_that_waits_for_its_teams_budget_holds_up_no_other(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    await till.teams.create({"name": "ops", "max_budget_usd": "0.01"})
    big, small = await till.key(team="ops"), await till.key(team="ops")
    running = await entered(till, reservation(big, 8_000_000))
    waiting = asyncio.create_task(till.call(patient(big, 5_000_000), 0))
    await asyncio.sleep(0.1)
    await asyncio.wait_for(till.call(patient(small, 1_000_000), 0), 10)
    assert not waiting.done()
    await leave(running, 0)
    await waiting


async def test_a_caller_who_leaves_the_line_holds_nothing_and_delays_nobody(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.01")
    running = await entered(till, reservation(key, 8_000_000))
    gone = asyncio.create_task(till.call(patient(key, 9_000_000), 0))
    await asyncio.sleep(0.1)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asyncio.wait_for(till.call(patient(key, 1_000_000), 0), 10)
    await leave(running, 0)
    assert await till.sums(key) == ("0.00", "0.00", "0.01")


async def test_a_limit_that_is_raised_lets_in_who_waits(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.01")
    running = await entered(till, reservation(key, 8_000_000))
    waiting = asyncio.create_task(till.call(patient(key, 5_000_000), 0))
    await asyncio.sleep(0.1)
    await till.keys.update(key.id, {"max_budget_usd": "1.00"})
    await asyncio.wait_for(waiting, 20)
    await leave(running, 0)


async def test_many_who_wait_are_all_served_within_the_budget(till: Till) -> None:
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.05")
    calls = [till.call(patient(key), 100_000) for _ in range(150)]
    await asyncio.wait_for(asyncio.gather(*calls), 60)
    assert await till.sums(key) == ("0.015", "0.00", "0.035")


async def test_a_gateway_that_stops_lets_nobody_wait(url: str) -> None:
    till = await open_till(url)
    till.ledger.set_wait_for_holds(30)
    key = await till.key(max_budget_usd="0.01")
    running = await entered(till, reservation(key, 8_000_000))
    waiting = [asyncio.create_task(till.call(patient(key, 5_000_000), 0)) for _ in range(40)]
    await asyncio.sleep(0.3)
    await asyncio.wait_for(till.ledger.close(), 20)
    ends = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 20)
    assert {type(end) for end in ends} <= {BudgetExceeded, LedgerUnavailable}
    await leave(running, 0)
    await till.database.close()


async def test_a_call_waits_for_one_of_another_process(postgres_url: str) -> None:
    first, second = await open_till(postgres_url), await open_till(postgres_url)
    second.ledger.set_wait_for_holds(30)
    key = await first.key(max_budget_usd="0.01")
    running = await entered(first, reservation(key, 8_000_000))
    waiting = asyncio.create_task(second.call(patient(key, 5_000_000), 0))
    await asyncio.sleep(0.3)
    await leave(running, 0)
    await asyncio.wait_for(waiting, 20)
    for till in (first, second):
        await close_till(till)
