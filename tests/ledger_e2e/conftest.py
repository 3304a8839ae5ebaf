from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger_e2e.fleet import Fleet, Watched, fleet, watched_upstream
from tests.store.database.postgres import new_database

KINDS_OF_DATABASE = ("sqlite", "postgres")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Watched]:
    with watched_upstream() as running:
        yield running


@pytest.fixture(autouse=True)
def clean_upstream(request: pytest.FixtureRequest) -> None:
    if "upstream" in request.fixturenames:
        running: Watched = request.getfixturevalue("upstream")
        running.reset()
        running.pace(latency_s=0, delta_interval_s=0)


def new_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """An empty database of that kind."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'ledger.db'}"
    return asyncio.run(new_database(request.getfixturevalue("postgres")))


@pytest.fixture(scope="module", params=KINDS_OF_DATABASE)
def served(
    request: pytest.FixtureRequest, upstream: Watched, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The fleet of a module, over either database; every test has keys of its own."""
    folder = tmp_path_factory.mktemp("fleet")
    with fleet(folder, upstream, new_url(request.param, request, folder)) as running:
        yield running


@pytest.fixture(params=KINDS_OF_DATABASE)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """For a test that starts and ends its gateways itself."""
    return new_url(request.param, request, tmp_path)
