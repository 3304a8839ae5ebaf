"""Spend in time zones: whatever is asked for, each call is in the local day that it fell in."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from alembic import command
from sqlalchemy import Connection, update

from app.core.errors import BadRequest
from app.core.zones import zone_named
from app.store.database.engine import open_database
from app.store.database.moments import microseconds
from app.store.database.tables import requests
from app.store.reports.query import SpendQuery, Sums
from tests.store.database.postgres import new_database
from tests.store.database.test_schema import moved
from tests.store.ledger.till import CENT, Till, close_till, open_till, reservation

BEFORE = "2026_11_30_2242"
FIRST = datetime(2026, 10, 22, 0, 7, tzinfo=UTC)  # clocks go back in Europe on the 25th, in America
CALLS = 150
APART = timedelta(hours=2, minutes=13, seconds=11)  # ... on 1 November: 14 days in all
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Marquesas"),
    *("Pacific/Fakaofo", "Australia/Lord_Howe", "Pacific/Chatham", "Asia/Kolkata"),
)
OF_EACH_KIND = ("UTC", "Europe/Berlin", "Asia/Kathmandu")  # no shift, a change of clocks, 5:45


def moments() -> list[datetime]:
    return [FIRST + n * APART for n in range(CALLS)]


def cost(place: int) -> int:
    """Nano-USD: no two calls cost the same."""
    return 1_000_003 * (place + 1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database that every test here reads: calls over a fortnight."""
    if request.param == "postgres":
        url = asyncio.run(new_database(request.getfixturevalue("postgres")))
    else:
        path = tmp_path_factory.mktemp("spread") / "ledger.db"
        shutil.copy(request.getfixturevalue("empty_sqlite"), path)
        url = f"sqlite:///{path}"
    asyncio.run(fill(url))
    return url


@pytest.fixture
async def spread(filled: str) -> AsyncIterator[Till]:
    till = await open_till(filled)
    yield till
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


async def fill(url: str) -> None:
    """By two keys and three end users."""
    till = await open_till(url)
    keys = [await till.key(name=name) for name in ("ann", "bob")]
    asked = [
        reservation(keys[n % 2], CENT, end_user=(None, "u1", "u2")[n % 3]) for n in range(CALLS)
    ]
    for place, each in enumerate(asked):
        await till.call(each, cost(place))
    await close_till(till)

    def date_back(connection: Connection) -> None:
        moved(connection, command.downgrade, BEFORE)
        for each, when in zip(asked, moments(), strict=True):
            row = update(requests).where(requests.c.id == each.request_id)
            connection.execute(row.values(created_us=microseconds(when)))
        moved(connection, command.upgrade, "head")

    database = open_database(url)
    await database.write(date_back)
    await database.close()


def expected(zone: str, form: str, least: str = "", before: str = "9") -> dict[str, int]:
    """Added up by hand: local text of each call's time to nano-USD."""
    found: Counter[str] = Counter()
    for place, when in enumerate(moments()):
        local = when.astimezone(ZoneInfo(zone))
        if least <= local.date().isoformat() < before:
            found[local.strftime(form)] += cost(place)
    return dict(found)


async def by(
    till: Till, zone: str, group: str, from_: str | None = None, to: str | None = None
) -> dict[str, int]:
    query = SpendQuery((group,), from_=from_, to=to, zone=zone_named(zone))
    report = await till.reports.spend(query)
    assert report.totals.cost_nano_usd == sum(row.sums.cost_nano_usd for row in report.rows)
    return {str(row.group[group]): row.sums.cost_nano_usd for row in report.rows}


async def test_days_months_and_hours_of_every_zone(spread: Till) -> None:
    for zone in ZONES:
        assert await by(spread, zone, "day") == expected(zone, "%Y-%m-%d"), zone
        assert await by(spread, zone, "month") == expected(zone, "%Y-%m"), zone
        within = ("2026-10-24", "2026-11-02")
        assert await by(spread, zone, "day", *within) == expected(zone, "%Y-%m-%d", *within), zone
        hours = await by(spread, zone, "hour", *within)
        told = Counter[str]()
        for text, nano_usd in hours.items():
            when = datetime.fromisoformat(text)
            assert (when.minute, when.second) == (0, 0)
            told[when.strftime("%Y-%m-%dT%H")] += nano_usd
        assert told == expected(zone, "%Y-%m-%dT%H", *within), zone


async def test_five_single_days_are_what_the_five_days_are_over_a_change_of_clocks(
    spread: Till,
) -> None:
    days = [f"2026-10-{day}" for day in range(23, 29)]
    for zone in ZONES:
        for group in ("key", "user", *(("model", "day") if zone in OF_EACH_KIND else ())):
            whole = sum((await by(spread, zone, group, days[0], days[-1])).values())
            single = [
                sum((await by(spread, zone, group, day, after)).values())
                for day, after in pairwise(days)
            ]
            assert sum(single) == whole, (zone, group)
            assert whole == sum(expected(zone, "%Y-%m-%d", days[0], days[-1]).values()), zone


