"""Budgets of conversations as they stand."""

from __future__ import annotations

from typing import Any

from app.store.records.conversations import Conversations
from tests.store.ledger.till import CENT, Till, charge, reservation


async def test_the_latest_conversations_of_limiting_keys_tell_how_they_stand(till: Till) -> None:
    ann = await till.key(name="ann", conversation_budget_usd="0.01", budget_window="day")
    bob = await till.key(name="bob", conversation_budget_usd="2")
    free, gone = await till.key(), await till.key(conversation_budget_usd="1")
    conversations = Conversations(till.database)
    assert await conversations.standing() == []

    async def call(key: Any, name: str, cost: int) -> None:
        await till.call(reservation(key, CENT // 2, conversation=name), cost)

    await call(ann, "00000000000000a1", 1_000_000)
    await call(ann, "00000000000000a2", 3_000_000)
    await call(free, "00000000000000f1", 1_000)
    await call(gone, "00000000000000e1", 1_000)
    await till.keys.revoke(gone.id)
    await call(bob, "00000000000000a1", 7)
    await call(ann, "00000000000000a1", 2_000_000)
    async with till.hold(reservation(ann, 4_000_000, conversation="00000000000000a1")) as booked:
        found = await conversations.standing()
        booked.settle(charge(5))
    shown = [(each["key_name"], each["conversation"], each["spent_usd"]) for each in found]
    assert shown == [
        ("ann", "00000000000000a1", "0.003"),
        ("bob", "00000000000000a1", "0.000000007"),
        ("ann", "00000000000000a2", "0.003"),
    ]
    first = found[0]
    assert (first["key_id"], first["limit_usd"]) == (ann.id, "0.01")
    assert (first["reserved_usd"], first["remaining_usd"]) == ("0.004", "0.003")
    assert first["budget_window"] == "day"
    assert first["resets_at"] is not None
    assert first["last_used_at"] >= found[1]["last_used_at"]
    assert found[1]["resets_at"] is None
    assert [each["key_name"] for each in await conversations.standing(limit=1)] == ["ann"]
