"""How a request's body is taken in: bounded in size, in time, and over all callers together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.core.errors import BadRequest, GatewayOverloaded, RequestTimeout, RequestTooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message, Receive

BODY_IS_LATE = "tollkeeper.body_is_late"
"""Set in a request's scope by the server's protocol once its body has taken too long."""
BODY_TIMEOUT_S = "tollkeeper.body_timeout_s"
"""Where the protocol finds, in the lifespan's state, a function that gives `body_timeout_s`."""


@dataclass(slots=True)
class Pending:
    """Bytes of the bodies that are still arriving, all callers' together."""

    size_bytes: int = 0


@dataclass(slots=True)
class Arriving:
    """One body on its way in.

    `most_bytes` bounds this one, `most_pending_bytes` all of them together.
    """

    scope: Mapping[str, Any]
    receive: Receive
    pending: Pending
    most_bytes: int
    most_pending_bytes: int
    size_bytes: int = 0
    counted_bytes: int = 0

    async def whole(self, first: Message) -> bytes:
        """All of it; the server's `first` message has come.

        Raises RequestTooLarge, RequestTimeout, GatewayOverloaded, and BadRequest when the caller
        leaves in between.
        """
        parts: list[bytes] = []
        try:
            message = self._counted(first)
            while True:
                if message["type"] == "http.disconnect":
                    raise BadRequest("the client left before its request was whole")
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    break
                message = await self.next()
        finally:
            self.forget()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def next(self) -> Message:
        """The server's next message, counted.  Raises as `whole` does."""
        return self._counted(await self.receive())

    def forget(self) -> None:
        """It is not on its way any more."""
        self.pending.size_bytes -= self.counted_bytes
        self.counted_bytes = 0

    def _counted(self, message: Message) -> Message:
        if message["type"] == "http.disconnect":
            return message
        self.size_bytes += len(message.get("body", b""))
        if self.size_bytes > self.most_bytes:
            raise too_large(self.most_bytes)
        if message.get("more_body", False):
            self._count()
        return message

    def _count(self) -> None:
        if BODY_IS_LATE in self.scope:
            raise RequestTimeout("the request's body did not arrive in time")
        self.pending.size_bytes += self.size_bytes - self.counted_bytes
        self.counted_bytes = self.size_bytes
        if self.pending.size_bytes > self.most_pending_bytes:
            raise GatewayOverloaded(
                "the gateway is taking in too many large requests at once: try again in a moment"
            )


def is_whole(message: Message, most_bytes: int) -> bool:
    """Whether the server's first message is all of a body, as it is mostly, and one that fits."""
    return (
        not message.get("more_body", False)
        and message["type"] == "http.request"
        and len(message.get("body", b"")) <= most_bytes
    )


def too_large(most_bytes: int) -> RequestTooLarge:
    """The error for a body over its limit."""
    return RequestTooLarge(f"the body is larger than {most_bytes} bytes")
