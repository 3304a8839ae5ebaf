from __future__ import annotations

import time
from pathlib import Path

import hypothesis
import pytest

from tests.store.database.postgres import Server, shared_server

# A shared machine may stall any example: what a test may take is the timeout's business.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


MIDNIGHT_S = 86_400
LATE_S = 15


def pytest_runtest_setup() -> None:
    """No test begins just before a UTC day ends: what it does today would be yesterday's."""
    left_s = MIDNIGHT_S - time.time() % MIDNIGHT_S
    if left_s < LATE_S:
        time.sleep(left_s + 0.1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Every async test runs on asyncio, the loop that the gateway serves on."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for every worker of this run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture(scope="session")
def postgres(shared_folder: Path) -> Server:
    return shared_server(shared_folder)
