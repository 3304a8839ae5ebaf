"""A range's sums by model are the same from whole hours as from rows."""

from __future__ import annotations

from app.core.errors import APITimeoutError
from app.core.spend_change import Spent
from app.store.records.ranges import Range, range_of
from app.store.records.spend_changes import SpendChanges
from tests.store.ledger.till import CENT, HAIKU, Till, reservation

SONNET = "claude-sonnet-4-6"


async def test_whole_hours_and_single_rows_tell_the_same(till: Till) -> None:
    key = await till.key()
    await till.call(reservation(key), 1_000)
    await till.call(reservation(key), 500)
    await till.call(reservation(key, model=SONNET), 3_000)
    await till.fail(reservation(key, CENT), APITimeoutError("silence"))
    rows = (await till.requests.listed()).rows
    first_us, last_us = rows[-1].created_us, rows[0].created_us
    hours = range_of("2020-01-01", "2100-01-01")
    exact = Range(first_us, last_us + 1)
    but_one = Range(first_us + 1, last_us + 1)
    whole, of_rows = await SpendChanges(till.database).both(hours, exact)
    assert whole == of_rows
    # an answer is charged nine tenths as input and one tenth as output; see till.charge
    assert whole[SONNET] == Spent(
        calls=1,
        tokens={
            "input": 3,
            "cache_write_5m": 40,
            "cache_write_1h": 0,
            "cache_read": 500,
            "output": 60,
        },
        nano_usd={
            "input": 2_700,
            "cache_write_5m": 0,
            "cache_write_1h": 0,
            "cache_read": 0,
            "output": 300,
        },
    )
    assert (whole[HAIKU].calls, whole[HAIKU].other_nano_usd) == (3, CENT)
    assert whole[HAIKU].total_nano_usd == CENT + 1_500
    later, none = await SpendChanges(till.database).both(but_one, Range(last_us + 1, last_us + 1))
    assert (later[HAIKU].calls, none) == (2, {})
