from __future__ import annotations

import hypothesis
import pytest

# A shared machine may stall any example: what a test may take is the timeout's business.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Every async test runs on asyncio, the loop that the gateway serves on."""
    return "asyncio"
