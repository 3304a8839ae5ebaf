from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Gateway, Simulated, gateway, simulator


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulated]:
    with simulator() as running:
        yield running


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), upstream.url) as running:
        yield running


@pytest.fixture(autouse=True)
def books_balance(request: pytest.FixtureRequest) -> Iterator[None]:
    """Around every end-to-end test: a clean upstream before, a consistent ledger after."""
    if "upstream" in request.fixturenames:
        request.getfixturevalue("upstream").reset()
    yield
    if "served" in request.fixturenames:
        served = request.getfixturevalue("served")
        if served.process.poll() is None:
            report = served.admin("GET", "reconcile")
            assert report["consistent"] is True, report
