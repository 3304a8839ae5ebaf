"""Refused calls are kept: of a busy second a few one by one and the rest as a count."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text, update

from app.core.ended import Refused
from app.core.errors import BadRequest, NotFound
from app.store.database.engine import Database, open_database
from app.store.database.tables import refusals as table
from app.store.records.refusal_queue import MOST_WAITING, RefusalQueue
from app.store.records.refusals import Refusals
from app.store.records.requests import Requests
from tests.store.ledger.till import CENT, close_till, open_till, reservation

BUDGET = {"scope": "key", "limit_usd": "0.01"}


def refused(name: str, key_id: str | None = "key_1", code: str = "budget_exceeded") -> Refused:
    return Refused(name, key_id, 402, code, "it does not fit", "sonnet", "openai_chat", BUDGET)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = open_database(url)
    yield opened
    await opened.close()


def wait_for_a_new_second() -> None:
    time.sleep(1.01 - time.time() % 1)


async def test_a_refused_call_is_found_in_the_list_and_by_its_id(database: Database) -> None:
    kept = Refusals(database)
    kept.note(refused("req_1"))
    kept.note(Refused("req_2", None, 401, "invalid_api_key", "not known"))
    listed = (await kept.list())["data"]
    assert [each["id"] for each in listed] == ["req_2", "req_1"]
    shown = listed[1]
    assert shown["created_at"].endswith("Z")
    assert shown | {"created_at": None} == {
        "id": "req_1",
        "state": "refused",
        "created_at": None,
        "key_id": "key_1",
        "dialect": "openai_chat",
        "model": "sonnet",
        "status": 402,
        "code": "budget_exceeded",
        "message": "it does not fit",
        "budget": BUDGET,
        "count": 1,
    }
    assert await Requests(database).get("req_1") == {
        **shown,
        "error_code": "budget_exceeded",
        "cost_usd": "0.00",
    }
    with pytest.raises(NotFound):
        await Requests(database).get("req_3")


async def test_of_one_second_twenty_of_a_key_are_kept_and_the_rest_is_a_count(
    database: Database,
) -> None:
    kept = Refusals(database)
    wait_for_a_new_second()
    for number in range(30):
        kept.note(refused(f"req_a{number:02}"))
        kept.note(refused(f"req_b{number:02}", None, "invalid_api_key"))
        if number == 24:  # some of the rest is written before the second is over
            await kept.written()
    kept.note(refused("req_other", "key_2"))
    own = (await kept.list({"key_id": "key_1"}))["data"]
    assert sorted((each["id"], each["count"]) for each in own) == [
        *((f"req_a{number:02}", 1) for number in range(20)),
        ("req_a20", 10),
    ]
    unknown = (await kept.list({"code": "invalid_api_key"}))["data"]
    assert sum(each["count"] for each in unknown) == 30
    assert len(unknown) == 21
    other = (await kept.list({"key_id": "key_2"}))["data"]
    assert [each["count"] for each in other] == [1]


async def test_the_rest_of_a_second_is_counted_by_code(database: Database) -> None:
    kept = Refusals(database)
    wait_for_a_new_second()
    for number in range(20):
        kept.note(refused(f"req_{number:02}"))
    for number in range(5):
        kept.note(refused(f"req_x{number}"))
        kept.note(refused(f"req_y{number}", code="model_not_allowed"))
    counts = {each["id"]: each["count"] for each in (await kept.list())["data"]}
    assert (counts["req_x0"], counts["req_y0"], len(counts)) == (5, 5, 22)


async def test_pages_and_ranges_leave_none_out_and_show_none_twice(database: Database) -> None:
    kept = Refusals(database)
    for number in range(7):
        kept.note(refused(f"req_{number}"))
    await kept.written()
    moments = {f"req_{number}": 1_000_000 * (number // 2) for number in range(7)}
    for name, us in moments.items():
        moved = update(table).where(table.c.id == name).values(created_us=us)
        await database.write(lambda c, moved=moved: c.execute(moved))  # type: ignore[misc]
    seen: list[str] = []
    cursor = None
    while True:
        page = await kept.list(cursor=cursor, limit=3)
        seen += [each["id"] for each in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"req_{number}" for number in reversed(range(7))]
    within = {"from": "1970-01-01T00:00:01Z", "to": "1970-01-01T00:00:02Z"}
    assert [each["id"] for each in (await kept.list(within))["data"]] == ["req_3", "req_2"]
    with pytest.raises(BadRequest) as caught:
        await kept.list({"colour": "red"})
    assert caught.value.param == "colour"


async def test_what_is_older_than_thirty_days_is_dropped(database: Database) -> None:
    queue = RefusalQueue(database, lambda _: None)
    for name in ("req_old", "req_new"):
        queue.note(refused(name))
    await queue.written()
    days_us = 86_400 * 1_000_000
    old_us = time.time_ns() // 1_000 - 30 * days_us - 60_000_000
    aged = update(table).where(table.c.id == "req_old").values(created_us=old_us)
    await database.write(lambda connection: connection.execute(aged))
    await queue.prune()
    left = await database.run(lambda c: c.execute(text("SELECT id FROM refusals")).scalars().all())
    assert list(left) == ["req_new"]


async def test_a_call_that_was_held_after_all_is_no_refusal(url: str) -> None:
    till = await open_till(url)
    asked = reservation(await till.key(), CENT)
    await till.call(asked, 4_000_000)
    queue = RefusalQueue(till.database, lambda _: None)
    queue.note(refused(asked.request_id), unsure=True)
    queue.note(refused("req_not_held"), unsure=True)
    await queue.written()
    assert [each["id"] for each in (await Refusals(till.database).list())["data"]] == [
        "req_not_held"
    ]
    assert (await till.row(asked))["state"] == "settled"
    await close_till(till)


async def test_an_outage_loses_none_until_too_many_wait_and_each_lost_one_is_counted(
    database: Database,
) -> None:
    lost: list[int] = []
    away = _Away(database)
    queue = RefusalQueue(away, lost.append)
    for number in range(MOST_WAITING + 3):
        queue.note(refused(f"req_{number}", f"key_{number}"))
    assert lost == [1, 1, 1]
    with pytest.raises(OSError, match="away"):
        await queue.written()
    away.is_away = False
    await queue.written()
    count = text("SELECT count(*) FROM refusals")
    assert await database.run(lambda c: c.execute(count).scalar_one()) == MOST_WAITING


class _Away:
    """A database that does not answer for a while."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_away = True
        self.url = database.url
        self.dialect = database.dialect

    async def write(self, fn: Any) -> Any:
        if self.is_away:
            raise OSError("the database is away")
        return await self._database.write(fn)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)
