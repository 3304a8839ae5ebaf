"""A vendor's own bill in place of what was computed."""

from __future__ import annotations

import json

import pytest

from app.core.billing import Bill
from app.core.pricing import Cost
from app.core.vendor_bill import as_billed

FOUND = Bill(
    "sonnet", Cost(input=3_000, cache_read=1_000, output=500), '{"model":"sonnet"}', 14_500, 9_000
)

BILLS = [
    # billed    difference   its text
    (4_500, 0, "0.00"),
    (4_950, 450, "0.00000045"),
    (0, -4_500, "-0.0000045"),
]


@pytest.mark.parametrize(("billed", "more", "text"), BILLS)
def test_the_bill_is_the_cost_and_the_difference_is_told(billed: int, more: int, text: str) -> None:
    found = as_billed(FOUND, billed)
    assert found.cost.total == billed
    assert found.cost.adjustment == more
    assert (found.cost.input, found.cost.cache_read, found.cost.output) == (3_000, 1_000, 500)
    told = json.loads(found.rates)
    assert told["model"] == "sonnet"
    assert told["billed"]["computed_usd"] == "0.0000045"
    assert told["billed"]["difference_usd"] == text


@pytest.mark.parametrize("billed", [0, 4_500, 4_950])
def test_what_was_saved_stays_what_was_computed(billed: int) -> None:
    found = as_billed(FOUND, billed)
    assert found.uncached_nano_usd - found.cost.total == 10_000
    assert found.strongest_nano_usd - found.cost.total == 4_500
