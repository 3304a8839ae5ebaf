"""What a vendor tells afterwards of its bill, on each database."""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, update

from app.core.ended import Attempt, Basis
from app.core.lookups import Pending, Told
from app.ports import Reservation
from app.store.database.tables import label_rollups, requests, rollups
from app.store.records.lookups import Lookups, Noted
from tests.store.ledger.till import CENT, HAIKU, Till, charge, reservation

UPSTREAM = "openrouter"
LATER_US = 11_000_000


async def answered(
    till: Till, *before: Attempt, cost: int = 1_000, basis: Basis = Basis.USAGE, kept: int = 0
) -> Reservation:
    """A call that OpenRouter answered a while ago; `kept` is charged for the attempts before."""
    asked = reservation(await till.key(max_budget_usd="1.00"), CENT, upstream=UPSTREAM)
    async with till.hold(asked) as hold:
        if kept:
            await hold.extend(kept=kept)
        hold.attempts += before
        hold.attempts.append(
            Attempt(UPSTREAM, HAIKU, 200, None, 340, "r", cost, basis, generation_id="gen-1")
        )
        hold.settle(charge(cost, uncached=cost + 500))
    await grow_older(till)
    return asked


async def grow_older(till: Till) -> None:
    older = update(requests).values(created_us=requests.c.created_us - LATER_US)
    await till.database.write(lambda connection: connection.execute(older))


async def told(till: Till, cost: int, discount: int | None) -> Noted:
    lookups = Lookups(till.database)
    pending = await lookups.claim([UPSTREAM])
    return await lookups.note([(each, Told(cost, discount)) for each in pending])


async def test_a_bill_moves_row_window_and_savings(till: Till) -> None:
    asked = await answered(till)
    assert (await till.row(asked))["cache_discount_usd"] is None
    assert await told(till, 1_250, -70) == Noted([], [(HAIKU, 250)])
    row = await till.row(asked)
    assert (row["cost_usd"], row["cost_source"], row["state"]) == (
        "0.00000125",
        "billed",
        "settled",
    )
    assert row["cost_details"]["other"] == "0.00000025"
    assert (row["cache_discount_usd"], row["cache_savings_usd"]) == ("-0.00000007", "-0.00000007")
    assert row["attempt_details"][-1]["cost_usd"] == "0.00000125"
    assert await till.sums(asked.key) == ("0.00000125", "0.00", "0.99999875")
    assert await Lookups(till.database).claim([UPSTREAM]) == []


async def test_without_a_cache_nothing_was_taken_off(till: Till) -> None:
    asked = await answered(till)
    await told(till, 1_000, None)
    row = await till.row(asked)
    assert (row["cache_discount_usd"], row["cache_savings_usd"]) == ("0.00", "0.0000005")
    assert (row["cost_usd"], row["cost_source"]) == ("0.000001", "billed")


async def test_what_was_guessed_for_attempts_before_stays_a_guess(till: Till) -> None:
    lost = Attempt(UPSTREAM, HAIKU, None, "timeout", 9, None, 7_000, Basis.ELAPSED)
    asked = await answered(till, lost, kept=7_000)
    await told(till, 400, 0)
    row = await till.row(asked)
    assert (row["cost_usd"], row["cost_source"]) == ("0.0000074", "estimated")


async def test_a_stream_that_was_cut_ends_at_its_bill(till: Till) -> None:
    asked = await answered(till, cost=90_000, basis=Basis.CUT)
    await told(till, 400, 0)
    row = await till.row(asked)
    assert (row["cost_usd"], row["cost_source"]) == ("0.0000004", "billed")
    assert (row["attempt_details"][0]["charged"], row["attempt_details"][0]["basis"]) == (
        False,
        "usage",
    )


async def test_what_an_operator_has_corrected_stays(till: Till) -> None:
    asked = await answered(till)

    def guess(connection: Connection) -> None:
        connection.execute(update(requests).values(cost_source="estimated"))
        for table in (rollups, label_rollups):
            sums = {table.c.estimated_nano_usd: table.c.cost_nano_usd}
            connection.execute(update(table).values(sums))

    await till.database.write(guess)
    await till.requests.correct(asked.request_id, 55)
    await told(till, 1_000, 20)
    row = await till.row(asked)
    assert (row["cost_usd"], row["cost_source"]) == ("0.000000055", "corrected")
    assert row["cache_discount_usd"] == "0.00000002"


async def test_it_is_asked_after_ten_seconds_and_by_one_process(till: Till) -> None:
    asked = reservation(await till.key(), CENT, upstream=UPSTREAM)
    async with till.hold(asked) as hold:
        hold.attempts.append(
            Attempt(UPSTREAM, HAIKU, 200, None, 9, None, 9, Basis.USAGE, generation_id="gen-9")
        )
        hold.settle(charge(1_000))
    one, other = Lookups(till.database), Lookups(till.database)
    assert await one.claim([UPSTREAM]) == []
    await grow_older(till)
    assert await one.claim(["another"]) == []
    claims = await asyncio.gather(one.claim([UPSTREAM]), other.claim([UPSTREAM]))
    assert sorted(map(len, claims)) == [0, 1]
    assert [*claims[0], *claims[1]] == [Pending(asked.request_id, UPSTREAM, "gen-9", 1)]


async def test_it_is_asked_again_later_and_given_up_in_the_end(till: Till) -> None:
    asked = await answered(till)
    lookups = Lookups(till.database)
    (pending,) = await lookups.claim([UPSTREAM])
    assert await lookups.note([(pending, None)]) == Noted([], [])
    assert await lookups.claim([UPSTREAM]) == []
    due = update(requests).values(lookup_due_us=0, lookups=19)
    await till.database.write(lambda connection: connection.execute(due))
    (last,) = await lookups.claim([UPSTREAM])
    assert last.asked == 20
    assert await lookups.note([(last, None)]) == Noted([last], [])
    assert await lookups.claim([UPSTREAM]) == []
    assert (await till.row(asked))["cost_source"] == "computed"


async def test_what_was_refused_or_answered_by_another_vendor_is_not_asked_for(till: Till) -> None:
    asked = reservation(await till.key(), CENT, upstream=UPSTREAM)
    async with till.hold(asked) as hold:
        hold.attempts.append(
            Attempt(UPSTREAM, HAIKU, 429, "x", 9, None, 0, Basis.REFUSED, generation_id="gen-1")
        )
        hold.attempts.append(Attempt(UPSTREAM, HAIKU, 200, None, 9, None, 9, Basis.USAGE))
        hold.settle(charge(1_000))
    await grow_older(till)
    assert await Lookups(till.database).claim([UPSTREAM]) == []
