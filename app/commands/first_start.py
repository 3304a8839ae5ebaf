"""What `serve` does to the database before it serves: migrate it, make a first key."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import app
from app.commands.database import reach, shown
from app.commands.failure import CommandFailed, WrongUsage
from app.store.database.engine import Database, is_current
from app.store.database.stamp import Kind, stamped
from app.store.records.keys import Keys

FIRST_KEY = "first key"
ACTOR = "serve"
_OTHER_KIND: Mapping[Kind, str] = {
    "simulated": "the ledger in {} holds the simulated upstream's play money, and real money never "
    "stands beside it: serve with --simulate, or name another database with "
    "TOLLKEEPER_DATABASE_URL",
    "real": "the ledger in {} holds real money, and the simulated upstream's play money never "
    "stands beside it: serve without --simulate, or name another database with "
    "TOLLKEEPER_DATABASE_URL",
}
PACKAGE = str(Path(str(app.__file__)).resolve().parents[1])


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """`secret` of the key that was made because there was none; `none`: there still is none."""

    secret: str | None = field(default=None, repr=False)
    none: bool = False


async def prepare(database: Database, url: str, kind: Kind, *, first_key: bool) -> FirstKeys:
    """Migrate and stamp the database; make its first key where `first_key` asks for one.

    Raises DatabaseInUse when another gateway serves the same SQLite file, CommandFailed when the
    database can't be migrated, WrongUsage when its ledger is of the other kind, and what SQLAlchemy
    does. The claim ends with `database.close()`.
    """
    database.claim()
    if not await is_current(database):
        await reach(database)
        await _upgrade_apart(url)
    found = await stamped(database, kind)
    if found != kind:
        raise WrongUsage(_OTHER_KIND[found].format(shown(url)))
    keys = Keys(database)
    if (await keys.list(limit=1))["data"]:
        return FirstKeys()
    if not first_key:
        return FirstKeys(none=True)
    _, secret = await keys.create({"name": FIRST_KEY}, actor=ACTOR)
    return FirstKeys(secret)


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
