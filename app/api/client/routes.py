"""The client API's door: plain ASGI for its own routes, everything else goes on to FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.client.paths import find_route
from app.web.bodies import BODY_IS_LATE, Arriving
from app.web.errors import guarded
from app.web.exchange import CLOSE, Exchange
from app.web.headers import REQUEST_ID, new_request_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.web.running import RunningGateway

MOST_OTHER_BODY_BYTES = 1 << 20  # of a request outside the client API


class ClientApi:
    """Serves the client routes and hands every other path to `rest`."""

    def __init__(self, running: RunningGateway, rest: ASGIApp) -> None:
        self._running = running
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] != "http":
            await self._rest(scope, receive, _without_traceback(send))
            return
        request_id = new_request_id()
        route = find_route(scope["method"], scope["path"])
        if route is None:
            await self._others(scope, receive, send, request_id)
            return
        exchange = Exchange(scope, receive, send, self._running, route.dialect, request_id)
        await guarded(route.endpoint, exchange)

    async def _others(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        scope[REQUEST_ID] = request_id
        running = self._running
        most_pending = running.settings.server.max_pending_bytes
        body = Arriving(scope, receive, running.pending, MOST_OTHER_BODY_BYTES, most_pending)
        try:
            await self._rest(scope, body.next, self._identified(scope, send, request_id))
        finally:
            body.forget()

    def _identified(self, scope: Scope, send: Send, request_id: str) -> Send:
        """`send` with the headers that every answer carries."""
        own = [(b"x-request-id", request_id.encode()), *self._running.every]

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                closing = [CLOSE] if BODY_IS_LATE in scope else []
                message = {**message, "headers": [*message.get("headers", ()), *own, *closing]}
            await send(message)

        return identified


def _without_traceback(send: Send) -> Send:
    """`send` for the lifespan: why a start failed is in the log already, in a line."""

    async def told(message: Message) -> None:
        await send({"type": message["type"]})

    return told
