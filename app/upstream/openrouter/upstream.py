"""OpenRouter as an upstream: one attempt at its own `/messages`, over Anthropic's transport."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from app.core.errors import APIResponseValidationError, APIStatusError, NotSupported
from app.core.marking import marked_1h
from app.core.request import Reply, TokenCount
from app.dialects.anthropic.wire import encode, reply_from
from app.ports import Call
from app.upstream.anthropic.deadlines import Deadlines
from app.upstream.anthropic.redaction import Redaction
from app.upstream.anthropic.stream import Sent
from app.upstream.anthropic.transport import (
    Response,
    Transport,
    refuse_error,
    unreadable,
    whole_answer,
)
from app.upstream.anthropic.upstream import sent_headers
from app.upstream.openrouter.costs import billed_in_reply
from app.upstream.openrouter.generations import Generations
from app.upstream.openrouter.stream import OpenRouterStream
from app.upstream.openrouter.wishes import with_wishes_of
from app.upstream.options import UpstreamOptions

MESSAGES = "/messages"


class OpenRouterUpstream:
    """Implements ports.Upstream."""

    def __init__(self, transport: Transport, options: UpstreamOptions) -> None:
        self.options = options
        self.generations = Generations(options)
        self._transport = transport
        self._redaction = Redaction(options.api_key)
        self._deadlines = Deadlines(options.total_timeout_s)

    async def send(self, call: Call) -> Reply:
        """See ports.Upstream."""
        try:
            response = await whole_answer(
                self._transport, MESSAGES, _body(call), sent_headers(call), self._deadlines
            )
            return _reply(response, call)
        except APIStatusError as error:
            raise self._redaction.error(error) from None

    def stream(self, call: Call) -> OpenRouterStream:
        """See ports.Upstream."""
        marked = partial(marked_1h, call.request)
        sent = Sent(MESSAGES, _body(call), sent_headers(call), marked)
        return OpenRouterStream(self._transport, self.options, self._redaction, sent)

    async def count_tokens(self, call: Call) -> TokenCount:
        """OpenRouter counts nothing beforehand.  Raises NotSupported."""
        raise NotSupported(
            f"count_tokens is not supported for {call.model.id!r}: OpenRouter has no token count"
        )

    async def close(self) -> None:
        """See ports.Upstream."""
        self._deadlines.close()
        await self._transport.close()
        await self.generations.close()


def _body(call: Call) -> bytes:
    return encode(with_wishes_of(call.request, call.model), call.model.id)


def _reply(response: Response, call: Call) -> Reply:
    """Raises APIStatusError for an error that came as an answer, and UncertainError."""
    marked = partial(marked_1h, call.request)
    try:
        reply = reply_from(response.body, response.headers, marked_1h=marked)
    except APIResponseValidationError as error:
        refuse_error(response.body, response.headers)
        raise unreadable(error.message, response.headers) from error
    return replace(reply, billed_nano_usd=billed_in_reply(response.body))
