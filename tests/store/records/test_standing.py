"""How the ledger stands, on both databases: what is held now, and what limited keys have left."""

from __future__ import annotations

from typing import Any, cast

from app.core.standing import Standing
from app.store.records.standing import Standings
from tests.store.ledger.till import CENT, Till, charge, reservation


async def test_what_is_held_and_what_limited_keys_have_left(till: Till) -> None:
    limited = await till.key(max_budget_usd="0.10")
    unlimited = await till.key()
    empty = await till.key(max_budget_usd="0.05", budget_window="day")
    gone = await till.key(max_budget_usd="1.00")
    await till.keys.revoke(gone.id, actor="test")
    async with till.hold(reservation(limited)) as done:
        done.settle(charge(3_000_000))
    async with (
        till.hold(reservation(limited)) as first,
        till.hold(reservation(unlimited)) as second,
    ):
        assert await Standings(till.database).now() == Standing(
            holds=2,
            held_nano_usd=2 * CENT,
            remaining_nano_usd={
                limited.id: 100_000_000 - 3_000_000 - CENT,
                empty.id: 50_000_000,
            },
        )
        first.settle(charge(1))
        second.settle(charge(1))
    found = await Standings(till.database).now()
    assert found is not None
    assert (found.holds, found.held_nano_usd) == (0, 0)
    assert found.remaining_nano_usd[limited.id] == 96_999_999


async def test_an_answer_is_good_for_a_second(till: Till) -> None:
    standings = Standings(till.database)
    before = await standings.now()
    await till.key(max_budget_usd="0.10")
    assert await standings.now() is before


class Gone:
    """A database that does not answer."""

    dialect = None

    async def run(self, _work: object) -> Standing:
        raise OSError("gone")


async def test_a_database_that_is_gone_says_nothing() -> None:
    assert await Standings(cast("Any", Gone())).now() is None
