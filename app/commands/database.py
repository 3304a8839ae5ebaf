"""Work on the database from a command, with every failure told in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.commands.failure import CommandFailed, WrongUsage
from app.commands.output import complain
from app.core.errors import BadRequest, GatewayError
from app.store.database.engine import Database, is_current, open_database
from app.store.database.migrate import migrate
from app.store.database.stamp import is_simulated
from app.store.database.url import parsed
from app.store.database.url import shown as url_shown

T = TypeVar("T")
SIMULATED = "SIMULATED: this ledger is the simulated upstream's; its money is play money."
UPGRADE_FIRST = "has not the tables of this version; run: tollkeeper db upgrade"


def on_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do `work` on a migrated database.

    Raises WrongUsage for a value that the store refuses, CommandFailed for anything else.
    """
    if is_sqlite(url) and not Path(parsed(url).database or "").exists():
        raise CommandFailed(f"there is no database {shown(url)} yet; run: tollkeeper db upgrade")
    return answering(url, lambda: asyncio.run(_on_migrated(url, work)))


def upgrade(url: str) -> None:
    """Apply every migration that is missing.  Raises WrongUsage and CommandFailed."""
    # Imported here: no other command migrates.
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        answering(url, lambda: migrate(url))
    except ValueError as error:
        raise WrongUsage(f"TOLLKEEPER_DATABASE_URL: {error}") from error
    except CommandError as error:
        raise CommandFailed(f"the database {shown(url)} can't be migrated: {error}") from error


def shown(url: str, given_as: str = "TOLLKEEPER_DATABASE_URL") -> str:
    """The URL without its password.  Raises WrongUsage when it is not a URL."""
    try:
        parsed(url)
    except ValueError as error:
        raise WrongUsage(f"{given_as} {error}") from error
    return url_shown(url)


def is_sqlite(url: str) -> bool:
    """Whether it is a file.  Raises WrongUsage when it is not a URL."""
    return shown(url).startswith("sqlite")


def opened(url: str) -> Database:
    """The database, not yet connected.  Raises WrongUsage and CommandFailed."""
    name = shown(url)
    try:
        return open_database(url)
    except ValueError as error:
        raise WrongUsage(f"TOLLKEEPER_DATABASE_URL: {error}") from error
    except OSError as error:
        raise CommandFailed(f"can't open the database {name}: {error}") from error


async def reach(database: Database) -> None:
    """Ask for nothing, so that a database that does not answer says why."""
    await database.run(lambda connection: connection.execute(select(1)))


async def _on_migrated(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    database = opened(url)
    try:
        if not await is_current(database):
            await reach(database)
            raise CommandFailed(f"the database {shown(url)} {UPGRADE_FIRST}")
        if await is_simulated(database):
            complain(SIMULATED)
        return await work(database)
    finally:
        await database.close()


def answering(url: str, work: Callable[[], T]) -> T:
    """What `work` gives back.  Its failures are told as in `on_database`."""
    name = shown(url)
    try:
        return work()
    except BadRequest as error:
        raise WrongUsage(error.message) from error
    except GatewayError as error:
        raise CommandFailed(error.message) from error
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        reason = str(getattr(error, "orig", None) or error) or type(error).__name__
        raise CommandFailed(f"the database {name} does not answer: {reason}") from error
