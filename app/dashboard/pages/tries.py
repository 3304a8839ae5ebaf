"""Try it: a prompt, and the answer as it comes, billed to a key that is chosen like any call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from app.calls.gateway import Incoming
from app.calls.story import process
from app.core.conversations import conversation_of
from app.core.errors import BadRequest, GatewayError, NotFound, Refusal
from app.core.model_names import AUTO
from app.core.money import usd_text
from app.dashboard.access.doors import STREAM
from app.dashboard.page import Page, View
from app.dialects.openai_chat.request import parse
from app.store.records.key_lists import KeySearch
from app.web.auth import why_over
from app.web.errors import guarded, refused, row_of
from app.web.exchange import WHOLE_ANSWER, Exchange
from app.web.streaming import send_stream

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from app.core.keys import Key
    from app.core.receipt import Opening, Receipt
    from app.dashboard.page import Visit
    from app.web.running import RunningGateway

PATH: Final = "/ui/try"
DIALECT: Final = "openai_chat"
TAG: Final = "dashboard"
SUGGESTED: Final = 100
MOST_TOKENS: Final = 512


async def show(visit: Visit) -> Response:
    """The empty form."""
    return await _page(visit, {"model": AUTO, "max_tokens": str(MOST_TOKENS)})


async def call(visit: Visit) -> Response:
    """The answer: as a stream where a script asked for one, else whole, in the page."""
    streams = STREAM in visit.request.headers.get("accept", "")
    try:
        incoming = await _incoming(visit, streams=streams)
    except GatewayError as error:
        if streams:
            raise
        return await _page(visit, visit.form, problem=error.message)
    if streams:
        return _Streamed(visit.running, incoming)
    try:
        reply, receipt = await process(incoming, visit.running.gateway)
    except GatewayError as error:
        if isinstance(error, Refusal):
            _tell_refused(visit, incoming, error)
        return await _page(visit, visit.form, problem=error.message)
    text = "".join(str(b.get("text", "")) for b in reply.content if b.get("type") == "text")
    return await _page(visit, visit.form, answer=text, told=_told(receipt))


def _tell_refused(visit: Visit, incoming: Incoming, error: Refusal) -> None:
    """It counts, and is found again, like one that a client was refused."""
    told = refused(error, incoming.request_id, visit.running.master_key)
    model = incoming.request.model
    visit.running.tell_refused(
        replace(told, key_id=incoming.key.id, model=model, dialect=incoming.dialect)
    )


async def _page(
    visit: Visit,
    values: Any,  # noqa: ANN401 - a form's fields
    *,
    problem: str = "",
    answer: str = "",
    told: dict[str, str] | None = None,
) -> Response:
    catalog = visit.running.gateway.policy.catalog
    keys = await visit.store.key_lists.listed(KeySearch(sort="-created"), limit=SUGGESTED)
    return await visit.html(
        "try.html",
        status=400 if problem else 200,
        keys=keys.rows,
        models=[AUTO, *catalog.tiers, *catalog.models],
        values=values,
        problem=problem,
        answer=answer,
        told=told or {},
    )


async def _incoming(visit: Visit, *, streams: bool) -> Incoming:
    """The form as a call.  Raises BadRequest and NotFound."""
    form = visit.form
    prompt = form.get("prompt", "").strip()
    if not prompt:
        raise BadRequest("prompt: there is none", param="prompt")
    key = await _key(visit, form.get("key", "").strip())
    system = form.get("system", "").strip()
    messages = [{"role": "system", "content": system}] if system else []
    tokens = form.get("max_tokens", "").strip()
    if tokens and not (tokens.isascii() and tokens.isdecimal() and len(tokens) <= 7):
        raise BadRequest("max_tokens must be a whole number", param="max_tokens")
    body = {
        "model": form.get("model") or AUTO,
        "messages": [*messages, {"role": "user", "content": prompt}],
        "stream": streams,
        **({"max_tokens": int(tokens)} if tokens else {}),
    }
    request = replace(parse(orjson.dumps(body)).request, tags=(TAG,))
    return Incoming(
        request=request,
        key=key,
        request_id=visit.request_id,
        dialect=DIALECT,
        conversation=conversation_of(request, key.id, None),
    )


async def _key(visit: Visit, name: str) -> Key:
    if not name:
        raise BadRequest("choose the key that pays", param="key")
    key_id = await visit.store.keys.named(name)
    key = await visit.store.keys.of_id(key_id)
    if key is None:
        raise NotFound(f"there is no key {name!r}")
    over = why_over(key)
    if over:
        raise BadRequest(over, param="key")
    return key


def _told(receipt: Receipt) -> dict[str, str]:
    """What the page says of an answer beside it."""
    opening = receipt.opening
    return {
        "request_id": opening.request_id,
        "model": opening.model,
        "route": f"{opening.route.label}, {opening.route.reason.replace('_', ' ')}",
        "cost_usd": usd_text(receipt.total_nano_usd),
        "saved_usd": usd_text(receipt.cache_savings_nano_usd),
        "tokens": f"{receipt.usage.prompt_tokens:,} in, {receipt.usage.output_tokens:,} out",
    }


class _Streamed(Response):
    """A call whose answer is written while it comes; a caller who leaves ends it."""

    def __init__(self, running: RunningGateway, incoming: Incoming) -> None:
        super().__init__()
        self._running = running
        self._incoming = incoming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Errors before the answer are answered as the client API's are."""
        own = {name: value for name, value in scope.items() if name != WHOLE_ANSWER}
        request_id = self._incoming.request_id
        exchange = Exchange(own, receive, send, self._running, "openai", request_id)
        exchange.key_id = self._incoming.key.id
        exchange.model = self._incoming.request.model
        await guarded(self._send, exchange)

    async def _send(self, exchange: Exchange) -> None:
        await send_stream(self._incoming, exchange, _Writer)


class _Writer:
    """The answer's text as it comes, then what it cost: one JSON object for each event."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._begun = False

    def part(self, _raw: bytes, events: list[dict[str, Any]]) -> bytes:
        """The text that the events bring."""
        texts = [
            event["delta"]["text"]
            for event in events
            if event.get("type") == "content_block_delta"
            and event["delta"].get("type") == "text_delta"
        ]
        first = b"" if self._begun else _event({"model": self._opening.model})
        self._begun = True
        return first + (_event({"text": "".join(texts)}) if texts else b"")

    def finish(self, receipt: Receipt) -> bytes:
        """The last event: what it came to."""
        return _event({"done": _told(receipt)})

    def fail(self, error: Exception) -> bytes:
        """The last event of an answer that broke off."""
        message = error.message if isinstance(error, GatewayError) else "an error in the gateway"
        return _event({"error": {"message": message, "code": row_of(error).code}})


def _event(told: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(told) + b"\n\n"


PAGE: Final = Page(
    "try",
    "Try it",
    (View(PATH, show), View(PATH, call, method="POST")),
    shortcut="y",
    refreshes=False,
)
