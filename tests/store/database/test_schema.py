"""The migrations make the tables that the code works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.store.database.engine import is_current, open_database
from app.store.database.migrate import migrate, migrations_folder
from app.store.database.tables import METADATA, REVISION
from tests.store.ledger.till import CENT, close_till, open_till, reservation


async def test_a_migrated_database_has_exactly_the_tables_of_the_code(url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, METADATA))

    database = open_database(url)
    found = await database.run(differences)
    await database.close()
    assert found == []


async def test_every_index_is_there_with_its_condition(url: str) -> None:
    catalog = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }
    database = open_database(url)
    kind = catalog[database.dialect.name]
    found = await database.run(lambda c: " ".join(c.execute(text(kind)).scalars()))
    await database.close()
    partial = (
        "ix_requests_open",
        "ux_requests_idempotency",
        "ix_requests_lookups",
        "ix_requests_conversation",
        "ix_requests_waiting_trace",
        *(f"ix_requests_{name}" for name in ("team", "user", "failed", "unsettled", "unsure")),
        "ix_requests_dear",
    )
    for index in (*partial, "ix_requests_created_us_id"):
        assert index in found
    assert found.count("WHERE") == len(partial)
    assert "'released'" in found


def test_the_code_names_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


async def test_migrating_twice_changes_nothing(url: str) -> None:
    await asyncio.to_thread(migrate, url)
    database = open_database(url)
    assert await is_current(database)
    await database.close()


async def test_an_older_database_is_carried_over_with_its_rows(url: str) -> None:
    till = await open_till(url)
    asked = reservation(await till.key(), CENT)
    await till.call(asked, 4_000_000)
    await close_till(till)
    database = open_database(url)
    await database.write(lambda c: moved(c, command.downgrade, "2026_11_21_1900"))
    assert not await is_current(database)
    await database.write(lambda c: moved(c, command.upgrade, "head"))
    await database.close()
    till = await open_till(url)
    assert (await till.row(asked))["cost_usd"] == "0.004"
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


def moved(connection: Connection, way: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    way(config, revision)


async def test_an_empty_database_is_not_current(tmp_path: Any) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert not await is_current(database)
    await database.close()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("windows", "spent_nano_usd"),
        ("windows", "held_nano_usd"),
        ("rollups", "cost_nano_usd"),
        ("rollups", "output_tokens"),
        ("requests", "reserved_nano_usd"),
    ],
)
async def test_a_sum_that_is_too_large_is_refused_and_never_becomes_a_float(
    url: str, table: str, column: str
) -> None:
    till = await open_till(url)
    await till.call(reservation(await till.key()), CENT)
    add = text(f"UPDATE {table} SET {column} = {column} + {8 * 10**18}")  # noqa: S608
    await till.database.write(lambda c: c.execute(add))
    with pytest.raises(DBAPIError):
        await till.database.write(lambda c: c.execute(add))
    found = await till.database.run(
        lambda c: c.execute(text(f"SELECT {column} FROM {table}")).scalars().all()  # noqa: S608
    )
    assert all(isinstance(value, int) and value <= 9 * 10**18 for value in found)
    await close_till(till)
