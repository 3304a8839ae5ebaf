from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.running import MASTER_KEY, Gateway, Simulated, gateway, simulator

CALLS_HOME = {
    "LANGSMITH_TRACING": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "DO_NOT_TRACK": "1",
}
ELSEWHERE = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulated]:
    with simulator() as running:
        yield running


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), upstream.url) as running:
        yield running


@pytest.fixture
def secret(served: Gateway) -> str:
    """A new key with a dollar to spend."""
    return served.key(max_budget_usd="1.00")


@pytest.fixture
def limited(served: Gateway) -> str:
    """A new key with money under every kind of limit: its own, its team's, one on each tier."""
    team = f"team-{time.time_ns()}"
    served.admin("POST", "teams", {"name": team, "max_budget_usd": "20.00"})
    budgets = {"haiku": "10.00", "sonnet": "10.00"}
    return served.key(max_budget_usd="15.00", team=team, model_budgets=budgets)


@pytest.fixture
def poor(served: Gateway) -> str:
    """A new key with a tenth of a cent: not enough for 1,000 tokens."""
    return served.key(max_budget_usd="0.001")


@pytest.fixture
def refusals(served: Gateway) -> Callable[[str], int]:
    """How many calls the gateway has refused with a code since the test began."""

    def counted(code: str) -> int:
        answer = served.http.get(
            f"{served.url}/metrics", headers={"authorization": f"Bearer {MASTER_KEY}"}
        )
        return sum(
            int(sample.value)
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == "tollkeeper_refused_total" and sample.labels["code"] == code
        )

    codes = ("invalid_api_key", "budget_exceeded", "model_not_found")
    before = {code: counted(code) for code in codes}
    return lambda code: counted(code) - before[code]


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients report to nobody, find no other account, and reach the gateway past any proxy."""
    for name, value in CALLS_HOME.items():
        monkeypatch.setenv(name, value)
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def books_balance(request: pytest.FixtureRequest) -> Iterator[None]:
    """Around every test: a clean upstream before, a consistent ledger after."""
    if "upstream" in request.fixturenames:
        request.getfixturevalue("upstream").reset()
    yield
    if "served" in request.fixturenames:
        served = request.getfixturevalue("served")
        if served.process.poll() is None:
            report = served.admin("GET", "reconcile")
            assert report["consistent"] is True, report
