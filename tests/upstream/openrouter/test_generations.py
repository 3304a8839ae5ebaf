"""What OpenRouter tells of an answer afterwards, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.core.lookups import Told
from app.upstream.openrouter.generations import Generations, told_in
from app.upstream.options import UpstreamOptions
from tests.upstream.anthropic.wire_server import (
    Answer,
    WireServer,
    failure,
    raw,
    reset,
    whole,
    wire_server,
)

KEY = "sk-or-v1-very-secret"

ANSWERS = [
    ('{"data": {"total_cost": 0.0012, "cache_discount": null}}', Told(1_200_000, None)),
    ('{"data": {"total_cost": 0.0012, "cache_discount": -0.00015}}', Told(1_200_000, -150_000)),
    ('{"data": {"total_cost": 1.2e-3, "cache_discount": 0.09}}', Told(1_200_000, 90_000_000)),
    (
        '{"data": {"total_cost": 0.001, "is_byok": true, "upstream_inference_cost": 0.02}}',
        Told(21_000_000, None),
    ),
    (
        '{"data": {"total_cost": 0.02, "is_byok": false, "upstream_inference_cost": 0.02}}',
        Told(20_000_000, None),
    ),
    ('{"data": {"total_cost": null}}', None),
    ('{"data": {"total_cost": -1}}', None),
    ('{"data": {"total_cost": 0.1, "cache_discount": "much"}}', None),
    ('{"data": []}', None),
    ("[]", None),
    ("<html>", None),
    ('{"data": {"total_cost": Infinity}}', None),
]


@pytest.mark.parametrize(("body", "told"), ANSWERS)
def test_a_bill_is_read_to_the_nano_dollar_or_not_at_all(body: str, told: Told | None) -> None:
    assert told_in(body.encode()) == told


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as scripted:
        yield scripted


@pytest.fixture
async def generations(server: WireServer) -> AsyncIterator[Generations]:
    asking = Generations(UpstreamOptions("openrouter", KEY, f"{server.url}/api/v1"))
    yield asking
    await asking.close()


async def test_it_is_asked_by_its_id_with_our_key(
    server: WireServer, generations: Generations
) -> None:
    server.script(whole({"data": {"total_cost": 0.5, "cache_discount": 0}}))
    assert await generations.ask("gen-1&x=2") == Told(500_000_000, 0)
    received = server.requests[0]
    assert received.path == "/api/v1/generation?id=gen-1%26x%3D2"
    assert received.headers["authorization"] == f"Bearer {KEY}"


TROUBLES = [
    failure(404),
    failure(429),
    failure(500),
    reset,
    raw(b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n"),
    raw(b"nonsense\r\n\r\n"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_any_trouble_is_no_answer_yet(
    server: WireServer, generations: Generations, trouble: Answer
) -> None:
    server.script(trouble)
    assert await generations.ask("gen-1") is None


async def test_an_upstream_that_is_not_there_is_no_answer_yet() -> None:
    asking = Generations(UpstreamOptions("openrouter", KEY, "http://127.0.0.1:9/api/v1"))
    assert await asking.ask("gen-1") is None
    await asking.close()
