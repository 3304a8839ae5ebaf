"""Which endpoint a path means: every client's idea of a base URL leads to it.

Clients put `/v1` into their base URL, or add it themselves, or both, and slashes where they like.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from app.api.client.chat import chat_completions
from app.api.client.messages import messages, messages_count_tokens
from app.api.client.models import MODELS, models
from app.api.client.own_key import own_key
from app.api.client.responses import responses
from app.core.errors import NotSupported

if TYPE_CHECKING:
    from app.web.errors import Endpoint
    from app.web.exchange import Dialect, Exchange

SLASHES = re.compile(r"/{2,}")
VERSIONS = re.compile(r"^(?:/v1)+(?=/|$)")
READING = ("GET", "HEAD")
SERVED = (
    "POST /v1/chat/completions, /v1/responses, /v1/messages, /v1/messages/count_tokens; "
    "GET /v1/models, /v1/models/{id}, /v1/key"
)


class Route(NamedTuple):
    """An endpoint, and the dialect of its errors."""

    endpoint: Endpoint
    dialect: Dialect


async def not_supported(exchange: Exchange) -> None:
    """Every other path of the client API, and every other method.  Raises NotSupported."""
    scope = exchange.scope
    raise NotSupported(
        f"{scope['method']} {scope['path']} is not supported by this gateway, which serves {SERVED}"
    )


POSTED: dict[str, Route] = {
    "/chat/completions": Route(chat_completions, "openai"),
    "/responses": Route(responses, "openai"),
    "/messages": Route(messages, "anthropic"),
    "/messages/count_tokens": Route(messages_count_tokens, "anthropic"),
}
USUAL = {f"/v1{path}": route for path, route in POSTED.items()}
READ: dict[str, Route] = {MODELS: Route(models, "openai"), "/key": Route(own_key, "openai")}
NOT_SUPPORTED = Route(not_supported, "openai")
NOT_SUPPORTED_MESSAGES = Route(not_supported, "anthropic")


def find_route(method: str, path: str) -> Route | None:
    """The route behind a path; None for one that is not the client API's."""
    if method == "POST":
        route = USUAL.get(path)
        if route is not None:
            return route
    versioned, plain = canonical(path)
    known = POSTED.get(plain)
    if known is not None:
        return known if method == "POST" else Route(not_supported, known.dialect)
    known = READ[MODELS] if plain.startswith(f"{MODELS}/") else READ.get(plain)
    if known is not None:
        return known if method in READING else NOT_SUPPORTED
    if not versioned:
        return None
    return NOT_SUPPORTED_MESSAGES if plain.startswith("/messages/") else NOT_SUPPORTED


def canonical(path: str) -> tuple[bool, str]:
    """Whether `/v1` stood before the path, and the path without it: `//v1/v1/key/` is `/key`."""
    single = SLASHES.sub("/", path)
    plain = VERSIONS.sub("", single)
    return plain != single, plain.rstrip("/")
