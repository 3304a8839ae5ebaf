from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboard.browsing import Browsing, browsing
from tests.running import Gateway, Simulated, gateway, simulator


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulated]:
    with simulator() as running:
        yield running


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), upstream.url) as running:
        yield running


@pytest.fixture(scope="module")
def browser(served: Gateway) -> Iterator[Browsing]:
    """The system's Chromium in front of the real gateway; what it complains of fails the test."""
    with browsing(served) as started:
        yield started


@pytest.fixture(autouse=True)
def no_complaints(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "browser" in request.fixturenames:
        started: Browsing = request.getfixturevalue("browser")
        told, started.complaints[:] = list(started.complaints), []
        assert told == []
