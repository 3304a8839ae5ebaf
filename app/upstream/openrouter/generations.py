"""What OpenRouter tells of an answer afterwards, asked by the answer's generation id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx2

from app.core.lookups import Told
from app.upstream.openrouter.costs import exact_json, nano_usd, with_own_key
from app.upstream.options import UpstreamOptions

OK = 200
LIMIT_S = 10.0
MOST_BYTES = 1024 * 1024


class Generations:
    """Asks one account; nothing is connected before the first question."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        self._client: httpx2.AsyncClient | None = None

    async def ask(self, generation_id: str) -> Told | None:
        """What is told now; None while nothing is, whatever the reason."""
        client = self._client or self._open()
        try:
            async with (
                asyncio.timeout(LIMIT_S),
                client.stream("GET", "/generation", params={"id": generation_id}) as answer,
            ):
                if answer.status_code != OK:
                    return None
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        return None
        except (OSError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, ValueError):
            return None
        return told_in(body)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    def _open(self) -> httpx2.AsyncClient:
        options = self._options
        self._client = httpx2.AsyncClient(
            base_url=options.base_url,
            headers={"authorization": f"Bearer {options.api_key}", "user-agent": "tollkeeper"},
            proxy=options.proxy,
            trust_env=False,
            follow_redirects=False,
        )
        return self._client


def told_in(body: bytes) -> Told | None:
    """The bill in an answer of `/generation`; None where there is none that can be read."""
    try:
        answer = exact_json(body)
    except ValueError:
        return None
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    upstream = data.get("upstream_inference_cost")
    cost = with_own_key(data.get("total_cost"), upstream, is_own=data.get("is_byok"))
    discount = data.get("cache_discount")
    saved = nano_usd(discount, signed=True)
    if cost is None or (saved is None and discount is not None):
        return None
    return Told(cost, saved)
