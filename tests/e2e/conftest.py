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
    """Around every end-to-end test: a clean upstream before, a consistent ledger after.

    Whatever rows a test has made, under the rules of their day they cost what they have cost.
    """
    if "upstream" in request.fixturenames:
        request.getfixturevalue("upstream").reset()
    yield
    if "served" in request.fixturenames:
        served = request.getfixturevalue("served")
        if served.process.poll() is None:
            report = served.admin("GET", "reconcile")
            assert report["consistent"] is True, report
            replayed = served.admin("POST", "whatif", {"from": "2020-01-01", "to": "2100-01-01"})
            assert replayed["whatif_usd"] == replayed["actual_usd"]
            assert replayed["changed"] == 0, replayed
