"""Calls refused before their hold, written down off the path of requests.

Of a busy second only so many of a key are kept one by one; the rest of that second is one row for
each code, under the id of the first of them, that counts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import orjson
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from app.core.ended import Refused
from app.store.database.engine import Database, clock_us
from app.store.database.moments import US_PER_DAY, US_PER_S
from app.store.database.tables import refusals, requests
from app.store.database.texts import MOST_MESSAGE_CHARS, stored

MOST_A_SECOND = 20  # of one key, and of all callers without a known one
MOST_WAITING = 5_000
WRITTEN_EVERY_S = 0.5
KEPT_DAYS = 30
PRUNED_EVERY_S = 3_600.0
PRUNED_AT_ONCE = 1_000

Values: TypeAlias = dict[str, Any]
_UNFIT = (DataError, IntegrityError, ProgrammingError)
_log = logging.getLogger("tollkeeper")


class RefusalQueue:
    """Takes refusals at once and writes them a little later; tells `lost` of those it can't keep.

    Each process has its own, and so its own count of a key's second.
    """

    def __init__(self, database: Database, lost: Callable[[int], None]) -> None:
        self._database = database
        self._lost = lost
        self._waiting: dict[str, Values] = {}
        self._second = 0
        self._seen: dict[str | None, int] = {}
        self._rest: dict[tuple[str | None, str], str] = {}
        self._writing = asyncio.Lock()

    def note(self, call: Refused, *, unsure: bool = False) -> None:
        """Take one: no I/O.  `unsure`: it may have been held, and has a row in the ledger then."""
        now_us = time.time_ns() // 1_000
        if now_us // US_PER_S != self._second:
            self._second = now_us // US_PER_S
            self._seen.clear()
            self._rest.clear()
        seen = self._seen[call.key_id] = self._seen.get(call.key_id, 0) + 1
        row_id = call.request_id
        if seen > MOST_A_SECOND:
            row_id = self._rest.setdefault((call.key_id, call.code), row_id)
            if row_id in self._waiting:
                self._waiting[row_id]["calls"] += 1
                return
        if len(self._waiting) >= MOST_WAITING:
            self._lost(1)
            return
        kind = {"counts": seen > MOST_A_SECOND, "unsure": unsure}
        self._waiting[row_id] = _values(call, row_id, now_us) | kind

    async def written(self) -> None:
        """Write what waits.  Raises SQLAlchemyError and OSError; then it goes on waiting.

        Shielded from cancellation: what is half written would be written twice.
        """
        await asyncio.shield(self._write())

    async def _write(self) -> None:
        async with self._writing:
            batch, self._waiting = self._waiting, {}
            if not batch:
                return
            try:
                await self._database.write(partial(_insert, list(batch.values())))
            except _UNFIT as error:
                self._lost(len(batch))
                _log.warning("refusals were lost", extra={"problem": type(error).__name__})
            except BaseException:
                self._wait_again(batch)
                raise

    def _wait_again(self, batch: dict[str, Values]) -> None:
        """What came meanwhile stays, the older goes before it as far as there is room."""
        newer, self._waiting = self._waiting, batch
        for row_id, values in newer.items():
            if row_id in batch:
                batch[row_id]["calls"] += values["calls"]
            elif len(batch) < MOST_WAITING:
                batch[row_id] = values
            else:
                self._lost(1)

    async def run(self) -> None:
        """Write every half second, and drop what is too old now and then; for ever."""
        works, prune_at = True, 0.0
        while True:
            await asyncio.sleep(WRITTEN_EVERY_S)
            try:
                await self.written()
                if time.monotonic() >= prune_at:
                    await self.prune()
                    prune_at = time.monotonic() + PRUNED_EVERY_S
            except (SQLAlchemyError, OSError) as error:
                if works:
                    problem = type(error).__name__
                    _log.warning("refusals can't be written", extra={"problem": problem})
                works = False
            else:
                works = True

    async def prune(self) -> None:
        """Drop those that are older than KEPT_DAYS, a few at a time."""
        more = True
        while more:
            more = await self._database.write(_prune) == PRUNED_AT_ONCE

    async def close(self) -> None:
        """Write the last ones, or count them as lost."""
        try:
            await self.written()
        except (SQLAlchemyError, OSError):
            self._lost(len(self._waiting))
            self._waiting.clear()


def _values(call: Refused, row_id: str, now_us: int) -> Values:
    return {
        "id": row_id,
        "created_us": now_us,
        "key_id": call.key_id,
        "status": call.status,
        "code": call.code,
        "message": stored(call.message, MOST_MESSAGE_CHARS),
        "model": None if call.model is None else stored(call.model),
        "dialect": call.dialect,
        "budget": None if call.budget is None else orjson.dumps(dict(call.budget)).decode(),
        "calls": 1,
    }


def _insert(rows: Sequence[Values], connection: Connection) -> None:
    """One that counts adds to what it counted before; one with a row in the ledger is left out."""
    unsure = [row["id"] for row in rows if row["unsure"]]
    held = set(connection.scalars(select(requests.c.id).where(requests.c.id.in_(unsure))))
    rows = [row for row in rows if row["id"] not in held]
    make: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    new = make(refusals)
    added = new.on_conflict_do_update(
        index_elements=["id"], set_={"calls": refusals.c.calls + new.excluded.calls}
    )
    names = refusals.c.keys()
    for statement, counts in ((new.on_conflict_do_nothing(), False), (added, True)):
        wanted = [{name: row[name] for name in names} for row in rows if row["counts"] is counts]
        if wanted:
            connection.execute(statement, wanted)


def _prune(connection: Connection) -> int:
    before_us = clock_us(connection) - KEPT_DAYS * US_PER_DAY
    old = select(refusals.c.id).where(refusals.c.created_us < before_us).limit(PRUNED_AT_ONCE)
    return connection.execute(delete(refusals).where(refusals.c.id.in_(old))).rowcount
