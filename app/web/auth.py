"""Who calls: the virtual key behind a bearer token or `x-api-key`, or the master key."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.core.errors import InvalidApiKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.keys import Key
    from app.web.exchange import Exchange
    from app.web.running import KeyFinder

BEARER = "bearer "


def presented(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The secret that a request carries.  Raises InvalidApiKey when it carries none."""
    api_key = None
    for name, value in headers:
        if name == b"authorization":
            text = value.decode("latin-1")
            if text[: len(BEARER)].lower() == BEARER:
                return text[len(BEARER) :].strip()
        elif name == b"x-api-key":
            api_key = value.decode("latin-1").strip()
    if api_key:
        return api_key
    raise InvalidApiKey("no API key: send 'Authorization: Bearer tk-...' or 'x-api-key: tk-...'")


async def caller(headers: Iterable[tuple[bytes, bytes]], keys: KeyFinder) -> Key:
    """The key that calls.  Raises InvalidApiKey: missing, unknown, revoked or expired."""
    secret = presented(headers)
    key = keys.find_cached(secret) or await keys.find(secret)
    if key is None:
        raise InvalidApiKey("the API key is not known here")
    if key.ended(datetime.now(UTC)):
        raise InvalidApiKey("the API key was revoked or has expired")
    return key


async def known_caller(exchange: Exchange) -> Key:
    """The key that calls, noted on the exchange."""
    key = await caller(exchange.headers, exchange.running.store.keys)
    exchange.key_id = key.id
    return key


def check_master(headers: Iterable[tuple[bytes, bytes]], master_key: str) -> None:
    """Raise InvalidApiKey unless the request carries the master key."""
    if not same(presented(headers), master_key):
        raise InvalidApiKey("this route needs the master key")


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(given.encode(), wanted.encode())