async def test_ranges_that_begin_and_end_anywhere(spread: Till) -> None:
    for from_, to in (
        ("2026-10-24T10:20:30Z", "2026-10-24T10:50:00Z"),
        ("2026-10-24T10:20:30+05:45", "2026-10-30T00:00:00.000001Z"),
        ("2026-10-23T23:59:59.999999Z", "2026-11-01T01:00:00Z"),
    ):
        bounds = [datetime.fromisoformat(text) for text in (from_, to)]
        inside = [n for n, when in enumerate(moments()) if bounds[0] <= when < bounds[1]]
        for group in ("key", "user", "model", "day", "tag"):
            found = await by(spread, "UTC", group, from_, to)
            assert sum(found.values()) == sum(map(cost, inside)), (group, from_)


async def test_an_hour_that_comes_twice_is_two_hours(spread: Till) -> None:
    hours = await by(spread, "Europe/Berlin", "hour", "2026-10-25", "2026-10-26")
    zone = ZoneInfo("Europe/Berlin")
    wanted = {
        when.astimezone(zone).replace(minute=0, second=0).isoformat()
        for when in moments()
        if when.astimezone(zone).date().isoformat() == "2026-10-25"
    }
    assert set(hours) == wanted


@pytest.mark.parametrize(
    ("groups", "sort", "values"),
    [
        (("key",), "-cost_usd", ["x", "y"]),
        (("key",), "-cost_usd", [1, 2]),
        (("key",), "-cost_usd", [1]),
        (("key", "model"), "model", [1, "x", "y"]),
        (("hour",), "-hour", ["2026-10-25"]),
        (("day", "key"), "-requests", [1, "2026-10-25", "x"]),
        (("month",), "estimated_usd", ["x", "2026-10"]),
    ],
)
async def test_a_cursor_with_values_of_another_kind_is_refused(
    till: Till, groups: tuple[str, ...], sort: str, values: list[int | str]
) -> None:
    await till.call(reservation(await till.key(), CENT), CENT)
    written = json.dumps([f"{','.join(groups)}/{sort}", *values])
    cursor = urlsafe_b64encode(written.encode()).decode().rstrip("=")
    with pytest.raises(BadRequest, match="not one that this report gave"):
        await till.spend(groups, sort=sort, limit=1, cursor=cursor)


async def test_a_report_is_read_page_by_page_in_any_order(spread: Till) -> None:
    for groups, limit in (
        (("day", "key"), 7),
        (("user", "hour"), 40),
        (("key",), 1),
        (("day", "user", "model"), 11),
    ):
        for sort in (None, "cost_usd", "-cost_usd", "-requests", "output_tokens", f"-{groups[0]}"):
            whole = await spread.spend(groups, sort=sort)
            pages, cursor = [], None
            while True:
                page = await spread.spend(groups, sort=sort, limit=limit, cursor=cursor)
                pages += page["data"]
                assert page["totals"] == whole["totals"]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            assert pages == whole["data"], (groups, sort)
    costs = [
        Decimal(row["cost_usd"]) for row in (await spread.spend(("day",), sort="-cost_usd"))["data"]
    ]
    assert costs == sorted(costs, reverse=True)


async def test_pages_by_time_hold_the_rows_of_the_whole_report_in_its_order(spread: Till) -> None:
    for zone, groups in (
        ("Asia/Kathmandu", ("day", "key")),
        ("Europe/Berlin", ("hour", "user")),
        ("Pacific/Auckland", ("month", "key")),
    ):
        for sort in (f"-{groups[0]}", groups[0], "cost_usd", f"-{groups[1]}"):
            whole = SpendQuery(groups, zone=zone_named(zone), sort=sort)
            rows = (await spread.reports.spend(whole)).rows
            paged: list[object] = []
            page = await spread.reports.spend(replace(whole, limit=7))
            paged += page.rows
            while page.next_cursor is not None:
                page = await spread.reports.spend(replace(whole, limit=7, cursor=page.next_cursor))
                paged += page.rows
            assert paged == list(rows), (zone, sort)


async def test_what_is_left_out_of_a_report_changes_nothing_else(spread: Till) -> None:
    whole = await spread.reports.spend(SpendQuery(("user", "day")))
    wanted = SpendQuery(
        ("user", "day"),
        latencies=False,
        totals=False,
        sums=("cost_nano_usd",),
        only={"user": ["u2"]},
    )
    part = await spread.reports.spend(wanted)
    assert part.totals == Sums()
    assert [(row.group, row.sums) for row in part.rows] == [
        (row.group, Sums(requests=row.sums.requests, cost_nano_usd=row.sums.cost_nano_usd))
        for row in whole.rows
        if row.group["user"] == "u2"
    ]
