"""`GET /v1/key`: the caller's own key object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from app.web.auth import known_caller

if TYPE_CHECKING:
    from app.web.exchange import Exchange


async def own_key(exchange: Exchange) -> None:
    """The key with what it has spent."""
    key = await known_caller(exchange)
    await exchange.answer_plainly(orjson.dumps(await exchange.running.store.keys.get(key.id)))
