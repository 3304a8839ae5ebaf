"""Sums by hour, day, model, end user and tag."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, select, text

from app.core.errors import RateLimitError
from app.store.database.engine import open_database
from app.store.database.rollup_tables import DAY, HOUR, label_rollups, rollups, tagged
from app.store.ledger.labels import Known, KnownLabels
from tests.store.database.test_schema import moved
from tests.store.ledger.till import CENT, HAIKU, Till, charge, close_till, open_till, reservation


async def of_key(till: Till, grain: str, *names: str) -> list[tuple[Any, ...]]:
    row = rollups.c
    found = select(*(row[name] for name in names)).where(row.grain == grain).order_by(row.model)
    return await till.database.run(lambda c: [tuple(each) for each in c.execute(found)])


async def of_labels(till: Till, kind: str, grain: str = DAY) -> dict[str, tuple[int, int]]:
    """Requests and cost by label."""
    row = label_rollups.c
    found = select(row.label, row.requests, row.cost_nano_usd)
    found = found.where(row.kind == kind, row.grain == grain)
    return await till.database.run(
        lambda c: {label: (int(count), int(cost)) for label, count, cost in c.execute(found)}
    )


async def test_an_hour_and_its_day_tell_errors_retries_and_how_sure_a_cost_is(till: Till) -> None:
    key = await till.key()
    await till.call(reservation(key), 3 * CENT)
    await till.fail(reservation(key), RateLimitError("slow", status=429))
    async with till.hold(reservation(key)) as hold:
        hold.settle(charge(CENT, "billed"))
    async with till.hold(reservation(key)) as hold:
        hold.settle(charge(2 * CENT, "estimated"))
    names = ("requests", "errors", "estimated_nano_usd", "billed_nano_usd", "orphaned_nano_usd")
    sums = ("cost_nano_usd", "input_nano_usd", "output_nano_usd", "output_tokens")
    for grain in (HOUR, DAY):
        assert await of_key(till, grain, *names) == [(4, 1, 2 * CENT, CENT, 0)]
        assert await of_key(till, grain, *sums) == [(6 * CENT, 54_000_000, 6_000_000, 180)]
    assert await of_labels(till, "model", HOUR) == {HAIKU: (4, 6 * CENT)}


async def test_a_call_counts_once_for_its_user_and_once_for_each_of_its_tags(till: Till) -> None:
    key = await till.key()
    await till.call(reservation(key, end_user="ann", tags=("a", "b", "a")), CENT)
    await till.call(reservation(key, end_user="bob", tags=("b",)), 2 * CENT)
    await till.call(reservation(key), 4 * CENT)
    for grain in (HOUR, DAY):
        assert await of_labels(till, "user", grain) == {"=ann": (1, CENT), "=bob": (1, 2 * CENT)}
        assert await of_labels(till, "tag", grain) == {
            "any": (2, 3 * CENT),
            "=a": (1, CENT),
            "=b": (2, 3 * CENT),
        }
    found = await till.database.run(lambda c: c.execute(select(tagged.c.tag)).scalars().all())
    assert sorted(found) == ["a", "b", "b"]


async def test_plain_calls_make_no_rows_for_users_and_tags(till: Till) -> None:
    await till.call(reservation(await till.key()), CENT)
    assert await of_labels(till, "user") == await of_labels(till, "tag") == {}


async def test_a_day_has_rows_for_so_many_labels_and_counts_the_rest_together(url: str) -> None:
    till = await open_till(url)
    till.ledger._process.labels = KnownLabels({"user": 2, "tag": 1})
    key = await till.key()
    for user in ("ann", "bob", "cid", "ann", "dan", "cid"):
        await till.call(reservation(key, end_user=user, tags=(user, f"{user}2")), CENT)
    assert await of_labels(till, "user") == {
        "=ann": (2, 2 * CENT),
        "=bob": (1, CENT),
        "others": (3, 3 * CENT),
    }
    assert await of_labels(till, "tag") == {
        "any": (6, 6 * CENT),
        "=ann": (2, 2 * CENT),
        "others": (6, 6 * CENT),
    }
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


async def test_a_full_day_stays_full_for_every_process(url: str) -> None:
    till = await open_till(url)
    most = {"user": 1, "tag": 1}
    till.ledger._process.labels = KnownLabels(most)
    await till.call(reservation(await till.key(), end_user="ann"), CENT)
    row = label_rollups.c
    day = await till.database.run(
        lambda c: c.execute(select(row.from_us).where(row.grain == DAY)).scalar_one()
    )
    wanted = {("user", day): {"bob"}, ("user", day + 1): {"bob"}}

    def asked(connection: Connection) -> Any:
        return KnownLabels(most).of_their_own(connection, wanted)

    found = await till.database.write(asked)
    assert found == {
        ("user", day): Known({"ann"}, is_full=True),
        ("user", day + 1): Known({"bob"}),
    }
    await close_till(till)


BEFORE = "2026_11_30_2242"


async def test_an_older_database_gets_every_sum_from_its_rows(url: str) -> None:
    till = await open_till(url)
    await till.teams.create({"name": "ops"})
    ann, bob = await till.key(name="ann", team="ops"), await till.key(name="bob")
    await till.call(reservation(ann, end_user="u1", tags=("a", "b")), CENT)
    await till.call(reservation(bob, end_user="u2", tags=("b",)), 2 * CENT)
    await till.call(reservation(bob), 4 * CENT)
    await till.fail(reservation(bob, tags=("a",)), RateLimitError("slow", status=429))
    expected = await everything(till)
    await close_till(till)
    database = open_database(url)
    await database.write(lambda c: moved(c, command.downgrade, BEFORE))
    days = "SELECT SUM(requests), SUM(cost_nano_usd) FROM rollups"
    assert await database.run(lambda c: tuple(map(int, c.execute(text(days)).one()))) == (
        4,
        7 * CENT,
    )
    await database.write(lambda c: moved(c, command.upgrade, "head"))
    await database.close()
    till = await open_till(url)
    assert await everything(till) == expected
    assert (await till.reports.reconcile())["differences"] == []
    await till.call(reservation(bob, end_user="u1", tags=("b",)), CENT)
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


async def everything(till: Till) -> list[Any]:
    """Every roll-up, whichever process wrote it."""

    def read(connection: Connection) -> list[Any]:
        found: list[Any] = []
        for table in (rollups, label_rollups, tagged):
            columns = [column for column in table.c if column.name != "process_id"]
            found.append(sorted(tuple(row) for row in connection.execute(select(*columns))))
        return found

    return await till.database.run(read)


async def test_corrections_move_the_labels_of_their_row(till: Till) -> None:
    key = await till.key()
    asked = reservation(key, end_user="ann", tags=("a",))
    async with till.hold(asked) as hold:
        hold.settle(charge(2 * CENT, "estimated"))
    await till.requests.correct(asked.request_id, CENT)
    row = label_rollups.c
    sums = select(row.process_id, row.cost_nano_usd, row.estimated_nano_usd, row.requests)
    found = await till.database.run(
        lambda c: c.execute(sums.where(row.label == "=ann", row.grain == HOUR)).all()
    )
    assert sorted(each[1:] for each in found) == [(-CENT, -2 * CENT, 0), (2 * CENT, 2 * CENT, 1)]


@pytest.mark.parametrize("count", [40])
async def test_calls_at_once_lose_no_label(till: Till, count: int) -> None:
    key = await till.key()
    calls = (
        till.call(reservation(key, end_user=f"u{n % 7}", tags=(f"t{n % 5}",)), CENT)
        for n in range(count)
    )
    await asyncio.gather(*calls)
    users = await of_labels(till, "user")
    assert sum(requests for requests, _ in users.values()) == count
    assert len(users) == 7
