"""Keys found, filtered and sorted by the database, page by page; the windows that were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, update

from app.core.ended import Refused
from app.core.errors import BadRequest
from app.store.database.tables import requests
from app.store.records.key_lists import KeyLists, KeySearch
from app.store.records.refusals import Refusals
from app.store.records.window_history import WindowHistory
from tests.store.ledger.till import CENT, HAIKU, Till, close_till, open_till, reservation


async def names(till: Till, **search: Any) -> list[str]:
    """All that are found, two at a time."""
    lists = KeyLists(till.database)
    found: list[str] = []
    cursor = None
    while True:
        listed = await lists.listed(KeySearch(**search), cursor=cursor, limit=2)
        found += [row.name for row in listed.rows]
        cursor = listed.next_cursor
        if cursor is None:
            return found


async def stocked(till: Till) -> None:
    """Five keys: half spent, spent up, without a limit, soon over, revoked."""
    soon = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    await till.teams.create({"name": "ops"})
    half = await till.key(name="Half_50%", max_budget_usd="0.04", budget_window="day", team="ops")
    all_of_it = await till.key(name="all", max_budget_usd="0.03")
    free = await till.key(name="free")
    await till.key(name="short", expires_at=soon, max_budget_usd="1")
    gone = await till.key(name="gone")
    await till.call(reservation(half, 2 * CENT), 2 * CENT)
    await till.call(reservation(all_of_it, 3 * CENT), 3 * CENT)
    await till.call(reservation(free), CENT)
    await till.keys.revoke(gone.id)


@pytest.mark.parametrize(
    ("sort", "told"),
    [
        ("-created", ["short", "free", "all", "Half_50%"]),
        ("created", ["Half_50%", "all", "free", "short"]),
        ("name", ["all", "free", "Half_50%", "short"]),
        ("-name", ["short", "Half_50%", "free", "all"]),
        ("-spent", ["all", "Half_50%", "free", "short"]),
        ("-used", ["all", "Half_50%", "short", "free"]),
        ("used", ["free", "short", "Half_50%", "all"]),
        ("-last_used", ["free", "all", "Half_50%", "short"]),
    ],
)
async def test_keys_are_sorted_by_anything_over_all_pages(
    till: Till, sort: str, told: list[str]
) -> None:
    await stocked(till)
    assert await names(till, sort=sort) == told


async def test_keys_are_found_by_text_state_team_and_what_they_lack(till: Till) -> None:
    await stocked(till)
    assert await names(till, text="HALF") == ["Half_50%"]
    assert await names(till, text="f_5") == ["Half_50%"]
    assert await names(till, text="fx5") == []
    assert await names(till, text="tk-", sort="name") == ["all", "free", "Half_50%", "short"]
    assert await names(till, team="ops") == ["Half_50%"]
    assert await names(till, state="revoked") == ["gone"]
    assert len(await names(till, state="all")) == 5
    assert await names(till, state="expired") == []
    assert await names(till, only="near") == ["all"]
    assert await names(till, only="expiring") == ["short"]
    assert await names(till, only="unlimited") == ["free"]
    assert await names(till, only="unused") == []
    assert (await names(till, sort="expires"))[0] == "short"


async def test_a_line_tells_what_the_key_object_tells(till: Till) -> None:
    await stocked(till)
    (line,) = (await KeyLists(till.database).listed(KeySearch(text="half"))).rows
    (shown,) = (await KeyLists(till.database).objects(KeySearch(text="half"))).rows
    assert shown == await till.keys.get(line.id)
    assert (line.spent_nano_usd, line.held_nano_usd, line.limit_nano_usd) == (
        *(20_000_000, 0, 40_000_000),
    )
    assert (line.team_name, line.budget_window) == ("ops", "day")
    assert line.last_used_us is not None


async def test_what_keys_spent_is_told_by_day(till: Till) -> None:
    one, other = await till.key(), await till.key()
    await till.call(reservation(one), CENT)
    await till.call(reservation(one), CENT // 2)
    today = datetime.now(UTC).date()
    found = await KeyLists(till.database).by_day([one.id, other.id], today - timedelta(days=1))
    assert sum(found[one.id].values()) == 15_000_000
    assert set(found[one.id]) <= {today, today - timedelta(days=1)}
    assert found[other.id] == {}
    later = await KeyLists(till.database).by_day([one.id], today + timedelta(days=1))
    assert later == {one.id: {}}


@pytest.mark.parametrize(
    ("search", "cursor"),
    [
        ({"sort": "colour"}, None),
        ({"state": "lost"}, None),
        ({"only": "me"}, None),
        ({}, "x"),
        ({}, '["a","b"]'),
        ({}, "[1]"),
        ({}, "[true,1]"),
        ({"sort": "name"}, '[1,"key_1"]'),
        ({}, '[18446744073709551615,"key_1"]'),
        ({"sort": "-spent"}, '[-9223372036854775809,"key_1"]'),
        ({"sort": "used"}, '[1,"key_1"]'),
    ],
)
async def test_what_is_no_search_is_refused(
    till: Till, search: dict[str, str], cursor: str | None
) -> None:
    with pytest.raises(BadRequest):
        await KeyLists(till.database).listed(KeySearch(**search), cursor=cursor)


async def test_every_window_of_a_budget_is_told_newest_first(till: Till) -> None:
    key = await till.key(max_budget_usd="1")
    await till.call(reservation(key), CENT)
    await till.keys.update(key.id, {"budget_window": "day"})
    changed = replace(key, budget_window="day")
    await till.call(reservation(changed, 2 * CENT), 2 * CENT)
    now, before = await WindowHistory(till.database).of("key", key.id)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (now.window, now.spent_nano_usd) == ("day", 2 * CENT)
    assert now.starts_at is not None
    assert now.ends_at == now.starts_at + timedelta(days=1)
    assert abs(now.starts_at - today) <= timedelta(days=1)
    assert (before.window, before.starts_at, before.spent_nano_usd) == ("none", None, CENT)


def at(second: int, request_id: str, connection: Connection) -> None:
    """Let a call begin so many seconds into the day: calls of the till take 7 ms."""
    today_us = int(datetime.now(UTC).timestamp()) // 86_400 * 86_400 * 1_000_000
    row = update(requests).where(requests.c.id == request_id)
    connection.execute(row.values(created_us=today_us + second * 1_000_000))


async def test_a_window_tells_the_most_that_was_held_at_once(url: str) -> None:
    till = await open_till(url)
    key = await till.key(max_budget_usd="1", budget_window="day", model_budgets={HAIKU: "1"})
    asked = [reservation(key, cents * CENT) for cents in (1, 2, 4)]
    for request in asked:
        await till.call(request, CENT)
    history, most = WindowHistory(till.database), []
    for seconds in ((5, 5, 6), (5, 5, 5), (5, 6, 7)):
        for second, request in zip(seconds, asked, strict=True):
            await till.database.write(partial(at, second, request.request_id))
        (window,) = await history.of("key", key.id)
        most.append(window.most_held_nano_usd)
    assert most == [4 * CENT, 7 * CENT, 4 * CENT]
    (of_model,) = await history.of("key_model", f"{key.id}:{HAIKU}")
    assert (of_model.most_held_nano_usd, of_model.refused) == (4 * CENT, None)
    await close_till(till)


async def test_a_window_tells_how_many_calls_its_budget_refused(till: Till) -> None:
    team = await till.teams.create({"name": "blue", "max_budget_usd": "1"})
    key = await till.key(max_budget_usd="1", team="blue")
    await till.call(reservation(key), CENT)
    refusals = Refusals(till.database)
    for number, scope in enumerate(("key", "key_model", "key_model", "team", "team", "team")):
        said = Refused(f"req_{number}", key.id, 402, "budget_exceeded", "no", "m")
        refusals.note(replace(said, budget={"scope": scope, "needed_usd": "2.00"}))
    refusals.note(Refused("req_x", key.id, 403, "model_not_allowed", "no", "m"))
    await refusals.written()
    history = WindowHistory(till.database)
    (of_key,) = await history.of("key", key.id)
    (of_team,) = await history.of("team", team["id"])
    assert (of_key.refused, of_team.refused) == (1, 3)


async def test_a_cursor_may_hold_what_no_database_stores(till: Till) -> None:
    await till.key(name="ann")
    found = await KeyLists(till.database).listed(
        KeySearch(sort="name"), cursor='["\\u0000","\\u0000"]'
    )
    assert found.next_cursor is None
