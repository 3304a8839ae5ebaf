"""Lists of calls: the same rows whichever way to them is taken."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.errors import RateLimitError
from app.store.database.tables import requests
from app.store.records.request_filters import Wanted
from tests.store.ledger.till import CENT, HAIKU, Till, charge, reservation

FILTERS: list[tuple[dict[str, str], int]] = [
    # filters, and how many calls of `fill` fit
    ({}, 6),
    ({"status": "200"}, 5),
    ({"status": "429"}, 1),
    ({"status": "418"}, 0),
    ({"state": "settled"}, 5),
    ({"state": "released"}, 1),
    ({"status": "reserved"}, 0),
    ({"team": "ops"}, 2),
    ({"model": HAIKU}, 6),
    ({"model": "none"}, 0),
    ({"user": "u1"}, 2),
    ({"tag": "a"}, 2),
    ({"tag": "z"}, 0),
    ({"tag": "a", "user": "u1", "status": "200"}, 1),
    ({"cost_source": "computed"}, 3),
    ({"cost_source": "estimated"}, 1),
    ({"cost_source": "billed"}, 1),
    ({"min_cost_usd": "0.02"}, 3),
    ({"min_cost_usd": "0"}, 6),
    ({"min_cost_usd": "9"}, 0),
    ({"from": "2026-01-01"}, 6),
    ({"to": "2026-01-01"}, 0),
]


async def fill(till: Till) -> None:
    await till.teams.create({"name": "ops"})
    ann, bob = await till.key(name="ann", team="ops"), await till.key(name="bob")
    await till.call(reservation(ann, CENT, end_user="u1", tags=("a",)), CENT)
    await till.call(reservation(ann, CENT, tags=("a", "b", "a")), 2 * CENT)
    await till.call(reservation(bob, CENT, end_user="u1"), 3 * CENT)
    for source in ("estimated", "billed"):
        async with till.hold(reservation(bob, CENT)) as hold:
            hold.settle(charge(CENT if source == "billed" else 4 * CENT, source))
    await till.fail(reservation(bob, CENT), RateLimitError("slow down", status=429))


@pytest.mark.parametrize("most_few", [0, 1, 2_000])
async def test_few_rows_and_many_are_found_alike(till: Till, most_few: int) -> None:
    await fill(till)
    dialect = till.database.dialect.name
    for filters, count in FILTERS:
        for order in (requests.c.created_us, requests.c.cost_nano_usd):
            for limit in (100, 2):
                wanted = Wanted(filters, dialect, most_few)

                def read(connection: Any, wanted: Wanted = wanted) -> list[Any]:
                    return list(wanted.rows(connection, order, (), limit))  # noqa: B023

                rows = await till.database.run(read)
                assert len(rows) == min(count, limit), (filters, order.name)
                places = [(getattr(row, order.name), row.id) for row in rows]
                assert places == sorted(places, reverse=True)
