"""Keys of an older version's database are carried over."""

from __future__ import annotations

import asyncio
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.store.database.engine import open_database
from app.store.database.migrate import migrate, migrations_folder
from tests.store.ledger.till import close_till, open_till

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
