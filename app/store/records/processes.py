"""The gateway's processes, by the leases that they hold on what their calls reserve."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from app.store.database.engine import Database, FailClosed, clock_us
from app.store.database.tables import IS_OPEN, processes, requests


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process and the calls that it has open; `alive` while its lease has not run out."""

    id: str
    started_us: int
    expires_us: int
    alive: bool
    open_calls: int
    held_nano_usd: int


class Processes:
    """All of which there is a lease, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = FailClosed(database)

    async def list(self) -> list[ProcessView]:
        return await self._database.run(_read)


def _read(connection: Connection) -> list[ProcessView]:
    now_us = clock_us(connection)
    row = requests.c
    open_calls = (
        select(
            row.process_id,
            func.count().label("calls"),
            func.sum(row.reserved_nano_usd).label("held"),
        )
        .where(IS_OPEN)
        .group_by(row.process_id)
        .subquery()
    )
    found = connection.execute(
        select(processes, open_calls.c.calls, open_calls.c.held)
        .outerjoin(open_calls, open_calls.c.process_id == processes.c.id)
        .order_by(processes.c.started_us.desc(), processes.c.id)
    )
    return [
        ProcessView(
            each.id,
            each.started_us,
            each.expires_us,
            each.expires_us > now_us,
            int(each.calls or 0),
            int(each.held or 0),
        )
        for each in found
    ]
