from __future__ import annotations

import asyncio

from sqlalchemy import text

from app.store.database.engine import open_database
from app.store.database.stamp import Kind, stamped
from tests.store.ledger.till import CENT, Till, reservation

SIMULATED_ID = "msg_01" + 24 * "a"
REAL_ID = "msg_01XFDUDYJgAACzvnptvVoYEL"


async def test_a_first_start_stamps_and_a_later_one_reads(url: str) -> None:
    starts: list[Kind] = ["simulated", "simulated", "real"]
    for kind in starts:
        database = open_database(url)
        assert await stamped(database, kind) == "simulated"
        await database.close()


async def test_two_first_starts_at_once_agree(url: str) -> None:
    databases = [open_database(url) for _ in range(2)]
    kinds = [await stamped(databases[0], "real"), await stamped(databases[1], "simulated")]
    assert kinds == ["real", "real"]
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_ledger_older_than_the_stamp_tells_by_its_rows(till: Till) -> None:
    await till.call(reservation(await till.key()), CENT)
    await _name_messages(till, REAL_ID)
    assert await stamped(till.database, "real") == "real"


async def test_play_money_of_an_older_version_never_becomes_real(till: Till) -> None:
    await till.call(reservation(await till.key()), CENT)
    await _name_messages(till, SIMULATED_ID)
    assert await stamped(till.database, "real") == "simulated"


async def _name_messages(till: Till, message_id: str) -> None:
    naming = text("UPDATE requests SET upstream_message_id = :id")
    await till.database.write(lambda c: c.execute(naming, {"id": message_id}))
