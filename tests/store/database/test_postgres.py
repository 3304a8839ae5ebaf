"""PostgreSQL as operators have it: restarted, idle, given parameters, read-only."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from app.store.database.engine import Database, open_database
from app.store.database.migrate import migrate
from tests.store.database.postgres import Server, private_server
from tests.store.ledger.till import CENT, Till, close_till, open_till, reservation


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tollkeeper-pg-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user
        with private_server(Path(folder)) as server:
            migrate(server.get_uri())
            yield server


async def use_every_connection(database: Database) -> None:
    """Fill both pools, so that each connection in them is one that was open before."""
    wait = text("SELECT pg_sleep(0.2)")
    work = [database.run(lambda c: c.execute(wait)) for _ in range(4)]
    work += [database.write(lambda c: c.execute(wait)) for _ in range(4)]
    await asyncio.gather(*work)


async def assert_nothing_is_refused(till: Till) -> None:
    key = await till.key(max_budget_usd="1.00")
    await asyncio.gather(*(till.call(reservation(key), CENT // 100) for _ in range(20)))
    assert await till.sums(key) == ("0.002", "0.00", "0.998")


async def test_no_call_is_refused_after_the_server_was_restarted(own_postgres: Server) -> None:
    till = await open_till(own_postgres.get_uri(), lease_s=60)
    await use_every_connection(till.database)
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.ensure_postgres_running)
    await assert_nothing_is_refused(till)
    await close_till(till)


async def test_no_call_is_refused_after_the_server_ended_idle_connections(
    postgres_url: str,
) -> None:
    till = await open_till(postgres_url)
    other = open_database(postgres_url)
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(3):
        await use_every_connection(till.database)
        await other.write(lambda c: c.execute(end))
        await assert_nothing_is_refused(till)
    await other.close()
    await close_till(till)


async def test_what_broke_before_its_commit_is_done_once(postgres_url: str) -> None:
    database = open_database(postgres_url)
    mine = text("SELECT pg_backend_pid()")
    runs = []

    def add(connection: Connection) -> int:
        connection.execute(text("INSERT INTO teams VALUES ('t', 'ops', 0, NULL, 'none')"))
        runs.append(connection.execute(mine).scalar_one())
        if len(runs) == 1:
            connection.execute(text(f"SELECT pg_terminate_backend({runs[0]})"))
        return len(runs)

    assert await database.write(add) == 2
    count = text("SELECT count(*) FROM teams")
    assert await database.run(lambda c: c.execute(count).scalar_one()) == 1
    assert runs[0] != runs[1]
    await database.close()


async def test_libpqs_parameters_work(postgres_url: str) -> None:
    database = open_database(
        f"{postgres_url}&application_name=bills&options=-c%20work_mem%3D3MB&sslmode=disable"
        "&connect_timeout=3&target_session_attrs=read-write&channel_binding=prefer"
    )
    show = [text(f"SHOW {name}") for name in ("application_name", "work_mem", "enable_seqscan")]
    found = await database.write(lambda c: [c.execute(each).scalar_one() for each in show])
    await database.close()
    assert found == ["bills", "3MB", "off"]


async def test_a_ledger_behind_a_pooler_sets_everything_within_its_transaction(
    postgres_url: str,
) -> None:
    till = await open_till(f"{postgres_url}&pgbouncer=true")
    await assert_nothing_is_refused(till)
    names = ("enable_seqscan", "synchronous_commit", "jit")
    show = [text(f"SHOW {name}") for name in names]
    found = await till.database.write(lambda c: [c.execute(each).scalar_one() for each in show])
    assert found == ["off", "on", "off"]
    count = text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
    assert await till.database.write(lambda c: c.execute(count).scalar_one()) == 0
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


async def test_what_changes_a_whole_ledger_is_planned_freely_and_never_given_up(
    postgres_url: str,
) -> None:
    def told(connection: Connection) -> tuple[str, float | None]:
        by_hash = str(connection.execute(text("SHOW enable_hashjoin")).scalar_one())
        driver = connection.connection.driver_connection
        assert driver is not None
        return by_hash, driver._config.command_timeout

    for patient, expected in ((True, ("on", None)), (False, ("off", 15))):
        database = open_database(postgres_url, patient=patient)
        assert await database.write(told) == expected
        await database.close()
