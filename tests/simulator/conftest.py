from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.simulator.server import running_simulator
from tests.simulator.client import Simulated


@pytest.fixture(scope="module")
def _server() -> Iterator[Simulated]:
    with running_simulator() as url:
        simulated = Simulated(url)
        yield simulated
        simulated.http.close()


@pytest.fixture
def sim(_server: Simulated) -> Simulated:
    """A simulator that remembers nothing of other tests."""
    _server.tell("pace", {"latency_s": 0, "delta_interval_s": 0})
    _server.tell("reset", {})
    return _server
