"""`POST /v1/chat/completions`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from app.api.auth import known_caller
from app.api.errors import row_of
from app.api.exchange import Exchange
from app.api.headers import receipt_headers, tags
from app.api.streaming import send_stream
from app.core.errors import BadRequest, GatewayError
from app.dialects.openai_chat import ChatCall, parse
from app.dialects.openai_chat_reply import reply_bytes
from app.dialects.openai_chat_stream import ChunkWriter
from app.pipeline import Incoming, process

if TYPE_CHECKING:
    from app.core.keys import Key
    from app.core.receipt import Opening, Receipt
    from app.core.request import Request

DIALECT = "openai_chat"
MOST_IDEMPOTENCY_CHARS = 255
MOST_BYTES_AT_ONCE = 256 * 1_024  # what is larger is read in a thread: others are served meanwhile

Parsed = TypeVar("Parsed")


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
    reply, receipt = await process(incoming, exchange.shell.gateway)
    body = reply_bytes(reply, receipt, legacy_functions=call.legacy_functions)
    await exchange.answer(200, receipt_headers(receipt), body)


async def read(parse: Callable[[bytes, str], Parsed], exchange: Exchange) -> Parsed:
    """What the body asks for, of the default model where it names none.  Raises BadRequest."""
    body = await exchange.body()
    default_model = exchange.shell.settings.routing.default_model
    if len(body) <= MOST_BYTES_AT_ONCE:
        return parse(body, default_model)
    return await asyncio.to_thread(parse, body, default_model)


def incoming_of(
    request: Request,
    key: Key,
    exchange: Exchange,
    dialect: str,
    native_headers: Mapping[str, str] | None = None,
) -> Incoming:
    """The call with what its headers add: tags, an idempotency key, caching switched off.

    `native_headers` are the caller's own for the upstream, in the native lane.
    """
    given = tags(exchange.header(b"x-tollkeeper-tags"))
    off = (exchange.header(b"x-tollkeeper-cache") or "").strip().lower() == "off"
    if given or off:
        merged = tuple(dict.fromkeys((*request.tags, *given)))
        request = replace(request, tags=merged, cache=request.cache and not off)
    idempotency_key = exchange.header(b"idempotency-key") or None
    if idempotency_key and len(idempotency_key) > MOST_IDEMPOTENCY_CHARS:
        raise BadRequest(
            f"idempotency-key is longer than {MOST_IDEMPOTENCY_CHARS} characters",
            param="idempotency-key",
        )
    return Incoming(
        request=request,
        key=key,
        request_id=exchange.request_id,
        dialect=dialect,
        native=native_headers is not None,
        headers=native_headers or {},
        idempotency_key=idempotency_key,
    )
