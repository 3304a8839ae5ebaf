"""What `serve` does to the database before it serves: migrate it, make a first key."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import app
from app.commands.database import reach
from app.commands.failure import CommandFailed
from app.store.database.engine import Database, is_current
from app.store.records.keys import Keys

FIRST_KEY = "first key"
ACTOR = "serve"
PACKAGE = str(Path(str(app.__file__)).resolve().parents[1])


async def prepare(database: Database, url: str) -> str | None:
    """The secret of the key that was made because there was none yet.

    Raises DatabaseInUse when another gateway serves the same SQLite file, CommandFailed when the
    database can't be migrated, and what SQLAlchemy does. The claim ends with `database.close()`.
    """
    database.claim()
    if not await is_current(database):
        await reach(database)
        await _upgrade_apart(url)
    keys = Keys(database)
    if (await keys.list(limit=1))["data"]:
        return None
    _, secret = await keys.create({"name": FIRST_KEY}, actor=ACTOR)
    return secret


async def _upgrade_apart(url: str) -> None:
    """Migrate in a process of its own: what migrations need would stay in memory for good."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a folder `app` where the command was called must not be taken for this one
        *("-m", "app.cli", "db", "upgrade", "--quiet"),
        env={
            **os.environ,
            "TOLLKEEPER_DATABASE_URL": url,
            "PYTHONPATH": os.pathsep.join(filter(None, (PACKAGE, os.environ.get("PYTHONPATH")))),
        },
    )
    if await process.wait() != 0:
        raise CommandFailed("the database could not be migrated")
