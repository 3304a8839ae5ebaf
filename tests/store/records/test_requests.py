"""Rows as they are listed and corrected."""

from __future__ import annotations

import pytest

from app.core.errors import APITimeoutError, BadRequest, RateLimitError
from app.core.misses import Miss, MissReason
from app.store.records.request_views import RequestDetails, request_json
from tests.store.ledger.till import CENT, HAIKU, Till, charge, reservation

SONNET = "claude-sonnet-4-6"


async def test_rows_are_listed_newest_first_and_filtered(till: Till) -> None:
    ann = await till.key()
    await till.teams.create({"name": "ops"})
    bob = await till.key(team="ops")
    asked = [
        reservation(ann, tags=("env=prod", "x")),
        reservation(ann, model=SONNET, end_user="u1", conversation="00000000000000c1"),
        reservation(bob, tags=("x",)),
        reservation(bob),
    ]
    for each, cost in zip(asked[:3], (1_000, 3_000, 2_000), strict=True):
        await till.call(each, cost)
    await till.fail(asked[3], RateLimitError("slow down", status=429))
    ids = [each.request_id for each in asked]

    async def listed(**filters: str) -> list[str]:
        page = await till.requests.list({n.rstrip("_"): v for n, v in filters.items()})
        return [row["id"] for row in page["data"]]

    assert await listed() == ids[::-1]
    assert await listed(key_id=ann.id) == [ids[1], ids[0]]
    assert await listed(model=SONNET) == [ids[1]]
    assert await listed(model=HAIKU, key_id=bob.id) == [ids[3], ids[2]]
    assert await listed(status="429") == [ids[3]]
    assert await listed(status="settled", key_id=bob.id) == [ids[2]]
    assert await listed(state="settled", key_id=bob.id) == [ids[2]]
    assert await listed(state="orphaned") == []
    assert await listed(team="ops") == await listed(team=bob.team_id or "") == [ids[3], ids[2]]
    assert await listed(tag="env=prod") == [ids[0]]
    assert await listed(tag="x") == [ids[2], ids[0]]
    assert await listed(tag="x", key_id=bob.id) == [ids[2]]
    assert await listed(user="u1") == await listed(conversation="00000000000000c1") == [ids[1]]
    assert await listed(conversation="0123456789abcdef") == [ids[3], ids[2], ids[0]]
    assert (await till.row(asked[1]))["conversation"] == "00000000000000c1"
    assert await listed(min_cost_usd="0.000002") == [ids[2], ids[1]]
    assert await listed(min_cost_usd="0.000002001") == [ids[1]]
    assert await listed(key_id="nope") == await listed(team="nobody") == []
    second = (await till.row(asked[1]))["created_at"]
    assert await listed(from_=second) == [ids[3], ids[2], ids[1]]
    assert await listed(to=second) == [ids[0]]
    assert await listed(from_="2030-01-01") == []
    assert await listed(from_="2020-01-01", to=second[:10]) == []
    first = await till.requests.list(limit=3)
    rest = await till.requests.list(cursor=first["next_cursor"], limit=3)
    assert [row["id"] for row in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert "rates" not in first["data"][0]


async def test_rows_are_found_by_how_far_their_cost_can_be_trusted(till: Till) -> None:
    key = await till.key()
    exact, guessed, settled = (reservation(key) for _ in range(3))
    await till.call(exact, 5)
    for each in (guessed, settled):
        await till.fail(each, APITimeoutError("silence"))
    await till.requests.correct(settled.request_id, 5)
    found = {
        source: [row["id"] for row in (await till.requests.list({"cost_source": source}))["data"]]
        for source in ("computed", "estimated", "corrected", "billed")
    }
    assert found == {
        "computed": [exact.request_id],
        "estimated": [guessed.request_id],
        "corrected": [settled.request_id],
        "billed": [],
    }


async def test_all_rows_come_some_at_a_time_each_once(till: Till) -> None:
    key = await till.key()
    asked = [reservation(key) for _ in range(7)]
    for each, cost in zip(asked, (3, 1, 3, 2, 3, 1, 2), strict=True):
        await till.call(each, cost)
    for sort in ("created", "cost"):
        whole = (await till.requests.listed(sort=sort)).rows
        chunks = [views async for views in till.requests.each(sort=sort, at_once=2)]
        assert [len(views) for views in chunks] == [2, 2, 2, 1]
        assert [view for views in chunks for view in views] == list(whole)
        assert len(whole) == 7


async def test_a_row_as_a_value_has_whole_numbers_and_adds_up(till: Till) -> None:
    asked = reservation(await till.key(), tags=("a=b",))
    await till.call(asked, 1_000)
    found = await till.requests.found(asked.request_id)
    assert isinstance(found, RequestDetails)
    assert (found.cost_nano_usd, sum(found.costs.values())) == (1_000, 1_000)
    assert (found.prompt_tokens, found.tags) == (3 + 40 + 500, ("a=b",))
    assert found.rates == {"model": HAIKU}
    assert request_json(found) == await till.row(asked)


async def test_the_dearest_come_first_when_asked_for_page_by_page(till: Till) -> None:
    key = await till.key()
    asked = [reservation(key) for _ in range(5)]
    for each, cost in zip(asked, (20, 50, 10, 50, 40), strict=True):
        await till.call(each, cost)
    costs: list[str] = []
    ids: set[str] = set()
    cursor = None
    while not ids or cursor is not None:
        page = await till.requests.list(sort="cost", cursor=cursor, limit=2)
        costs += [row["cost_usd"][-2:] for row in page["data"]]
        ids |= {row["id"] for row in page["data"]}
        cursor = page["next_cursor"]
    assert costs == ["05", "05", "04", "02", "01"]
    assert ids == {each.request_id for each in asked}
    newest = (await till.requests.list(limit=2))["next_cursor"]
    dearest = (await till.requests.list(sort="cost", limit=2))["next_cursor"]
    for sort, other in (("cost", newest), ("created", dearest)):
        with pytest.raises(BadRequest) as refused:
            await till.requests.list(sort=sort, cursor=other)
        assert refused.value.param == "cursor"
    with pytest.raises(BadRequest) as refused:
        await till.requests.list(sort="name")
    assert refused.value.param == "sort"


@pytest.mark.parametrize(
    ("filters", "param"),
    [
        ({"state": "done"}, "state"),
        ({"cost_source": "sure"}, "cost_source"),
        ({"min_cost_usd": "-1"}, "min_cost_usd"),
        ({"min_cost_usd": "1e-3"}, "min_cost_usd"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"key": "x"}, "key"),
        ({"status": "odd"}, "status"),
        ({"status": "20"}, "status"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"color": "red"}, "color"),
    ],
)
async def test_a_bad_filter_is_named(till: Till, filters: dict[str, str], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await till.requests.list(filters)
    assert refused.value.param == param


async def test_a_correction_moves_every_sum(till: Till) -> None:
    await till.teams.create({"name": "ops", "max_budget_usd": "1.00"})
    key = await till.key(max_budget_usd="0.05", team="ops", model_budgets={HAIKU: "0.04"})
    asked = reservation(key, 3 * CENT)
    await till.fail(asked, APITimeoutError("silence"))
    assert await till.sums(key) == ("0.03", "0.00", "0.02")
    row = await till.requests.correct(asked.request_id, 12_000_000, actor="ann", note="as billed")
    assert (row["state"], row["cost_source"], row["cost_usd"]) == ("settled", "corrected", "0.012")
    assert row["cost_details"]["other"] == "0.012"
    assert await till.sums(key) == ("0.012", "0.00", "0.038")
    shown = await till.keys.get(key.id)
    assert shown["model_spend"][HAIKU]["remaining_usd"] == "0.028"
    assert (await till.teams.get(shown["team"]))["remaining_usd"] == "0.988"
    assert (await till.spend())["total_cost_usd"] == "0.012"
    entry = (await till.audit.list(limit=1))["data"][0]
    assert (entry["actor"], entry["target"]) == ("ann", asked.request_id)
    assert entry["details"] == {
        "before": {"state": "settled", "cost_usd": "0.03", "cost_source": "estimated"},
        "after": {"state": "settled", "cost_usd": "0.012", "cost_source": "corrected"},
        "note": "as billed",
    }


async def test_only_a_guess_can_be_corrected(till: Till) -> None:
    asked = reservation(await till.key())
    async with till.hold(asked):
        with pytest.raises(BadRequest):
            await till.requests.correct(asked.request_id, 5)
    await till.requests.correct(asked.request_id, 5)
    with pytest.raises(BadRequest):
        await till.requests.correct(asked.request_id, 6)
    known = reservation(await till.key())
    await till.call(known, 1_000)
    with pytest.raises(BadRequest):
        await till.requests.correct(known.request_id, 6)
    with pytest.raises(BadRequest):
        await till.requests.correct(known.request_id, -1)
    assert (await till.row(asked))["cost_usd"] == "0.000000005"
    assert (await till.row(known))["cost_usd"] == "0.000001"


async def test_a_row_tells_why_its_cache_missed_and_a_correction_leaves_it(till: Till) -> None:
    asked = reservation(await till.key())
    async with till.hold(asked) as booked:
        booked.settle(charge(1_000))
        booked.prefix, booked.miss = "0123456789abcdef", Miss(MissReason.EXPIRED, 22_000_001)
    listed = (await till.requests.list())["data"][0]
    for row in (listed, await till.row(asked)):
        assert (row["cache_miss_reason"], row["cache_miss_usd"]) == ("expired", "0.022000001")
    lost = reservation(await till.key())
    await till.fail(lost, APITimeoutError("late"))
    assert (await till.row(lost))["cache_miss_reason"] is None
    await till.requests.correct(lost.request_id, 5)
    assert (await till.row(lost))["cache_miss_usd"] is None
