"""Budget windows go by the database's clock, which these tests set: a leap day ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy.engine import make_url

from tests.ledger_e2e.calls import whole
from tests.ledger_e2e.fleet import Answer, Fleet, Watched, fleet, nano, until
from tests.store.database.postgres import Server, new_database
from tests.store.ledger.till import CENT, close_till, open_till, reservation

# A clock of the database's own, found before the system's.
SETTABLE = """
CREATE TABLE clock (ahead interval NOT NULL);
INSERT INTO clock VALUES ('0');
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM clock';
ALTER DATABASE {name} SET search_path = public, pg_catalog;
"""
SET = "UPDATE clock SET ahead = CAST('{now}' AS timestamptz) - pg_catalog.clock_timestamp()"
LONG_LEASE = "ledger: {lease_s: 3600}\n"


async def execute(url: str, statement: str) -> None:
    parts = make_url(url)
    connection = await asyncpg.connect(
        user=parts.username, database=parts.database, host=str(parts.query["host"])
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def set_clock(url: str, now: str) -> None:
    asyncio.run(execute(url, SET.format(now=now)))


@pytest.fixture
def clocked_url(postgres: Server) -> str:
    """An empty database whose clock can be set."""
    url = asyncio.run(new_database(postgres))
    asyncio.run(execute(url, SETTABLE.format(name=make_url(url).database)))
    return url


@pytest.fixture
def clocked(clocked_url: str, upstream: Watched, tmp_path: Path) -> Iterator[Fleet]:
    set_clock(clocked_url, "2028-02-29 23:40:00+00")
    with fleet(tmp_path, upstream, clocked_url, config=LONG_LEASE) as running:
        yield running


WINDOWS = [
    # window, its start and its end around the leap day, a Tuesday
    ("day", "2028-02-29", "2028-03-01"),
    ("month", "2028-02-01", "2028-03-01"),
    ("week", "2028-02-28", "2028-03-06"),
]


def test_a_spent_budget_is_whole_again_in_the_next_window_on_every_gateway(
    clocked: Fleet,
) -> None:
    # Each call is held at $0.000361 and costs $0.000312.
    keys = {
        window: clocked.key(max_budget_usd="0.0007", budget_window=window)
        for window, _, _ in WINDOWS
    }
    for window, starts, ends in WINDOWS:
        secret, key_id = keys[window]
        assert [clocked.send(secret, [whole(at)])[0].status for at in range(2)] == [200, 200]
        spent = clocked.shown(key_id)
        assert (spent["window_started_at"][:19], spent["resets_at"][:19]) == (
            f"{starts}T00:00:00",
            f"{ends}T00:00:00",
        )
        assert (spent["spent_usd"], spent["remaining_usd"]) == ("0.000624", "0.000076")
        refusals = clocked.send(secret, [whole(3), whole(4)])  # one to each gateway
        assert [answer.status for answer in refusals] == [402, 402]
        assert all(f'"{ends}T00:00:00Z"'.encode() in answer.body for answer in refusals)

    for today, renewed in (
        ("2028-02-29 23:59:00", set()),
        ("2028-03-01 00:00:00", {"day", "month"}),
        ("2028-03-05 23:59:00", {"day"}),
        ("2028-03-06 00:00:00", {"day", "week"}),
    ):
        set_clock(clocked.database_url, f"{today}+00")
        for window, (secret, _) in keys.items():
            answers = clocked.send(secret, [whole(5), whole(6)], at_once=1)
            expected = 200 if window in renewed else 402
            assert [answer.status for answer in answers] == [expected, expected], (today, window)
    for window, calls in (("day", 8), ("month", 4), ("week", 4)):
        shown = clocked.shown(keys[window][1])
        assert nano(shown["lifetime_spent_usd"]) == calls * 312_000
        assert shown["reserved_usd"] == "0.00"
    clocked.assert_consistent()


def test_a_cost_lands_in_the_window_of_its_hold(clocked: Fleet, upstream: Watched) -> None:
    secret, key_id = clocked.key(max_budget_usd="1.00", budget_window="month")
    upstream.pace(latency_s=1.5)
    answers: list[Answer] = []
    caller = threading.Thread(target=lambda: answers.extend(clocked.send(secret, [whole(1)])))
    caller.start()
    until(lambda: len(upstream.entries()) == 1, within_s=5.0)
    set_clock(clocked.database_url, "2028-03-01 00:00:00+00")
    caller.join(10)
    assert [answer.status for answer in answers] == [200]
    shown = clocked.shown(key_id)
    assert shown["window_started_at"].startswith("2028-03-01T00:00:00")
    assert (shown["spent_usd"], shown["reserved_usd"]) == ("0.00", "0.00")
    assert nano(shown["lifetime_spent_usd"]) == upstream.billed_nano_usd() > 0
    (row,) = clocked.rows(key_id)
    assert row["created_at"].startswith("2028-02-29T23:4")
    days = clocked.first.admin("GET", "spend?group_by=day")["data"]
    assert [row["day"] for row in days] == ["2028-02-29"]
    clocked.assert_consistent()


def test_two_ledgers_agree_on_the_window_whatever_this_machine_thinks_the_time_is(
    clocked_url: str,
) -> None:
    async def spend() -> None:
        await execute(clocked_url, SET.format(now="2031-12-31 23:59:00+00"))
        tills = [await open_till(clocked_url, lease_s=3_600) for _ in range(2)]
        key = await tills[0].key(max_budget_usd="0.03", budget_window="day")
        for till in tills:
            await till.call(reservation(key, CENT), CENT)
            shown = await till.keys.get(key.id)
            assert shown["window_started_at"].startswith("2031-12-31T00:00:00")
        await execute(clocked_url, SET.format(now="2032-01-01 00:00:01+00"))
        await asyncio.gather(*(till.call(reservation(key, CENT), CENT) for till in tills))
        for till in tills:
            shown = await till.keys.get(key.id)
            assert shown["window_started_at"].startswith("2032-01-01T00:00:00")
            assert (shown["spent_usd"], shown["lifetime_spent_usd"]) == ("0.02", "0.04")
            assert (await till.reports.reconcile())["differences"] == []
        for till in tills:
            await close_till(till)

    asyncio.run(spend())
