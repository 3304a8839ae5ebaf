"""What is sent, and how the upstream answers it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

VARIANTS = 16  # requests of one measurement differ, as those of real callers do
SYSTEM_BYTES = 1_000
WORDS = (
    "please compare these two drafts and tell me which reads better for a customer who has "
    "never used the product before and why the second paragraph feels slow "
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`direct`: the mock is also measured alone, so that what a server adds can be told."""

    name: str
    connections: int = 32
    prompt_bytes: int = 200
    stream: bool = False
    latency_s: float = 0.0
    deltas: int = 50
    interval_s: float = 0.0
    direct: bool = False

    @property
    def answer_s(self) -> float:
        """How long the upstream takes over one answer."""
        return self.latency_s + (self.deltas * self.interval_s if self.stream else 0.0)


SMALL = Scenario("small")
SCENARIOS = (
    SMALL,
    Scenario("large", prompt_bytes=40_000),
    Scenario("latency-c1", connections=1, latency_s=0.06, direct=True),
    Scenario("latency-c32", latency_s=0.06, direct=True),
    Scenario("burst", stream=True),
    Scenario("ttft", connections=1, stream=True, direct=True),
    Scenario("paced", stream=True, interval_s=0.01),
)


def text(length: int, lead: str) -> str:
    """Exactly `length` bytes of prose."""
    return (lead + WORDS * (length // len(WORDS) + 1))[:length]


def body_for(scenario: Scenario, *, openai: bool, number: int) -> str:
    """The same chat in OpenAI's shape for the gateway, in Anthropic's for the others."""
    system = text(SYSTEM_BYTES, "You are an editor. ")
    turn = {"role": "user", "content": text(scenario.prompt_bytes, f"Request {number}: ")}
    body: dict[str, Any] = {"max_tokens": 1024}
    if openai:
        body["model"] = "auto"
        body["messages"] = [{"role": "system", "content": system}, turn]
    else:
        body["model"] = "claude-haiku-4-5-20251001"
        body["system"] = system
        body["messages"] = [turn]
    if scenario.stream:
        body["stream"] = True
    if scenario.stream and openai:
        body["stream_options"] = {"include_usage": True}
    return json.dumps(body)


def ending_for(scenario: Scenario, *, openai: bool) -> str:
    """What only a whole answer holds."""
    if not scenario.stream:
        return '"usage"'
    return "data: [DONE]" if openai else '"message_stop"'
