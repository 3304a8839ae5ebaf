"""Keys with how fast each has spent in the last whole days, read from the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.core.pace import PACE_DAYS, Pace, pace_of
from app.store.records.key_lists import KeyLists
from app.store.records.keys import Keys

if TYPE_CHECKING:
    from app.store.database.engine import Database

MOST_AT_ONCE = 1_000


async def every_key(database: Database) -> tuple[list[dict[str, Any]], dict[str, Pace | None]]:
    """All of them as the admin API's objects, newest first, and their paces by id."""
    found: list[dict[str, Any]] = []
    paces: dict[str, Pace | None] = {}
    cursor: str | None = None
    while True:
        page = await Keys(database).list(cursor=cursor, limit=MOST_AT_ONCE)
        found += page["data"]
        paces |= await _paces(database, page["data"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found, paces


async def one_key(database: Database, name: str) -> tuple[dict[str, Any], Pace | None]:
    """The key that is called so.  Raises NotFound and BadRequest."""
    keys = Keys(database)
    found = await keys.get(await keys.named(name))
    return found, (await _paces(database, [found]))[found["id"]]


async def _paces(database: Database, found: Sequence[Mapping[str, Any]]) -> dict[str, Pace | None]:
    now = datetime.now(UTC)
    since = now.date() - timedelta(days=PACE_DAYS)
    days = await KeyLists(database).by_day([key["id"] for key in found], since)
    return {
        key["id"]: pace_of(days[key["id"]], datetime.fromisoformat(key["created_at"]), now)
        for key in found
    }
