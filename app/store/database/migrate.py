"""Brings a database to this version's schema."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from app.store.database.engine import open_database

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PACKAGE = Path(__file__).resolve().parents[2]
_LOCK = 0x701C  # any number that nothing else locks


def migrate(url: str) -> None:
    """Apply every migration that is missing; two processes at once do it once.

    Raises what SQLAlchemy does, ValueError for an unknown kind of URL.
    """
    asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    database = open_database(url, patient=True)
    try:
        await database.write(upgrade)
    finally:
        await database.close()


def upgrade(connection: Connection) -> None:
    """Run the missing migrations in the connection's transaction."""
    # Imported here: the serving process never needs it (12 MB).
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def migrations_folder() -> Path:
    """Beside `app/` in a checkout, inside it when installed."""
    installed = _PACKAGE / "_migrations"
    return installed if installed.is_dir() else _PACKAGE.parent / "migrations"
