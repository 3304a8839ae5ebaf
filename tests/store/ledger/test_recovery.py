"""Lost processes, lost databases, and the end of a process."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select, update

from app.core.errors import LedgerUnavailable
from app.core.money import usd_text
from app.core.unknown import Stake
from app.store.database.engine import is_current, open_database
from app.store.database.migrate import migrate
from app.store.database.sqlite import DatabaseInUse
from app.store.database.tables import processes, requests
from app.store.ledger.corrections import charge_lost_holds
from app.store.ledger.statements import Statements
from tests.store.database.postgres import Server, private_server
from tests.store.ledger.till import CENT, Till, charge, close_till, open_till, reservation

HOLDER = """
import asyncio, sys
from tests.store.ledger.till import open_till, reservation

async def main():
    till = await open_till(sys.argv[1], lease_s=1.0)
    key = await till.keys.find(sys.argv[2])
    async with till.hold(reservation(key, 30_000_000, request_id="lost")) as hold:
        await hold.extend(kept=30_000_000)
        print("holding", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def holder(url: str, secret: str) -> subprocess.Popen[str]:
    """A process of its own that has a hold and keeps it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url, secret],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


async def new_key(url: str) -> tuple[str, str]:
    database = open_database(url)
    till = await open_till(url)
    shown, secret = await till.keys.create({"name": "n", "max_budget_usd": "1.00"})
    await close_till(till)
    await database.close()
    return shown["id"], secret


async def test_what_a_killed_process_held_is_charged_at_its_bound(url: str) -> None:
    key_id, secret = await new_key(url)
    process = await asyncio.to_thread(holder, url, secret)
    await asyncio.to_thread(kill, process)
    till = await open_till(url, lease_s=1.0)
    for _ in range(60):
        if (row := await till.requests.get("lost"))["state"] != "reserved":
            break
        await asyncio.sleep(0.1)
    assert (row["state"], row["cost_usd"]) == ("orphaned", "0.06")
    assert (row["cost_source"], row["error_code"]) == ("estimated", "process_lost")
    shown = await till.keys.get(key_id)
    assert (shown["spent_usd"], shown["reserved_usd"]) == ("0.06", "0.00")
    await till.requests.correct("lost", 1_000_000)
    assert (await till.keys.get(key_id))["spent_usd"] == "0.001"
    assert (await till.reports.reconcile())["consistent"] is True
    await close_till(till)


LOST = [
    # kept for tries before, stake (prompt, per token, most tokens), seconds, charge
    (0, Stake(1_000_000, 5_000_000, 10_000), 2, 1_000_000 + 664 * 5_000),
    (0, Stake(1_000_000, 5_000_000, 400), 2, 1_000_000 + 400 * 5_000),
    (0, Stake(1_000_000, 5_000_000, 10_000), 0, 1_000_000 + 64 * 5_000),
    (0, Stake(1_000_000, 5_000_000, 10_000, whole=True), 2, 51_000_000),
    (9_000_000, Stake(1_000_000, 5_000_000, 10_000), 2, 10_000_000 + 664 * 5_000),
]


@pytest.mark.parametrize(("kept", "stake", "seconds", "charged"), LOST)
async def test_a_lost_call_costs_its_prompt_and_what_time_allowed(
    till: Till, kept: int, stake: Stake, seconds: int, charged: int
) -> None:
    key = await till.key()
    asked = reservation(key, stake.bound_nano_usd, stake=stake)
    booked = till.hold(asked)
    await booked.__aenter__()
    if kept:
        assert await booked.extend(kept=kept)

    def lose(connection: Connection) -> int:
        begun = select(requests.c.created_us).where(requests.c.id == asked.request_id)
        sent_us = connection.execute(begun).scalar_one() - 10_000_000
        connection.execute(update(requests).values(created_us=sent_us))
        connection.execute(update(processes).values(expires_us=sent_us + seconds * 1_000_000))
        return charge_lost_holds(connection, Statements(till.database.dialect))

    assert (await till.row(asked))["reserved_usd"] == usd_text(stake.bound_nano_usd + kept)
    assert await till.database.write(lose) == 1
    row = await till.row(asked)
    assert (row["state"], row["cost_source"]) == ("orphaned", "estimated")
    assert (await till.sums(key))[:2] == (usd_text(charged), "0.00")
    booked.settle(charge(7_000_000))  # it was not lost after all
    await booked.__aexit__(None, None, None)
    assert (await till.row(asked))["state"] == "settled"


async def test_a_row_of_an_older_version_is_charged_all_it_reserved(till: Till) -> None:
    key = await till.key()
    asked = reservation(key, 51_000_000, stake=Stake(1_000_000, 5_000_000, 10_000))
    booked = till.hold(asked)
    await booked.__aenter__()

    def lose(connection: Connection) -> int:
        older = dict.fromkeys(
            ("stake_input_nano_usd", "stake_output_pico_usd", "stake_max_tokens"), None
        )
        connection.execute(update(requests).values(**older))
        connection.execute(update(processes).values(expires_us=0))
        return charge_lost_holds(connection, Statements(till.database.dialect))

    assert await till.database.write(lose) == 1
    assert (await till.row(asked))["cost_usd"] == "0.051"
    await booked.__aexit__(None, None, None)


async def test_on_sqlite_lost_holds_are_charged_before_the_first_call(sqlite_url: str) -> None:
    _, secret = await new_key(sqlite_url)
    process = await asyncio.to_thread(holder, sqlite_url, secret)
    with pytest.raises(DatabaseInUse, match="another gateway process is using"):
        await open_till(sqlite_url)
    await asyncio.to_thread(kill, process)
    till = await open_till(sqlite_url)
    assert (await till.requests.get("lost"))["state"] == "orphaned"
    await close_till(till)


async def test_holds_of_a_living_process_are_left_alone(postgres_url: str) -> None:
    _, secret = await new_key(postgres_url)
    process = await asyncio.to_thread(holder, postgres_url, secret)
    till = await open_till(postgres_url, lease_s=1.0)
    await asyncio.sleep(2.0)  # twice the lease: it is renewed
    assert (await till.requests.get("lost"))["state"] == "reserved"
    await asyncio.to_thread(kill, process)
    await close_till(till)


async def test_a_process_taken_for_dead_still_settles_at_the_real_cost(postgres_url: str) -> None:
    till = await open_till(postgres_url)
    key = await till.key(max_budget_usd="1.00")
    asked, unsettled = reservation(key, 3 * CENT), reservation(key, 2 * CENT)

    def take_for_dead(connection):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        connection.execute(delete(processes))
        return charge_lost_holds(connection, Statements(till.database.dialect))

    async with till.hold(asked) as hold, till.hold(unsettled) as other:
        assert await till.database.write(take_for_dead) == 2
        assert await till.sums(key) == ("0.05", "0.00", "0.95")
        assert not await other.extend(kept=2 * CENT)
        hold.settle(replace(charge(4_000_000), model="claude-opus-5-5"))
        other.settle(charge(1_000_000))
    assert (await till.row(asked))["state"] == "settled"
    assert (await till.row(asked))["cost_usd"] == "0.004"
    assert (await till.row(asked))["model"] == "claude-opus-5-5"
    assert await till.sums(key) == ("0.005", "0.00", "0.995")
    await till.call(reservation(key, CENT), CENT)
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


async def test_closing_writes_what_is_still_on_its_way(url: str) -> None:
    till = await open_till(url)
    key = await till.key()
    calls = [asyncio.create_task(till.call(reservation(key), 1_000)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(*calls)
    leaving = till.hold(reservation(key))
    await leaving.__aenter__()
    leaving.settle(charge(1_000))
    end = asyncio.create_task(leaving.__aexit__(None, None, None))
    await asyncio.sleep(0)
    await close_till(till)
    await end
    again = await open_till(url)
    assert (await again.sums(key))[:2] == ("0.000051", "0.00")
    assert (await again.reports.reconcile())["consistent"] is True
    await close_till(again)


async def test_a_second_gateway_is_refused_but_commands_still_work(sqlite_url: str) -> None:
    till = await open_till(sqlite_url)
    with pytest.raises(DatabaseInUse, match="several processes need PostgreSQL"):
        await open_till(sqlite_url)
    key = await till.key()
    beside = open_database(sqlite_url)
    found = await till.keys.__class__(beside).update(key.id, {"rpm": 9})
    await beside.close()
    assert found["rpm"] == 9
    await till.call(reservation(key), CENT)
    await close_till(till)
    await close_till(await open_till(sqlite_url))


async def test_two_processes_on_one_key_never_overdraw_it(postgres_url: str) -> None:
    tills = [await open_till(postgres_url) for _ in range(2)]
    key = await tills[0].key(max_budget_usd="0.10")

    async def attempt(till: Till) -> bool:
        try:
            await till.call(reservation(key, CENT, idempotency_key=None), CENT)
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "BudgetExceeded"  # noqa: PT017
            return False
        return True

    let_in = await asyncio.gather(*(attempt(tills[n % 2]) for n in range(30)))
    assert sum(let_in) == 10
    assert await tills[0].sums(key) == ("0.10", "0.00", "0.00")
    assert (await tills[0].reports.reconcile())["consistent"] is True
    for till in tills:
        await close_till(till)


async def test_one_idempotency_key_at_two_processes_is_billed_once(postgres_url: str) -> None:
    tills = [await open_till(postgres_url) for _ in range(2)]
    key = await tills[0].key()
    calls = [
        tills[n % 2].call(reservation(key, idempotency_key=f"k{n // 4}"), CENT) for n in range(40)
    ]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(end is None for end in ends) == 10
    assert {type(end).__name__ for end in ends} == {"NoneType", "DuplicateRequest"}
    assert (await tills[1].sums(key))[0] == "0.10"
    for till in tills:
        await close_till(till)


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tollkeeper-pg-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user
        with private_server(Path(folder)) as server:
            migrate(server.get_uri())
            yield server


async def test_a_lost_database_refuses_calls_and_loses_no_settlement(own_postgres: Server) -> None:
    till = await open_till(own_postgres.get_uri(), lease_s=60)
    key = await till.key()
    kept = reservation(key, 2 * CENT)
    hold = till.hold(kept)
    await hold.__aenter__()
    await asyncio.to_thread(own_postgres.stop)

    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(till.call(reservation(key), CENT), 10)
    hold.settle(charge(7_000_000))
    await asyncio.wait_for(hold.__aexit__(None, None, None), 10)
    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(till.call(reservation(key), CENT), 10)

    await asyncio.to_thread(own_postgres.ensure_postgres_running)
    for _ in range(100):
        await asyncio.sleep(0.1)
        try:
            await till.call(reservation(key), CENT)
        except LedgerUnavailable:
            continue
        break
    row = await till.row(kept)
    assert (row["state"], row["cost_usd"]) == ("settled", "0.007")
    assert await till.sums(key) == ("0.017", "0.00", None)
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


async def test_a_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'er' / 'ledger.db'}"
    await asyncio.to_thread(migrate, url)
    database = open_database(url)
    database.claim()
    assert await is_current(database)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep/er").iterdir()
    }
    await database.close()
    assert modes.pop("ledger.db") == 0o600
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be sqlite"):
        open_database(url)


async def test_nobody_waits_for_a_ledger_that_was_closed(url: str) -> None:
    till = await open_till(url)
    key = await till.key()
    late = reservation(key, CENT)
    hold = till.hold(late)
    await hold.__aenter__()
    await till.ledger.close()
    hold.settle(charge(1_000))
    await asyncio.wait_for(hold.__aexit__(None, None, None), 5)
    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(till.call(reservation(key), 0), 5)
    assert (await till.row(late))["state"] == "reserved"
    await till.database.close()
    again = await open_till(url)
    assert (await again.row(late))["cost_usd"] == "0.01"
    await close_till(again)
