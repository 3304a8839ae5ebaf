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


def secrets(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """What a request carries that may be a key: the bearer token, then `x-api-key`.

    Clients send both, one of them another vendor's or empty, so each is tried.
    """
    bearer = api_key = ""
    for name, value in headers:
        if name == b"authorization":
            text = value.decode("latin-1")
            if text[: len(BEARER)].lower() == BEARER:
                bearer = text[len(BEARER) :].strip()
        elif name == b"x-api-key":
            api_key = value.decode("latin-1").strip()
    if not bearer or bearer == api_key:
        return [api_key] if api_key else []
    return [bearer, api_key] if api_key else [bearer]


def presented(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """As `secrets`.  Raises InvalidApiKey when there is none."""
    found = secrets(headers)
    if not found:
        raise InvalidApiKey(
            "no API key: send 'Authorization: Bearer tk-...' or 'x-api-key: tk-...'"
        )
    return found


async def caller(headers: Iterable[tuple[bytes, bytes]], keys: KeyFinder) -> Key:
    """The first key that may call.  Raises InvalidApiKey, saying why to who holds the secret."""
    given = presented(headers)
    why = ""
    for secret in given:
        key = keys.find_cached(secret) or await keys.find(secret)
        if key is None:
            continue
        over = why_over(key)
        if not over:
            return key
        why = why or over
    raise InvalidApiKey(why or _unknown(given))


def why_over(key: Key) -> str:
    """Why the key, by the secret that was shown, may no longer call; empty where it may."""
    if key.revoked_at is not None:
        return "this API key was revoked"
    if key.expires_at is None and key.secret_ends_at is None:
        return ""
    now = datetime.now(UTC)
    if key.expires_at is not None and key.expires_at <= now:
        return f"this API key expired at {key.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if key.secret_ends_at is not None and key.secret_ends_at <= now:
        return "this API key was replaced by a newer one when it was rotated"
    return ""


def _unknown(given: list[str]) -> str:
    """Other vendors' keys are known by their first letters; more would help who guesses."""
    if any(secret.startswith("sk-ant-") for secret in given):
        return "this is a key of Anthropic's own: send a virtual key of this gateway, tk-..."
    return "the API key is not known here"


async def known_caller(exchange: Exchange) -> Key:
    """The key that calls, noted on the exchange."""
    running = exchange.running
    try:
        key = await caller(exchange.headers, running.store.keys)
    except InvalidApiKey as error:
        if any(same(secret, running.master_key) for secret in secrets(exchange.headers)):
            raise InvalidApiKey(MASTER_CALLS_NOTHING) from error
        raise
    exchange.key_id = key.id
    return key


def check_master(headers: Iterable[tuple[bytes, bytes]], master_key: str) -> None:
    """Raise InvalidApiKey unless the request carries the master key."""
    given = presented(headers)
    if not any(same(secret, master_key) for secret in given):
        virtual = any(secret.startswith("tk-") for secret in given)
        raise InvalidApiKey(
            "this route needs the master key" + (", not a virtual key" if virtual else "")
        )


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(given.encode(), wanted.encode())
