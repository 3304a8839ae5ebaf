"""The client API's routes, outside any framework: a table of paths and plain ASGI endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from app.api.client.chat import chat_completions
from app.api.client.messages import messages, messages_count_tokens
from app.api.client.models import PREFIX, models
from app.api.client.responses import responses
from app.core.errors import NotSupported
from app.web.auth import known_caller
from app.web.errors import Endpoint, guarded
from app.web.exchange import Dialect, Exchange
from app.web.headers import REQUEST_ID, new_request_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.web.running import RunningGateway

POST: dict[str, tuple[Endpoint, Dialect]] = {
    "/v1/chat/completions": (chat_completions, "openai"),
    "/v1/responses": (responses, "openai"),
    "/v1/messages": (messages, "anthropic"),
    "/v1/messages/count_tokens": (messages_count_tokens, "anthropic"),
}


async def own_key(exchange: Exchange) -> None:
    """`GET /v1/key`: the caller's own key object."""
    key = await known_caller(exchange)
    await exchange.answer_plainly(orjson.dumps(await exchange.running.store.keys.get(key.id)))


async def not_supported(exchange: Exchange) -> None:
    """Every other `/v1/*`.  Raises NotSupported."""
    scope = exchange.scope
    raise NotSupported(f"{scope['method']} {scope['path']} is not supported by this gateway")


class ClientApi:
    """Serves `/v1/*` and hands every other path to `rest`."""

    def __init__(self, running: RunningGateway, rest: ASGIApp) -> None:
        self._running = running
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] != "http":
            await self._rest(scope, receive, _without_traceback(send))
            return
        if not scope["path"].startswith("/v1/"):
            scope[REQUEST_ID] = request_id = new_request_id()
            await self._rest(scope, receive, self._identified(send, request_id))
            return
        endpoint, dialect = find_route(scope["method"], scope["path"])
        request_id = new_request_id()
        await guarded(endpoint, Exchange(scope, receive, send, self._running, dialect, request_id))

    def _identified(self, send: Send, request_id: str) -> Send:
        """`send` with the headers that every answer carries."""
        own = [(b"x-request-id", request_id.encode()), *self._running.every]

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        return identified


def _without_traceback(send: Send) -> Send:
    """`send` for the lifespan: why a start failed is in the log already, in a line."""

    async def told(message: Message) -> None:
        await send({"type": message["type"]})

    return told


def find_route(method: str, path: str) -> tuple[Endpoint, Dialect]:
    """The endpoint behind a client path, and the dialect of its errors."""
    if method == "POST" and path in POST:
        return POST[path]
    if method in ("GET", "HEAD"):
        if path == PREFIX or path.startswith(PREFIX + "/"):
            return models, "openai"
        if path == "/v1/key":
            return own_key, "openai"
    return not_supported, "openai"
