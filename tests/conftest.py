from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from tests.store.database.postgres import Server, shared_server

# A shared machine may stall any example: what a test may take is the timeout's business.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


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
