from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from app.store.database.migrate import migrate
from tests.cli.processes import copy_database
from tests.store.database.postgres import execute, shared_server


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def folder(tmp_path: Path, empty_database: Path) -> Path:
    """A working folder with a migrated database."""
    copy_database(empty_database, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for every worker of this run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture
def blank_postgres_url(shared_folder: Path) -> str:
    """A PostgreSQL database without a table."""
    server = shared_server(shared_folder)
    name = f"blank_{uuid.uuid4().hex}"
    asyncio.run(execute(server, f"CREATE DATABASE {name}"))
    return str(server.get_uri(name))
