"""What every page's answer says to the browser: run nothing that is not ours, keep nothing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NONCE: Final = "tollkeeper.nonce"
"""Where a request's scope has the nonce that its page's scripts bear."""
STATIC: Final = "/ui/static/"
_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


def policy(nonce: str) -> str:
    """The content security policy: scripts by nonce, styles by file, nothing inline."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


class Sealed:
    """An application with these headers on all of its answers, and a fresh nonce for each."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        nonce = secrets.token_urlsafe(16)
        scope[NONCE] = nonce
        own = [*_SAFE, (b"content-security-policy", policy(nonce).encode())]
        if not scope["path"].startswith(STATIC):
            own.append((b"cache-control", b"no-store"))

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        await self._app(scope, receive, sealed)
