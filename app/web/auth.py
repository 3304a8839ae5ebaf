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
MASTER_CALLS_NOTHING = (
    "this is the master key: it manages the gateway under /admin and calls no model; "
    "make a virtual key with it"
)


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
    """The key that calls.  Raises InvalidApiKey, saying why to who holds the secret."""
    secret = presented(headers)
    key = keys.find_cached(secret) or await keys.find(secret)
    if key is None:
        raise InvalidApiKey(_unknown(secret))
    now = datetime.now(UTC)
    if key.revoked_at is not None:
        raise InvalidApiKey("this API key was revoked")
    if key.expires_at is not None and key.expires_at <= now:
        raise InvalidApiKey(f"this API key expired at {key.expires_at:%Y-%m-%d %H:%M:%S} UTC")
    if key.secret_ends_at is not None and key.secret_ends_at <= now:
        raise InvalidApiKey("this API key was replaced by a newer one when it was rotated")
    return key


def _unknown(secret: str) -> str:
    """Other vendors' keys are known by their first letters; more would help who guesses."""
    if secret.startswith("sk-ant-"):
        return "this is a key of Anthropic's own: send a virtual key of this gateway, tk-..."
    return "the API key is not known here"


async def known_caller(exchange: Exchange) -> Key:
    """The key that calls, noted on the exchange."""
    running = exchange.running
    try:
        key = await caller(exchange.headers, running.store.keys)
    except InvalidApiKey as error:
        if same(_secret_or_nothing(exchange.headers), running.master_key):
            raise InvalidApiKey(MASTER_CALLS_NOTHING) from error
        raise
    exchange.key_id = key.id
    return key


def _secret_or_nothing(headers: Iterable[tuple[bytes, bytes]]) -> str:
    try:
        return presented(headers)
    except InvalidApiKey:
        return ""


def check_master(headers: Iterable[tuple[bytes, bytes]], master_key: str) -> None:
    """Raise InvalidApiKey unless the request carries the master key."""
    secret = presented(headers)
    if not same(secret, master_key):
        given = ", not a virtual key" if secret.startswith("tk-") else ""
        raise InvalidApiKey(f"this route needs the master key{given}")


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(given.encode(), wanted.encode())
