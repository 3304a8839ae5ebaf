"""Whether a ledger's money is real or the simulator's: said once, at a database's first start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

from sqlalchemy import Connection, insert, select

from app.store.database.engine import clock_us
from app.store.database.tables import requests, stamp

if TYPE_CHECKING:
    from app.store.database.engine import Database

Kind = Literal["real", "simulated"]

LOOKED_AT = 100
# A ledger older than the stamp tells by its newest message ids: the simulator's are hexadecimal.
_SIMULATED_ID = re.compile(r"msg_01[0-9a-f]{24}", re.ASCII)


async def stamped(database: Database, wanted: Kind) -> Kind:
    """The database's kind; one without a stamp gets `wanted`, unless its rows say otherwise."""

    def read_or_set(connection: Connection) -> Kind:
        found = connection.scalar(select(stamp.c.kind))
        if found is not None:
            return _kind(found)
        kind: Kind = "simulated" if _has_simulated_rows(connection) else wanted
        connection.execute(insert(stamp).values(kind=kind, stamped_us=clock_us(connection)))
        return kind

    return await database.write(read_or_set)


async def is_simulated(database: Database) -> bool:
    """Whether the database is stamped as the simulator's; it is left as it is."""
    found = await database.run(lambda connection: connection.scalar(select(stamp.c.kind)))
    return found == "simulated"


def _kind(text: str) -> Kind:
    for kind in get_args(Kind):
        if text == kind:
            return kind  # type: ignore[no-any-return]  # one of the Literal's own values
    raise ValueError(f"the database is stamped {text!r}, which this version does not know")


def _has_simulated_rows(connection: Connection) -> bool:
    newest = (
        select(requests.c.upstream_message_id)
        .where(requests.c.upstream_message_id.is_not(None))
        .order_by(requests.c.created_us.desc(), requests.c.id.desc())
        .limit(LOOKED_AT)
    )
    return any(_SIMULATED_ID.fullmatch(found) for found in connection.scalars(newest))
