"""`POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's own API, passed through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.api.client.incoming import incoming_of, read
from app.calls.gateway import Incoming
from app.calls.story import count_tokens, process
from app.core.errors import UpstreamError
from app.core.receipt import Receipt
from app.dialects.anthropic.messages import parse, parse_count_tokens
from app.web.auth import known_caller
from app.web.errors import NATIVE, envelope, refused_call
from app.web.exchange import Exchange
from app.web.headers import receipt_headers, vendors_own
from app.web.running import Header
from app.web.streaming import send_stream

PASSED_ON = b"anthropic-"


class MessagesWriter:
    """The upstream's bytes as they come; an error event of ours only where it sent none."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._told = False

    def part(self, raw: bytes, events: list[dict[str, Any]]) -> bytes:
        """The bytes, verbatim."""
        self._told = self._told or any(event.get("type") == "error" for event in events)
        return raw

    def finish(self, _receipt: Receipt) -> bytes:
        """Nothing: the upstream has said it all."""
        return b""

    def fail(self, error: Exception) -> bytes:
        """Anthropic's error event."""
        if self._told:
            return b""
        _, body = envelope(error, "anthropic", self._request_id)
        return b"event: error\ndata: " + body + b"\n\n"


async def messages(exchange: Exchange) -> None:
    """Answer one message, streamed or whole."""
    incoming = await _incoming(exchange, counted=False)
    if incoming.request.stream:
        await send_stream(incoming, exchange, lambda _: MessagesWriter(exchange.request_id))
        return
    reply, receipt = await process(incoming, exchange.running.gateway)
    await exchange.answer(200, receipt_headers(receipt), reply.body)


async def messages_count_tokens(exchange: Exchange) -> None:
    """Count a prompt: free, without a hold and without a rate limit."""
    incoming = await _incoming(exchange, counted=True)
    try:
        counted = await count_tokens(incoming, exchange.running.gateway)
    except UpstreamError as error:
        told = refused_call(error, exchange)
        exchange.running.recorder.not_counted(told)
        exchange.running.store.refusals.note(told)
        raise
    headers = [(b"x-request-id", exchange.request_id.encode()), *vendors_own(counted.headers)]
    await exchange.answer(200, headers, counted.body)


async def _incoming(exchange: Exchange, *, counted: bool) -> Incoming:
    key = await known_caller(exchange)
    request = await read(parse_count_tokens if counted else parse, exchange)
    headers = own_headers(exchange.headers)
    return incoming_of(request, key, exchange, NATIVE, native_headers=headers)


def own_headers(headers: Iterable[Header]) -> dict[str, str]:
    """The caller's `anthropic-*` headers, which go upstream as they are.

    One that comes several times, as Go's client sends a line for each beta, is one list.
    """
    own: dict[str, str] = {}
    for raw_name, raw_value in headers:
        if raw_name.startswith(PASSED_ON):
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            own[name] = f"{own[name]},{value}" if own.get(name) else value
    return own
