"""Keys of an older version's database are carried over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.core.errors import BudgetExceeded
from app.store.database.engine import open_database
from app.store.database.migrate import migrate, migrations_folder
from tests.store.ledger.till import close_till, open_till, reservation

BEFORE = "2026_11_30_1915"


async def test_a_key_of_the_first_version_has_no_conversation_budget(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))

    def go_back(connection: Connection) -> Any:
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
        connection.execute(
            text(
                "INSERT INTO keys (id, name, prefix, created_us, budget_window, rpm)"
                " VALUES ('key_1', 'old', 'tk-123456', 1795287600000001, 'day', 7)"
            )
        )

    database = open_database(url)
    await database.write(go_back)
    await database.close()
    await asyncio.to_thread(migrate, url)
    till = await open_till(url)
    shown = await till.keys.get("key_1")
    changed = await till.keys.update("key_1", {"conversation_budget_usd": "0.5"})
    await close_till(till)
    assert (shown["name"], shown["rpm"], shown["conversation_budget_usd"]) == ("old", 7, None)
    assert changed["conversation_budget_usd"] == "0.50"


async def test_calls_of_an_older_version_belong_to_no_conversation(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))

    def go_back(connection: Connection) -> Any:
        config.attributes["connection"] = connection
        command.downgrade(config, "2026_11_30_2217")

    till = await open_till(url)
    key = await till.key(conversation_budget_usd="0.005")
    before = reservation(key, 9_000_000)
    await till.keys.update(key.id, {"conversation_budget_usd": None})
    await till.call(before, 9_000_000)
    await till.keys.update(key.id, {"conversation_budget_usd": "0.005"})
    await close_till(till)
    database = open_database(url)
    await database.write(go_back)
    await database.close()
    await asyncio.to_thread(migrate, url)
    till = await open_till(url)
    await till.call(reservation(key, 3_000_000), 3_000_000)
    with pytest.raises(BudgetExceeded, match=r"0\.003 USD is spent"):
        await till.call(reservation(key, 3_000_000), 0)
    shown = await till.row(before)
    assert (shown["conversation"], shown["cost_usd"]) == (None, "0.009")
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)
