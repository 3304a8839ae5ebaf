"""Which processes are alive: each renews a lease; the holds of one that stops are charged."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, update

from app.store.database.engine import clock_us
from app.store.database.moments import US_PER_S
from app.store.database.tables import processes

HEARTBEAT_S = 5.0


def register(connection: Connection, process_id: str, lease_s: float) -> None:
    now_us = clock_us(connection)
    connection.execute(
        insert(processes).values(
            id=process_id, started_us=now_us, expires_us=now_us + round(lease_s * US_PER_S)
        )
    )


def renew(connection: Connection, process_id: str, lease_s: float) -> bool:
    """False when the lease was gone and is a new one: the holds under the old were charged."""
    expires_us = clock_us(connection) + round(lease_s * US_PER_S)
    renewed = connection.execute(
        update(processes).where(processes.c.id == process_id).values(expires_us=expires_us)
    )
    if renewed.rowcount:
        return True
    register(connection, process_id, lease_s)
    return False


def give_up(connection: Connection, process_id: str) -> None:
    connection.execute(delete(processes).where(processes.c.id == process_id))
