"""`POST /v1/chat/completions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.api.client.incoming import incoming_of, read
from app.calls.story import process
from app.core.errors import GatewayError
from app.dialects.openai_chat.reply import reply_bytes
from app.dialects.openai_chat.request import ChatCall, parse
from app.dialects.openai_chat.stream import ChunkWriter
from app.web.auth import known_caller
from app.web.errors import row_of
from app.web.exchange import Exchange
from app.web.headers import receipt_headers
from app.web.streaming import send_stream

if TYPE_CHECKING:
    from app.core.receipt import Opening, Receipt

DIALECT = "openai_chat"


class ChatWriter:
    """OpenAI's chunks for one stream."""

    def __init__(self, opening: Opening, call: ChatCall) -> None:
        legacy = call.legacy_functions
        self._chunks = ChunkWriter(opening, call.include_usage, legacy_functions=legacy)

    def part(self, _raw: bytes, events: list[dict[str, Any]]) -> bytes:
        """The chunks that the events make."""
        return self._chunks.feed(events)

    def finish(self, receipt: Receipt) -> bytes:
        """The usage chunk, where asked for, and `[DONE]`."""
        return self._chunks.finish(receipt)

    def fail(self, error: Exception) -> bytes:
        """An error object that the client's SDK raises."""
        row = row_of(error)
        message = error.message if isinstance(error, GatewayError) else "an error in the gateway"
        return self._chunks.fail(message, row.code, row.kind)


async def chat_completions(exchange: Exchange) -> None:
    """Answer one chat completion, streamed or whole."""
    key = await known_caller(exchange)
    call = await read(parse, exchange)
    incoming = incoming_of(call.request, key, exchange, DIALECT)
    if call.request.stream:
        await send_stream(incoming, exchange, lambda opening: ChatWriter(opening, call))
        return
    reply, receipt = await process(incoming, exchange.running.gateway)
    body = reply_bytes(reply, receipt, legacy_functions=call.legacy_functions)
    await exchange.answer(200, receipt_headers(receipt), body)
