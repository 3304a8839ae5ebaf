from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.store.database.migrate import migrate
from tests.store.database.postgres import Server, new_database
from tests.store.ledger.till import Till, close_till, open_till


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(empty_sqlite: Path, tmp_path: Path) -> str:
    shutil.copy(empty_sqlite, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
async def postgres_url(postgres: Server) -> str:
    return await new_database(postgres)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database, of each kind in turn."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
async def till(url: str) -> AsyncIterator[Till]:
    """A store whose sums must agree with its rows when the test is over."""
    opened = await open_till(url)
    yield opened
    checked = await opened.reports.reconcile()
    await close_till(opened)
    assert checked["differences"] == []
