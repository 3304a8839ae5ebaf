"""Anthropic as an upstream: one attempt, from a canonical request to a canonical answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from app.core.errors import APIResponseValidationError, APIStatusError
from app.core.marking import marked_1h
from app.core.request import Reply, TokenCount
from app.dialects.anthropic.wire import (
    count_tokens_body,
    counted_tokens,
    encode,
    reply_from,
    wire_headers,
)
from app.ports import Call
from app.upstream.anthropic.deadlines import Deadlines
from app.upstream.anthropic.redaction import Redaction
from app.upstream.anthropic.stream import AnthropicStream, Sent
from app.upstream.anthropic.transport import (
    Response,
    Transport,
    refuse_error,
    unreadable,
    whole_answer,
)
from app.upstream.options import UpstreamOptions

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"
PASSED_ON = "anthropic-"  # of the caller's own headers; never credentials


class AnthropicUpstream:
    """Implements ports.Upstream."""

    def __init__(self, transport: Transport, options: UpstreamOptions) -> None:
        self._transport = transport
        self._options = options
        self._redaction = Redaction(options.api_key)
        self._deadlines = Deadlines(options.total_timeout_s)

    async def send(self, call: Call) -> Reply:
        """See ports.Upstream."""
        body = encode(call.request, call.model.id)
        try:
            headers, limit = sent_headers(call), self._deadlines
            response = await whole_answer(self._transport, MESSAGES, body, headers, limit)
            return self._reply(response, call)
        except APIStatusError as error:
            raise self._redaction.error(error) from None

    def stream(self, call: Call) -> AnthropicStream:
        """See ports.Upstream."""
        body = encode(call.request, call.model.id)
        sent = Sent(MESSAGES, body, sent_headers(call), partial(marked_1h, call.request))
        return AnthropicStream(self._transport, self._options, self._redaction, sent)

    async def count_tokens(self, call: Call) -> TokenCount:
        """See ports.Upstream."""
        body = count_tokens_body(call.request, call.model.id)
        try:
            headers, limit = sent_headers(call), self._deadlines
            response = await whole_answer(self._transport, COUNT_TOKENS, body, headers, limit)
        except APIStatusError as error:
            raise self._redaction.error(error) from None
        return TokenCount(counted_tokens(response.body), response.body, response.headers)

    async def close(self) -> None:
        """See ports.Upstream."""
        self._deadlines.close()
        await self._transport.close()

    @staticmethod
    def _reply(response: Response, call: Call) -> Reply:
        marked = partial(marked_1h, call.request)
        try:
            return reply_from(response.body, response.headers, marked_1h=marked)
        except APIResponseValidationError as error:
            refuse_error(response.body, response.headers)
            raise unreadable(error.message, response.headers) from error


def sent_headers(call: Call) -> Mapping[str, str]:
    """The version that the body needs, unless the caller speaks for itself."""
    headers = wire_headers(call.request)
    if not call.headers:
        return headers
    own = {name.lower(): value for name, value in call.headers.items()}
    passed_on = {name: value for name, value in own.items() if name.startswith(PASSED_ON)}
    return {**headers, **passed_on}
