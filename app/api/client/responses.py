"""`POST /v1/responses`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.api.client.incoming import incoming_of, read
from app.calls.story import process
from app.core.errors import GatewayError
from app.dialects.openai_responses.reply import reply_bytes
from app.dialects.openai_responses.request import ResponsesCall, parse
from app.dialects.openai_responses.stream import EventWriter
from app.web.auth import known_caller
from app.web.errors import row_of
from app.web.exchange import Exchange
from app.web.headers import receipt_headers
from app.web.streaming import send_stream

if TYPE_CHECKING:
    from app.core.receipt import Opening, Receipt

DIALECT = "openai_responses"


class ResponsesWriter:
    """The events of one response."""

    def __init__(self, opening: Opening, call: ResponsesCall) -> None:
        self._events = EventWriter(opening, call)

    def part(self, _raw: bytes, events: list[dict[str, Any]]) -> bytes:
        """What the upstream's events become."""
        return self._events.feed(events)

    def finish(self, receipt: Receipt) -> bytes:
        """`response.completed`, or its like, with usage and cost."""
        return self._events.finish(receipt)

    def fail(self, error: Exception) -> bytes:
        """`error` and `response.failed`."""
        row = row_of(error)
        message = error.message if isinstance(error, GatewayError) else "an error in the gateway"
        return self._events.fail(message, row.code, row.kind)


async def responses(exchange: Exchange) -> None:
    """Answer one response, streamed or whole."""
    key = await known_caller(exchange)
    call = await read(parse, exchange)
    incoming = incoming_of(call.request, key, exchange, DIALECT)
    if call.request.stream:
        await send_stream(incoming, exchange, lambda opening: ResponsesWriter(opening, call))
        return
    reply, receipt = await process(incoming, exchange.running.gateway)
    await exchange.answer(200, receipt_headers(receipt), reply_bytes(reply, receipt, call))
