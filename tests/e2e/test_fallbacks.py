"""A vendor's bad day, over real processes: the default config's fallback to OpenRouter, whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.running import MASTER_KEY, Gateway, Simulated, gateway

SONNET, TWIN = "claude-sonnet-4-6", "anthropic/claude-sonnet-4.6"
HELLO = {"role": "user", "content": "Hello"}
CHAT: dict[str, Any] = {"model": "sonnet", "max_tokens": 100, "messages": [HELLO]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/messages": CHAT,
    "/v1/chat/completions": CHAT,
    "/v1/responses": {"model": "sonnet", "input": "Hello", "store": False},
}
ROUTES = [(path, streamed) for path in BODIES for streamed in (True, False)][:5]  # then it rests
REFUSED = {"kind": "status", "status": 401}
BUSY = {"kind": "overloaded"}
CONFIG = "retries: {max_attempts: 1}\n"


@pytest.fixture
def fresh(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose breakers have seen nothing yet."""
    both = {
        "OPENROUTER_API_KEY": "sk-or-upstream-secret-for-tests",
        "OPENROUTER_BASE_URL": f"{upstream.url}/api/v1",
    }
    folder = tmp_path_factory.mktemp("fallbacks")
    with gateway(folder, upstream.url, config=CONFIG, environ=both) as running:
        yield running
        assert running.admin("GET", "reconcile")["consistent"] is True


def fail(upstream: Simulated, fault: dict[str, Any]) -> None:
    """Anthropic's own Sonnet answers so from now on."""
    upstream.faults(fault, repeat=True, match={"model": SONNET})


def test_the_twin_answers_on_every_route_and_its_own_bill_is_charged(
    fresh: Gateway, upstream: Simulated
) -> None:
    secret = fresh.key(max_budget_usd="1.00")
    for path, streamed in ROUTES:
        upstream.reset()
        fail(upstream, REFUSED)
        answer = fresh.post(path, secret, {**BODIES[path], "stream": streamed})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-tollkeeper-model"] == TWIN
        assert answer.headers["x-tollkeeper-attempts"] == "2"
        row = fresh.row(answer.headers["x-request-id"])
        told = (row["requested_model"], row["model"], row["upstream"], row["state"])
        assert told == ("sonnet", TWIN, "openrouter", "settled")
        first, second = row["attempt_details"]
        assert (first["model"], first["status"], first["cost_usd"]) == (SONNET, 401, "0.00")
        assert first["message"]
        assert (second["model"], second["status"]) == (TWIN, 200)
        billed = upstream.billed_nano_usd()
        assert billed > 0
        assert nano(row["cost_usd"]) == billed


def test_a_history_with_thinking_is_not_sent_to_the_twin(
    fresh: Gateway, upstream: Simulated
) -> None:
    fail(upstream, BUSY)
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2VhbA=="}
    turn = {"role": "assistant", "content": [thought, {"type": "text", "text": "Hello."}]}
    body = {**CHAT, "messages": [HELLO, turn, HELLO]}
    answer = fresh.post("/v1/messages", fresh.key(), body)
    assert answer.status_code == 529
    assert [entry["path"] for entry in upstream.log()] == ["/v1/messages"]


def test_a_key_that_may_not_use_the_twin_is_told_of_the_failure(
    fresh: Gateway, upstream: Simulated
) -> None:
    fail(upstream, BUSY)
    answer = fresh.chat(fresh.key(models=[SONNET]), CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_overloaded")
    assert answer.headers["x-request-id"].startswith("req_")


def test_what_keeps_failing_rests_and_operators_see_it(fresh: Gateway, upstream: Simulated) -> None:
    secret = fresh.key()
    assert health(fresh)["anthropic"] == {"state": "ok", "models": {}}
    fail(upstream, BUSY)
    for _ in range(7):
        assert fresh.chat(secret, CHAT).status_code == 200
    assert len([entry for entry in upstream.log() if entry["path"] == "/v1/messages"]) == 5
    assert health(fresh) == {
        "anthropic": {"state": "failing", "models": {SONNET: "open"}},
        "openrouter": {"state": "ok", "models": {}},
    }
    gauge = rf'^tollkeeper_upstream_breaker{{model="{SONNET}",upstream="anthropic"}} (\S+)$'
    assert re.findall(gauge, operators(fresh, "/metrics").text, re.MULTILINE) == ["2.0"]
    assert fresh.log_text().count("an upstream's breaker changed") == 1
    anyone = fresh.http.get(f"{fresh.url}/health/ready")
    assert (anyone.status_code, anyone.json()) == (200, {"status": "ready"})


def test_a_model_without_a_fallback_is_asked_however_often_it_failed(
    fresh: Gateway, upstream: Simulated
) -> None:
    upstream.faults(*[BUSY] * 6, match={"model": "claude-haiku-4-5-20251001"})
    secret = fresh.key()
    told = [fresh.chat(secret, {**CHAT, "model": "haiku"}).status_code for _ in range(7)]
    assert told == [503] * 6 + [200]


def health(served: Gateway) -> dict[str, Any]:
    told: dict[str, Any] = operators(served, "/health/ready").json()["upstreams"]
    return told


def operators(served: Gateway, path: str) -> httpx2.Response:
    bearer = {"authorization": f"Bearer {MASTER_KEY}"}
    return served.http.get(f"{served.url}{path}", headers=bearer)


def nano(usd: str) -> int:
    whole, _, fraction = usd.partition(".")
    return int(whole) * 10**9 + int(fraction.ljust(9, "0"))
