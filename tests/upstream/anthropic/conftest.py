from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import pytest

from app.calls.attempts import RetryOptions
from app.ports import Upstream
from app.upstream.factory import open_upstream
from app.upstream.options import UpstreamOptions
from tests.upstream.anthropic.calls import API_KEY, Tried
from tests.upstream.anthropic.wire_server import WireServer, wire_server

Opener = Callable[..., Tried]


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as scripted:
        yield scripted


@pytest.fixture(params=["aiohttp", "sdk"])
def transport(request: pytest.FixtureRequest) -> Literal["aiohttp", "sdk"]:
    chosen: Literal["aiohttp", "sdk"] = request.param
    return chosen


@pytest.fixture
async def opened(server: WireServer, transport: Literal["aiohttp", "sdk"]) -> AsyncIterator[Opener]:
    """Opens upstreams to the scripted server, with short timeouts unless told otherwise."""
    upstreams: list[Upstream] = []

    def opener(max_attempts: int = 1, max_elapsed_s: float = 60.0, **fields: Any) -> Tried:
        known = {
            "kind": "anthropic",
            "api_key": API_KEY,
            "base_url": server.url,
            "transport": transport,
            "connect_timeout_s": 2.0,
            "total_timeout_s": 5.0,
        }
        options = UpstreamOptions(**{**known, **fields})
        retries = RetryOptions(max_attempts=max_attempts, max_elapsed_s=max_elapsed_s)
        upstreams.append(open_upstream(options))
        return Tried(upstreams[-1], retries)

    yield opener
    for upstream in upstreams:
        await upstream.close()
