"""A gateway with a few calls of every kind: what its pages show is held against its API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.running import Gateway, Simulated, gateway

CONFIG = """\
models:
  claude-haiku-4-5-20251001: {upstream: anthropic}
  claude-sonnet-4-6: {upstream: anthropic, cost_per_token: {output: 0.0000121}}
  claude-opus-4-8: {upstream: anthropic}
  claude-sonnet-5-5: {upstream: anthropic}
tiers: {haiku: claude-haiku-4-5-20251001, sonnet: claude-sonnet-4-6}
budgets: {global: {max_budget_usd: 40, window: month}}
"""
SYSTEM = "You are a careful assistant who answers in full sentences. " * 500


@dataclass
class Bag:
    """`ids` are the calls' by what they are an example of, `keys` the keys' objects by name."""

    gateway: Gateway
    secrets: dict[str, str]
    ids: dict[str, str]

    def key(self, name: str) -> dict[str, Any]:
        return self.gateway.own_key(self.secrets[name])


@contextmanager
def bag(folder: Path, upstream: Simulated) -> Iterator[Bag]:
    with gateway(folder, upstream.url, config=CONFIG) as running:
        for name, budget in (("platform", "20"), ("support", None)):
            running.admin("POST", "teams", {"name": name, "max_budget_usd": budget})
        secrets = {
            name: running.key(name=name, **fields)
            for name, fields in (
                ("agents", {"max_budget_usd": "5", "team": "platform", "budget_window": "month"}),
                ("<b>chat</b>", {"max_budget_usd": "0.3", "team": "support"}),
                ("مفتاح", {"model_budgets": {"haiku": "0.5"}, "conversation_budget_usd": "0.4"}),
                ("unused", {"max_budget_usd": "1"}),
            )
        }
        made = Bag(running, secrets, {})
        _fill(made, upstream)
        yield made


def _fill(made: Bag, upstream: Simulated) -> None:
    running, (agents, chat, other, _) = made.gateway, made.secrets.values()

    def call(kind: str, secret: str, status: int = 200, **more: Any) -> None:
        body = {"max_tokens": 40, "messages": [{"role": "user", "content": f"A {kind} call"}]}
        answer = running.chat(secret, {**body, **more})
        assert answer.status_code == status, answer.text
        made.ids[kind] = answer.headers["x-request-id"]

    for place in range(4):
        call("auto", agents, model="auto", user="ann", metadata={"feature": f"f{place % 2}"})
        call("sonnet", other, model="sonnet", user="bob", metadata={"env": "prod"})
    proof = "Prove by induction that the sum of the first n odd numbers is n squared. " * 3
    call("scored", agents, model="auto", messages=[{"role": "user", "content": proof}])
    cached = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hello"}]
    for _ in range(4):
        call("cached", chat, model="haiku", messages=cached)
    for _ in range(2):
        call("cheaper", chat, model="claude-sonnet-5-5", messages=cached)
    call("opus", chat, model="claude-opus-4-8", user="ann")
    upstream.faults({"kind": "status", "status": 429, "retry_after": "0"})
    call("retried", agents, model="haiku")
    upstream.faults({"kind": "status", "status": 400})
    call("failed", agents, 400, model="haiku")
    for kind in ("guess", "settled"):
        upstream.faults({"kind": "reset_mid_stream"})
        call(kind, other, model="haiku", stream=True)
    call("refused", chat, 402, model="claude-opus-4-8", max_tokens=60_000)
    settled = made.ids["settled"]
    running.admin("POST", f"requests/{settled}/settle", {"cost_usd": "0.0123"})
    running.admin("POST", f"requests/{made.ids['auto']}/outcome", {"ok": True})
    running.admin("POST", f"requests/{made.ids['scored']}/outcome", {"ok": False, "note": "no"})
