"""How calls were shared between the tiers, in sums worked out by hand."""

from __future__ import annotations

from collections import Counter

from app.core.ended import Charge
from app.core.pricing import Cost
from app.core.routing import Reason, Route
from app.core.usage import Usage
from app.store.records.ranges import Range, range_of
from app.store.records.requests import Requests
from app.store.records.routed import OfTier, Routed, RoutingReports
from tests.store.ledger.till import CENT, Till, reservation

EVER = Range()


async def call(
    till: Till, route: Route, cost: int, saved: int = 0, *, ok: bool | None = None
) -> None:
    charge = Charge(Usage(), Cost(input=cost), "computed", "{}", cost, cost + saved)
    asked = reservation(await till.key(), CENT, route=route)
    async with till.hold(asked) as booked:
        booked.settle(charge)
    if ok is not None:
        await Requests(till.database).note_outcome(asked.request_id, None, ok=ok)


def scored(tier: str, score: float, threshold: float = 0.5) -> Route:
    return Route(tier, score, Reason.SCORE, threshold=threshold)


async def some_calls(till: Till) -> Routed:
    await call(till, scored("haiku", 0.1), 100, 900, ok=True)
    await call(till, scored("haiku", 0.4999), 200, 1_800, ok=False)
    await call(till, scored("haiku", 0.45, threshold=0.61), 300)
    await call(till, scored("sonnet", 1.0), 5_000, ok=True)
    await call(till, Route("haiku", 0.0, Reason.FORCED_TIER), 50, ok=True)
    await call(till, Route(None, 0.0, Reason.FORCED_MODEL), 7_000)
    return await RoutingReports(till.database).read(EVER)


async def test_tiers_have_their_calls_costs_and_what_was_said_of_them(till: Till) -> None:
    found = await some_calls(till)
    assert found.tiers == (
        OfTier("haiku", 4, 3, 650, 2_700, ok=2, not_ok=1),
        OfTier("-", 1, 0, 7_000, 0),
        OfTier("sonnet", 1, 1, 5_000, 0, ok=1),
    )
    assert found.by_auto == 4


async def test_scores_that_auto_gave_stand_in_twentieths_beside_their_thresholds(
    till: Till,
) -> None:
    found = await some_calls(till)
    filled = {each.place: each for each in found.scores if each.by_tier}
    assert len(found.scores) == 20
    assert {place: each.by_tier for place, each in filled.items()} == {
        2: Counter(haiku=1),
        9: Counter(haiku=2),
        19: Counter(sonnet=1),
    }
    assert [(each.ok, each.not_ok) for each in filled.values()] == [(1, 0), (0, 1), (1, 0)]
    assert (found.least_threshold, found.most_threshold) == (0.5, 0.61)


async def test_a_range_without_calls_has_no_tiers_and_no_threshold(till: Till) -> None:
    await some_calls(till)
    found = await RoutingReports(till.database).read(range_of("2020-01-01", "2020-02-01"))
    assert (found.tiers, found.by_auto, found.least_threshold) == ((), 0, None)
