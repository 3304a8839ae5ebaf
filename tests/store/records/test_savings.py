"""What caching and routing saved or lost, in sums worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text

from app.core.caching import CachePlan
from app.core.ended import Charge
from app.core.errors import BadRequest, RateLimitError
from app.core.misses import Miss, MissReason
from app.core.pricing import Cost
from app.core.usage import Usage
from app.core.zones import zone_named
from app.store.records.ranges import Range, range_of
from app.store.records.savings import CacheSums, OfDay, OfReason, OfRoute, SavingsReports
from tests.store.ledger.till import CENT, HAIKU, Till, close_till, open_till, reservation

GATEWAYS = CachePlan(("system", "messages"), 0, "5m", "auto")
CALLERS = CachePlan((), 2, "1h", "callers_marks")
BOTH = CachePlan(("messages",), 1, "5m", "auto")
NONE = CachePlan((), 0, None, "off")
A, B = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
EVER = Range()


def moved(change: Any, connection: Connection) -> None:
    connection.execute(change)


def answer(cost: int, saved: int, routed: int = 0, *, guess: bool = False, **used: int) -> Charge:
    source: Any = "estimated" if guess else "computed"
    tokens: dict[str, Any] = {f"{name}_tokens": count for name, count in used.items()}
    return Charge(Usage(**tokens), Cost(input=cost), source, "{}", cost + saved, cost + routed)


async def call(
    till: Till,
    plan: CachePlan,
    charge: Charge,
    prefix: str | None = None,
    miss: Miss | None = None,
) -> str:
    asked = reservation(await till.key(), CENT, cache_plan=plan)
    async with till.hold(asked) as booked:
        booked.settle(charge)
        booked.prefix, booked.miss = prefix, miss
    return asked.request_id


async def a_few_calls(till: Till) -> list[str]:
    first, expired = Miss(MissReason.FIRST_SEEN), Miss(MissReason.EXPIRED, 700)
    changed = Miss(MissReason.SYSTEM_CHANGED, 40)
    made = [
        await call(till, GATEWAYS, answer(900, -50, 100, input=5, cache_write_5m=100), A, first),
        await call(till, GATEWAYS, answer(90, 300, input=5, cache_read=100), A),
        await call(till, GATEWAYS, answer(900, -50, -20, input=5, cache_write_5m=100), A, expired),
        await call(till, CALLERS, answer(80, 500, input=1, cache_read=200), B),
        await call(till, CALLERS, answer(900, -60, cache_write_1h=50), B, changed),
        await call(till, BOTH, answer(70, 7, guess=True, cache_read=20, output=3)),
        await call(till, NONE, answer(60, 0, input=40), "once", first),
    ]
    refused = reservation(await till.key(), CENT)
    await till.fail(refused, RateLimitError("slow down", status=429))
    return made


async def test_what_was_saved_is_split_by_whose_marks_it_was(till: Till) -> None:
    await a_few_calls(till)
    found = await SavingsReports(till.database).read(EVER)
    assert found.caching == CacheSums(7, 626, 320, 250, 647, 160, 7, 4, 740)
    by_marks = {each.marks: each.sums for each in found.marks}
    assert by_marks == {
        "gateway": CacheSums(3, 315, 100, 200, 200, 100, 0, 2, 700),
        "caller": CacheSums(2, 251, 200, 50, 440, 60, 0, 1, 40),
        "both": CacheSums(1, 20, 20, 0, 7, 0, 7, 0, 0),
        "none": CacheSums(1, 40, 0, 0, 0, 0, 0, 1, 0),
    }
    assert [each.marks for each in found.marks[:2]] == ["gateway", "caller"]


async def test_prefixes_that_came_again_are_told_with_what_would_help(till: Till) -> None:
    made = await a_few_calls(till)
    found = await SavingsReports(till.database).read(EVER)
    first, second = found.prefixes
    assert (first.prefix, second.prefix) == (A, B)
    assert first.sums == CacheSums(3, 315, 100, 200, 200, 100, 0, 2, 700)
    assert first.reasons == {"expired": 700, "first_seen": 0}
    assert first.example in made[:3]
    assert [len(each.advice) for each in found.prefixes] == [1, 1]
    assert "cache.ttl: 1h" in first.advice[0]
    assert "system prompt" in second.advice[0]


async def test_misses_are_told_by_reason_the_dearest_first(till: Till) -> None:
    await a_few_calls(till)
    found = await SavingsReports(till.database).read(EVER)
    assert [(each.reason, each.misses, each.missed_nano_usd) for each in found.reasons] == [
        ("expired", 1, 700),
        ("system_changed", 1, 40),
        ("first_seen", 2, 0),
    ]
    assert found.reasons[2] == OfReason("first_seen", 2, 0, None)
    assert found.reasons[0].advice is not None


async def test_routing_is_told_by_model_and_reason(till: Till) -> None:
    await a_few_calls(till)
    found = await SavingsReports(till.database).read(EVER)
    assert found.routes == (OfRoute(HAIKU, "default", 2, 80, 20),)


async def test_days_are_those_of_the_zone_and_the_range_is_half_open(url: str) -> None:
    till = await open_till(url)
    made = await a_few_calls(till)
    late = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
    for n, request_id in enumerate(made):
        us = int((late.timestamp() + n // 4 * 3_600) * 1_000_000)
        change = text("UPDATE requests SET created_us = :us WHERE id = :id")
        await till.database.write(partial(moved, change.bindparams(us=us, id=request_id)))
    reports, berlin = SavingsReports(till.database), ZoneInfo("Europe/Berlin")
    days = (await reports.read(EVER)).days
    assert days == (
        OfDay("2026-11-29", 4, 700, 80, 700),
        OfDay("2026-11-30", 3, -53, 0, 40),
    )
    (day,) = (await reports.read(EVER, berlin)).days
    assert day == OfDay("2026-11-30", 7, 647, 80, 740)
    local = range_of("2026-11-30", "2026-12-01", zone=berlin)
    assert (await reports.read(local, berlin)).caching.requests == 7
    assert (await reports.read(range_of("2026-11-30", None))).caching.requests == 3
    assert (await reports.read(range_of(None, "2026-11-30T00:30:00Z"))).caching.requests == 4
    await close_till(till)


async def test_without_calls_there_is_nothing_to_tell(till: Till) -> None:
    found = await SavingsReports(till.database).read(EVER)
    assert found.caching == CacheSums(0, 0, 0, 0, 0, 0, 0, 0, 0)
    told = (*found.marks, *found.prefixes, *found.reasons, *found.routes, *found.days)
    assert told == ()


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "x" * 300, "a\0b"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        zone_named(name)
    assert refused.value.param == "tz"


@pytest.mark.parametrize(
    ("day", "us"),
    [
        ("2026-07-01", 1_782_856_800_000_000),  # two hours before midnight, UTC
        ("20261201", 1_796_079_600_000_000),  # one
    ],
)
def test_a_day_begins_at_the_zones_own_midnight(day: str, us: int) -> None:
    assert range_of(day, None, zone=ZoneInfo("Europe/Berlin")).from_us == us


def test_a_day_before_all_time_is_refused_in_a_zone_too() -> None:
    with pytest.raises(BadRequest):
        range_of("0001-01-01", None, zone=ZoneInfo("Asia/Tokyo"))
