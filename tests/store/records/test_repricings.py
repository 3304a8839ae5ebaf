"""A past range priced anew: every sum and the evidence follow, and a second run changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import text

from app.core.billing import Answer, Sent, bill
from app.core.ended import Attempt, Basis, Charge
from app.core.errors import APITimeoutError
from app.core.misses import Miss, MissReason
from app.core.models import Catalog
from app.core.price_list import Listed, PriceList
from app.core.pricing import Rates
from app.core.replay import replayed
from app.core.usage import Usage
from app.store.records.ranges import range_of
from app.store.records.replays import Replays
from app.store.records.repricings import Repricings, _repriced
from tests.core.catalogs import CATALOG, HAIKU_RATES, prices
from tests.store.ledger.till import HAIKU, MODEL, Till, reservation

DAY = date(2026, 11, 21)
EVER = range_of("2020-01-01", "2100-01-01")
HALF = Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000)


def catalog(rates: Rates) -> Catalog:
    model = replace(MODEL, schedule=(prices(rates),))
    listed = PriceList({HAIKU: Listed(HAIKU, HAIKU, model.schedule)})
    return replace(CATALOG, models={HAIKU: model}, tiers={"haiku": HAIKU}, price_list=listed)


def charged(source: Any = "computed") -> Charge:
    """1,000 in and 100 out at $1 and $5 per million: 1 500 000 nano-USD."""
    usage, known = Usage(1_000, output_tokens=100), catalog(HAIKU_RATES)
    told = known.models[HAIKU].schedule[0]
    found = bill(usage, Answer(HAIKU), Sent(HAIKU, told, told, known.price_list, DAY))
    return Charge(usage, found.cost, source, found.rates, 1_500_000, 1_500_000)


def attempt(nano_usd: int) -> Attempt:
    return Attempt("anthropic", HAIKU, 200, None, 7, cost_nano_usd=nano_usd, basis=Basis.USAGE)


async def fill(till: Till) -> Any:
    """A computed call, an estimated one, one without an answer and one that an admin corrected."""
    await till.teams.create({"name": "ops", "max_budget_usd": "1.00"})
    key = await till.key(max_budget_usd="1.00", team="ops", model_budgets={HAIKU: "1.00"})
    asked = [reservation(key, tags=("a=b",), end_user="u1") for _ in range(4)]
    for each, source in zip(asked[:2], ("computed", "estimated"), strict=True):
        async with till.hold(each) as booked:
            booked.attempts.append(attempt(1_500_000))
            booked.miss = Miss(MissReason.EXPIRED, 900_000, 1_000)
            booked.settle(charged(source))
    for each in asked[2:]:
        await till.fail(each, APITimeoutError("silence"))
    await till.requests.correct(asked[3].request_id, 2_000_000)
    return key, asked


async def test_a_dry_run_tells_all_and_changes_nothing(till: Till) -> None:
    key, asked = await fill(till)
    before = [await till.row(each) for each in asked]
    report = await Repricings(till.database).reprice(EVER, catalog(HALF), dry_run=True)
    # two answers at half of 1 500 000; 10 000 000 and 2 000 000 stay
    assert (report.run_id, report.changed, report.total.calls) == (None, 2, 4)
    assert (report.total.nano_usd, report.total.whatif_nano_usd) == (15_000_000, 13_500_000)
    assert report.left == {"unpriced": 1, "by_hand": 1}
    assert [await till.row(each) for each in asked] == before
    assert (await till.sums(key))[0] == "0.015"
    assert "reprice" not in str(await till.audit.list())


async def test_a_run_moves_every_sum_and_keeps_what_was(till: Till) -> None:
    key, asked = await fill(till)
    report = await Repricings(till.database).reprice(
        EVER, catalog(HALF), dry_run=False, actor="ann"
    )
    assert (report.changed, report.total.whatif_nano_usd) == (2, 13_500_000)
    assert (await till.sums(key))[0] == "0.0135"
    shown = await till.keys.get(key.id)
    assert shown["model_spend"][HAIKU]["spent_usd"] == "0.0135"
    assert (await till.teams.get(shown["team"]))["spent_usd"] == "0.0135"
    assert (await till.reports.reconcile())["differences"] == []

    exact, estimated, silent, corrected = [await till.row(each) for each in asked]
    assert (exact["cost_usd"], exact["cost_source"]) == ("0.00075", "corrected")
    assert (estimated["cost_usd"], estimated["cost_source"]) == ("0.00075", "estimated")
    assert (silent["cost_usd"], corrected["cost_usd"]) == ("0.01", "0.002")
    assert exact["cost_details"]["input"] == "0.0005"
    assert exact["cost_details"]["output"] == "0.00025"
    assert "other" not in exact["cost_details"]
    assert exact["rates"]["usd_per_token"]["output"] == "0.0000025"
    assert exact["rates"]["repriced"] == {"run": report.run_id, "before_usd": "0.0015"}
    assert exact["attempt_details"][-1]["cost_usd"] == "0.00075"
    missed = [(each["cache_miss_reason"], each["cache_miss_usd"]) for each in (exact, silent)]
    assert missed == [("expired", "0.00045"), (None, None)]  # 1,000 x (500 - 50)

    kept = await till.database.run(
        lambda c: c.execute(text("SELECT * FROM repricings ORDER BY request_id")).mappings().all()
    )
    assert [row["request_id"] for row in kept] == sorted(each.request_id for each in asked[:2])
    assert {row["run_id"] for row in kept} == {report.run_id}
    assert [row["more_nano_usd"] for row in kept] == [-750_000, -750_000]
    own = next(row for row in kept if row["request_id"] == asked[0].request_id)
    was, becomes = json.loads(own["before"]), json.loads(own["after"])
    assert (was["cost_nano_usd"], was["cost_source"]) == (1_500_000, "computed")
    assert (was["cache_miss_nano_usd"], becomes["cache_miss_nano_usd"]) == (900_000, 450_000)
    assert was["rates"]["usd_per_token"]["output"] == "0.000005"
    assert (becomes["cost_nano_usd"], becomes["cost_source"]) == (750_000, "corrected")

    over, begun = (await till.audit.list(limit=2))["data"]
    assert (begun["action"], begun["actor"], begun["target"]) == (
        *("spend.reprice", "ann", report.run_id),
    )
    assert begun["details"]["from"] == "2020-01-01T00:00:00.000000Z"
    assert over["action"] == "spend.repriced"
    assert over["details"]["before"] == {"cost_usd": "0.015"}
    assert over["details"]["after"] == {"cost_usd": "0.0135"}
    assert (over["details"]["requests"], over["details"]["changed"]) == (4, 2)


async def test_a_second_run_changes_nothing_and_another_price_can_follow(till: Till) -> None:
    key, asked = await fill(till)
    repricings = Repricings(till.database)
    await repricings.reprice(EVER, catalog(HALF), dry_run=False)
    rows = [await till.row(each) for each in asked]
    again = await repricings.reprice(EVER, catalog(HALF), dry_run=False)
    assert (again.changed, again.left) == (0, {"same": 2, "unpriced": 1, "by_hand": 1})
    assert [await till.row(each) for each in asked] == rows
    async for calls in Replays(till.database).each(EVER):
        assert [replayed(call) for call in calls] == [call.cost_nano_usd for call in calls]
    back = await repricings.reprice(EVER, catalog(HAIKU_RATES), dry_run=False)
    assert (back.changed, back.total.whatif_nano_usd) == (2, 15_000_000)
    assert (await till.sums(key))[0] == "0.015"


async def test_two_runs_at_once_change_each_call_once(till: Till) -> None:
    key, _ = await fill(till)
    repricings = Repricings(till.database)
    rows = [row async for some in Replays(till.database).rows(EVER) for row in some]
    await repricings.reprice(EVER, catalog(HALF), dry_run=False)
    stale = _repriced(rows, catalog(HALF))
    await repricings._apply("reprice_late", rows, stale)
    assert sorted(str(each) for each in stale.values()) == [
        *("by_hand", "moved_meanwhile", "moved_meanwhile", "unpriced"),
    ]
    assert (await till.sums(key))[0] == "0.0135"
