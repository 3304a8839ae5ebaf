"""Calls to OpenRouter end at its own bill, to the nano-dollar, whatever becomes of the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.running import Gateway, Simulated, gateway, simulator
from tests.store.database.postgres import Server, new_database

MODELS = (
    "anthropic/claude-haiku-4.5",
    "anthropic/claude-4.6-sonnet-20260217",
    "anthropic/claude-haiku-5.5",
    "anthropic/claude-opus-5.5",
)
LONG = "The cat sat on the mat and looked at the moon. " * 450
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
SEEN_S = 45.0


def environ(upstream: Simulated) -> dict[str, str]:
    return {
        "OPENROUTER_API_KEY": "sk-or-upstream-secret-for-tests",
        "OPENROUTER_BASE_URL": f"{upstream.url}/api/v1",
    }


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, upstream.url, environ=environ(upstream)) as running:
        yield running


def settle_at_once(upstream: Simulated) -> None:
    """What was billed is known as soon as it is asked for."""
    told = upstream.http.post(f"{upstream.url}/_sim/openrouter", json={"ready_after_s": 0})
    assert told.status_code == 200


def messages(text: str, *, image: bool = False, cached: bool = False) -> dict[str, Any]:
    turn: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if image:
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        turn.append({"type": "image", "source": source})
    body: dict[str, Any] = {
        "max_tokens": 300,
        "messages": [{"role": "user", "content": turn}],
        "tools": [WEATHER],
    }
    if cached:
        mark = {"type": "ephemeral", "ttl": "1h"}
        body["system"] = [{"type": "text", "text": LONG, "cache_control": mark}]
    return body


def chat(text: str, *, image: bool = False, cached: bool = False) -> dict[str, Any]:
    turn: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if image:
        url = f"data:image/png;base64,{PIXEL}"
        turn.append({"type": "image_url", "image_url": {"url": url}})
    system = [{"role": "system", "content": LONG}] if cached else []
    return {"max_tokens": 300, "messages": [*system, {"role": "user", "content": turn}]}


def responses(text: str, *, image: bool = False, cached: bool = False) -> dict[str, Any]:
    turn: list[dict[str, Any]] = [{"type": "input_text", "text": text}]
    if image:
        turn.append({"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"})
    body: dict[str, Any] = {"input": [{"role": "user", "content": turn}], "max_output_tokens": 300}
    return body | ({"instructions": LONG} if cached else {})


ROUTES: tuple[tuple[str, Callable[..., dict[str, Any]]], ...] = (
    ("/v1/messages", messages),
    ("/v1/chat/completions", chat),
    ("/v1/responses", responses),
)


def rows_when(served: Gateway, seen: Callable[[dict[str, Any]], bool]) -> dict[str, dict[str, Any]]:
    """The rows by their message, once each is as wanted."""
    deadline_s = time.monotonic() + SEEN_S
    while time.monotonic() < deadline_s:
        rows = served.rows()
        if rows and all(map(seen, rows)):
            return {row["upstream_message_id"]: row for row in rows}
        time.sleep(0.5)
    raise AssertionError([row for row in served.rows() if not seen(row)])


def has_discount(row: dict[str, Any]) -> bool:
    return row["cache_discount_usd"] is not None


def nano(usd: str) -> int:
    whole, _, rest = usd.lstrip("-").partition(".")
    return (-1 if usd.startswith("-") else 1) * int(whole + rest.ljust(9, "0"))


def test_a_hundred_mixed_calls_cost_what_openrouter_bills(
    upstream: Simulated, served: Gateway
) -> None:
    settle_at_once(upstream)
    key = served.key(max_budget_usd="50.00")
    kinds = ((False, False), (False, True), (True, False), (False, True))
    for n, ((route, body), model, stream, (image, cached)) in enumerate(
        product(ROUTES, MODELS, (False, True), kinds)
    ):
        asked = body(f"What is {n} + 2?", image=image, cached=cached)
        answer = served.post(route, key, {"model": model, "stream": stream, **asked})
        assert answer.status_code == 200, answer.text
    billed = {e["message_id"]: e["billed_nano_usd"] for e in upstream.log() if e["message_id"]}
    assert len(billed) == 96
    assert {n: nano(r["cost_usd"]) for n, r in rows_when(served, bool).items()} == billed
    rows = rows_when(served, has_discount)
    assert {name: nano(row["cost_usd"]) for name, row in rows.items()} == billed
    assert {row["cost_source"] for row in rows.values()} == {"billed"}
    assert {row["upstream"] for row in rows.values()} == {"openrouter"}
    told = upstream.http.get(f"{upstream.url}/_sim/openrouter").json()
    discounts = [found["cache_discount"] or 0 for found in told["generations"].values()]
    assert sum(nano(row["cache_discount_usd"]) for row in rows.values()) == sum(discounts)
    assert sum(discounts) > 0
    assert sorted(told["asked"]) == sorted(told["generations"])


def test_thinking_goes_back_sealed_to_who_signed_it(upstream: Simulated, served: Gateway) -> None:
    key = served.key()
    body: dict[str, Any] = {
        "model": "anthropic/claude-sonnet-4.6",
        "max_tokens": 2_000,
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        "session_id": "talk-7",
    }
    first = served.post("/v1/messages", key, body)
    assert first.status_code == 200, first.text
    reply = first.json()["content"]
    assert reply[0]["type"] == "thinking"
    turns = [*body["messages"], {"role": "assistant", "content": reply}]
    again = {**body, "messages": [*turns, {"role": "user", "content": "And at dusk?"}]}
    assert served.post("/v1/messages", key, again).status_code == 200
    sent = [entry["body"] for entry in upstream.log()]
    assert [each.get("provider") for each in sent] == [None, {"only": ["anthropic"]}]
    assert [each["session_id"] for each in sent] == ["talk-7", "talk-7"]
    assert sent[1]["messages"][1]["content"][0] == reply[0]


FAILED = [
    ({"kind": "error_in_200", "error_type": "invalid_request_error"}, 400),
    ({"kind": "error_first", "error_type": "permission_error", "comments": 2}, 502),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "status"), FAILED)
def test_its_errors_are_told_like_anthropic_s(
    upstream: Simulated, served: Gateway, fault: dict[str, Any], status: int, *, stream: bool
) -> None:
    upstream.faults(fault)
    body = {"model": MODELS[0], "stream": stream, **chat("Hi")}
    answer = served.post("/v1/chat/completions", served.key(), body)
    assert answer.status_code == status, answer.text
    assert nano(served.row(answer.headers["x-request-id"])["cost_usd"]) == 0


def test_it_has_no_token_count(served: Gateway) -> None:
    body = {"model": MODELS[0], "messages": [{"role": "user", "content": "Hi"}]}
    answer = served.post("/v1/messages/count_tokens", served.key(), body)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Server = request.getfixturevalue("postgres")
    return asyncio.run(new_database(server))


def test_a_kill_between_reply_and_look_up_loses_no_bill(tmp_path: Path, database: str) -> None:
    with simulator() as upstream:
        settle_at_once(upstream)
        told = {**environ(upstream), "TOLLKEEPER_DATABASE_URL": database}
        with gateway(tmp_path, upstream.url, environ=told) as first:
            key = first.key()
            upstream.faults({"kind": "ok"}, {"kind": "cut_in_event", "then": "close"})
            for n in range(4):
                body = {"model": MODELS[1], "stream": True, **messages(f"Tell me {n} facts")}
                assert first.post("/v1/messages", key, body).status_code == 200
            first.process.kill()
            first.process.wait()
        with gateway(tmp_path, upstream.url, environ=told) as second:
            rows = rows_when(second, has_discount)
            billed = {e["message_id"]: e["billed_nano_usd"] for e in upstream.log()}
            assert len(billed) == 4
            assert {name: nano(row["cost_usd"]) for name, row in rows.items()} == billed
            assert {row["cost_source"] for row in rows.values()} == {"billed"}
            assert second.admin("GET", "reconcile")["consistent"] is True


ONLY_THIS = """
tiers: {haiku: anthropic/claude-haiku-4.5, sonnet: anthropic/claude-sonnet-4.6}
"""


def test_its_key_alone_is_enough_to_serve_its_models(upstream: Simulated, tmp_path: Path) -> None:
    told = {**environ(upstream), "ANTHROPIC_API_KEY": ""}
    with gateway(tmp_path, upstream.url, config=ONLY_THIS, environ=told) as alone:
        key = alone.key()
        listed = alone.http.get(f"{alone.url}/v1/models", headers={"x-api-key": key}).json()
        names = {model["id"] for model in listed["data"]}
        assert {"auto", "haiku", "sonnet", "anthropic/claude-fable-5.1"} <= names
        assert "claude-haiku-4-5-20251001" not in names
        answer = alone.chat(key, {"model": "auto", **chat("Hi")})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-tollkeeper-model"] == "anthropic/claude-haiku-4.5"
        hidden = alone.chat(key, {"model": "claude-sonnet-4-6", **chat("Hi")})
        assert hidden.status_code == 404
