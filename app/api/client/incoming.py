"""From an HTTP request to the call that the story takes: the same for every client route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from app.calls.gateway import Incoming
from app.core.conversations import conversation_of
from app.core.errors import BadRequest
from app.core.printable import printable
from app.web.exchange import Exchange
from app.web.headers import MOST_TAGS, as_utf8, tags

if TYPE_CHECKING:
    from app.core.keys import Key
    from app.core.request import Request

MOST_IDEMPOTENCY_CHARS = 255
MOST_SESSION_CHARS = 200  # what tracing tools take
SESSIONS = (b"x-tollkeeper-conversation", b"x-claude-code-session-id", b"x-session-id")
AGENT = b"x-claude-code-agent-id"
# The headers that add something to a call: most bear none of them.
ADDING = frozenset(
    {
        *SESSIONS,
        AGENT,
        b"idempotency-key",
        b"traceparent",
        b"x-tollkeeper-cache",
        b"x-tollkeeper-tags",
    }
)
MOST_BYTES_AT_ONCE = 256 * 1_024  # what is larger is read in a thread: others are served meanwhile

Parsed = TypeVar("Parsed")


async def read(parse: Callable[[bytes, str], Parsed], exchange: Exchange) -> Parsed:
    """What the body asks for, of the default model where it names none.  Raises BadRequest."""
    body = await exchange.body()
    default_model = exchange.running.settings.routing.default_model
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
    exchange.model = request.model
    adds = exchange.bears_any(ADDING)
    if adds:
        request = _with_tags(request, exchange)
    session = _session(request, exchange) if adds else _own_session(request)
    return Incoming(
        request,
        key,
        exchange.request_id,
        dialect,
        conversation_of(request, key.id, session),
        session and printable(session[:MOST_SESSION_CHARS])[:MOST_SESSION_CHARS],
        native_headers is not None,
        native_headers or {},
        _idempotency_key(exchange) if adds else None,
        exchange.header(b"traceparent") if adds else None,
        ((exchange.header(AGENT) or "")[:MOST_SESSION_CHARS] or None) if adds else None,
    )


def _with_tags(request: Request, exchange: Exchange) -> Request:
    """The request with its headers' tags, and without breakpoints where one says so."""
    given = tags(exchange.header(b"x-tollkeeper-tags"))
    off = (exchange.header(b"x-tollkeeper-cache") or "").strip().lower() == "off"
    if not given and not off:
        return request
    merged = tuple(dict.fromkeys((*request.tags, *given)))[:MOST_TAGS]
    return replace(request, tags=merged, cache=request.cache and not off)


def _idempotency_key(exchange: Exchange) -> str | None:
    key = exchange.header(b"idempotency-key") or None
    if key and len(key) > MOST_IDEMPOTENCY_CHARS:
        raise BadRequest(
            f"idempotency-key is longer than {MOST_IDEMPOTENCY_CHARS} characters",
            param="idempotency-key",
        )
    return key


def _session(request: Request, exchange: Exchange) -> str | None:
    """What the caller names the conversation: in its headers, else in the body."""
    for header in SESSIONS:
        if name := as_utf8(exchange.header(header) or "").strip():
            return name
    return _own_session(request)


def _own_session(request: Request) -> str | None:
    return (request.session_id or "").strip() or None
