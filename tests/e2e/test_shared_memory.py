"""What one replica learned of a conversation, another one knows: by Redis, and not without it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.running import Gateway, Simulated, gateway, simulator
from tests.store.database.postgres import Server, new_database
from tests.store.memory.redis_server import redis_server

SONNET, HAIKU = "claude-sonnet-4-6", "claude-haiku-4-5-20251001"
TOOLS = [
    {
        "name": "look",
        "description": "look " * 4_000,  # 5,000 tokens
        "input_schema": {"type": "object"},
        "cache_control": {"type": "ephemeral"},
    }
]


def turn(served: Gateway, secret: str, words: str) -> dict[str, Any]:
    body = {
        "model": "auto",
        "max_tokens": 20,
        "tools": TOOLS,
        "messages": [{"role": "user", "content": words}],
    }
    headers = {"x-session-id": "s1", "x-tollkeeper-cache": "off"}
    answer = served.post("/v1/messages", secret, body, **headers)
    assert answer.status_code == 200, answer.text
    return served.row(answer.headers["x-request-id"])


@pytest.mark.parametrize("shared", [True, False])
def test_the_next_turn_on_another_replica_finds_what_the_one_before_left(
    postgres: Server, tmp_path: Path, *, shared: bool
) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    environ = {"TOLLKEEPER_DATABASE_URL": asyncio.run(new_database(postgres))}
    with ExitStack() as stack:
        upstream: Simulated = stack.enter_context(simulator())
        if shared:
            url, _ = stack.enter_context(redis_server(tmp_path))
            environ["TOLLKEEPER_REDIS_URL"] = url
        one, other = (
            stack.enter_context(gateway(folder, upstream.url, environ=environ))
            for folder in folders
        )
        secret = one.key()
        first = turn(one, secret, "x" * 12_000)
        second = turn(other, secret, "Hello")
        assert (first["model"], first["cache_miss_reason"]) == (SONNET, "first_seen")
        assert second["conversation"] == first["conversation"]
        found = (second["model"], second["route_reason"], second["cache_miss_reason"])
    if shared:
        assert found == (SONNET, "kept_warm", None)
    else:
        assert found == (HAIKU, "default", "first_seen")
