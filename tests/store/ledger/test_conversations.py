"""A conversation's budget: hard within its key and window, and nothing to calls without one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.core.errors import BudgetExceeded
from app.core.keys import Key
from app.store.ledger.windows import GlobalBudget
from tests.store.ledger.till import CENT, Till, charge, close_till, open_till, reservation

ONE, TWO = "00000000000000c1", "00000000000000c2"
LIMITED = {"conversation_budget_usd": "0.01"}


async def entered(till: Till, key: Key, bound: int, conversation: str = ONE) -> Any:
    booked = till.hold(reservation(key, bound, conversation=conversation))
    await booked.__aenter__()
    return booked


async def leave(booked: Any, cost: int) -> None:
    booked.settle(charge(cost))
    await booked.__aexit__(None, None, None)


async def standing(till: Till, key: Key, conversation: str = ONE) -> tuple[str, int, int, int]:
    """Scope, spent, held and running calls, as a call is told that does not fit."""
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(key, 10**14, conversation=conversation), 0)
    short = refused.value.shortfall
    return short.scope, short.spent_nano_usd, short.held_nano_usd, short.running_calls


async def balances(till: Till) -> bool:
    found = await till.reports.reconcile()
    assert found["differences"] == []
    return bool(found["consistent"])


async def test_each_conversation_of_a_key_has_the_whole_budget_and_no_more(till: Till) -> None:
    key, other = await till.key(**LIMITED), await till.key(**LIMITED)
    await till.call(reservation(key, CENT, conversation=ONE), 8_000_000)
    with pytest.raises(BudgetExceeded, match=r"the conversation budget of 0\.01 USD has 0\.002"):
        await till.call(reservation(key, 2_000_001, conversation=ONE), 0)
    for owner, name in ((key, TWO), (other, ONE)):
        await till.call(reservation(owner, CENT, conversation=name), 1_000_000)
    await till.call(reservation(key, 2_000_000, conversation=ONE), 2_000_000)
    running = await entered(till, key, 9_000_000, TWO)
    assert await standing(till, key) == ("conversation", CENT, 0, 0)
    assert await standing(till, key, TWO) == ("conversation", 1_000_000, 9_000_000, 1)
    await leave(running, 4_000_000)
    assert await standing(till, key, TWO) == ("conversation", 5_000_000, 0, 0)
    assert await balances(till)


async def test_a_key_without_the_limit_keeps_no_sums_of_conversations(till: Till) -> None:
    key = await till.key(max_budget_usd="1.00")
    await till.call(reservation(key, conversation=ONE), 1_000)
    found = await till.database.run(
        lambda connection: connection.exec_driver_sql("SELECT scope_kind FROM windows").all()
    )
    assert {row[0] for row in found} == {"key", "key_model"}


async def test_what_is_left_of_a_conversation_is_told_where_it_is_the_least(till: Till) -> None:
    key = await till.key(max_budget_usd="0.05", **LIMITED)
    async with till.hold(reservation(key, 5_000_000, conversation=ONE)) as booked:
        booked.settle(charge(3_000_000))
    assert booked.hold.remaining_nano_usd == 7_000_000
    assert await till.sums(key) == ("0.003", "0.00", "0.047")


async def test_fifty_calls_at_once_of_one_conversation_pass_its_budget_by_nothing(
    till: Till,
) -> None:
    key = await till.key(**LIMITED)
    outcomes = await asyncio.gather(
        *(till.call(reservation(key, 700_000, conversation=ONE), 700_000) for _ in range(50)),
        return_exceptions=True,
    )
    assert [outcome for outcome in outcomes if outcome is None] == [None] * 14
    assert all(isinstance(each, BudgetExceeded) for each in outcomes if each is not None)
    assert await standing(till, key) == ("conversation", 9_800_000, 0, 0)
    assert await balances(till)


async def test_a_waiting_call_of_the_conversation_is_let_in_when_another_ends(till: Till) -> None:
    key = await till.key(**LIMITED)
    running = await entered(till, key, 8_000_000)
    asked = reservation(key, 5_000_000, conversation=ONE, may_wait=True)
    waiting = asyncio.ensure_future(till.call(asked, 5_000_000))
    await asyncio.sleep(0.05)
    await till.call(reservation(key, CENT, conversation=TWO, may_wait=True), 1_000)
    assert not waiting.done()
    await leave(running, 1_000_000)
    await waiting
    assert await standing(till, key) == ("conversation", 6_000_000, 0, 0)


async def test_another_attempt_is_held_in_the_conversation_too(till: Till) -> None:
    key = await till.key(**LIMITED)
    booked = await entered(till, key, 4_000_000)
    assert await booked.extend(kept=4_000_000)
    assert await standing(till, key) == ("conversation", 0, 8_000_000, 1)
    assert not await booked.extend(kept=4_000_000)
    await leave(booked, 2_000_000)
    assert await standing(till, key) == ("conversation", 6_000_000, 0, 0)
    assert await balances(till)


async def test_a_limit_that_is_set_finds_what_was_spent_and_is_held_before(till: Till) -> None:
    key = await till.key(budget_window="week")
    await till.call(reservation(key, conversation=ONE), 2_000_000)
    await till.call(reservation(key, conversation=TWO), 9_999_999)
    running = await entered(till, key, 3_000_000)
    await till.keys.update(key.id, LIMITED)
    assert await standing(till, key) == ("conversation", 2_000_000, 3_000_000, 1)
    with pytest.raises(BudgetExceeded):
        await till.call(reservation(key, 2, conversation=TWO), 0)
    await till.call(reservation(key, 1, conversation=TWO), 1)
    assert await balances(till)
    await leave(running, 1_000_000)
    assert await standing(till, key) == ("conversation", 3_000_000, 0, 0)
    assert await balances(till)


async def test_a_limit_that_was_lifted_for_a_while_counts_that_while_too(till: Till) -> None:
    key = await till.key(**LIMITED)
    await till.call(reservation(key, conversation=ONE), 1_000_000)
    await till.call(reservation(key, conversation=TWO), 1_000)
    await till.keys.update(key.id, {"conversation_budget_usd": None})
    await till.call(reservation(key, 2 * CENT, conversation=ONE), 2_000_000)
    running = await entered(till, key, 4_000_000)
    for _ in range(2):
        await till.keys.update(key.id, LIMITED)
        assert await standing(till, key) == ("conversation", 3_000_000, 4_000_000, 1)
    await leave(running, 500_000)
    assert await standing(till, key) == ("conversation", 3_500_000, 0, 0)
    assert await standing(till, key, TWO) == ("conversation", 1_000, 0, 0)
    await till.keys.update(key.id, {"conversation_budget_usd": None})
    await till.keys.update(key.id, LIMITED)
    assert await standing(till, key) == ("conversation", 3_500_000, 0, 0)
    assert await balances(till)


@pytest.mark.parametrize(("before", "after"), [("none", "day"), ("day", "month"), ("week", "none")])
async def test_open_calls_follow_into_a_window_of_another_length(
    till: Till, before: str, after: str
) -> None:
    key = await till.key(budget_window=before, **LIMITED)
    await till.call(reservation(key, conversation=ONE), 1_000_000)
    running = await entered(till, key, 2_000_000)
    for window in (after, before, after):
        await till.keys.update(key.id, {"budget_window": window})
    assert await standing(till, key) == ("conversation", 0, 2_000_000, 1)
    await till.keys.update(key.id, {"budget_window": before})
    assert await standing(till, key) == ("conversation", 1_000_000, 2_000_000, 1)
    await leave(running, 500_000)
    assert await standing(till, key) == ("conversation", 1_500_000, 0, 0)
    assert await balances(till)


async def test_a_corrected_call_is_corrected_in_its_conversation(till: Till) -> None:
    key = await till.key(**LIMITED)
    asked = reservation(key, 6_000_000, conversation=ONE)
    async with till.hold(asked) as booked:
        booked.settle(charge(6_000_000, "estimated"))
    await till.requests.correct(asked.request_id, 1_500_000)
    assert await standing(till, key) == ("conversation", 1_500_000, 0, 0)
    assert await balances(till)


async def test_a_lost_call_is_charged_in_its_conversation(url: str) -> None:
    till = await open_till(url, lease_s=1.0)
    key = await till.key(**LIMITED)
    await entered(till, key, 3_000_000)
    await close_till(till)
    again = await open_till(url)
    assert await standing(again, key) == ("conversation", 3_000_000, 0, 0)
    assert await balances(again)
    await close_till(again)


async def test_conversations_of_many_keys_and_a_global_budget_fit_together(till: Till) -> None:
    till.ledger.set_global_budget(GlobalBudget(20 * CENT, "day"))
    owners = [await till.key(**LIMITED) for _ in range(4)]
    asked = [
        reservation(owner, 3_000_000, conversation=name)
        for owner in owners
        for name in (ONE, TWO)
        for _ in range(5)
    ]
    outcomes = await asyncio.gather(
        *(till.call(each, 3_000_000) for each in asked), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if outcome is None] == [None] * 24
    for owner in owners:
        for name in (ONE, TWO):
            assert await standing(till, owner, name) == ("conversation", 9_000_000, 0, 0)
    assert await balances(till)
