"""What a call came to, as the caller is told: the one source of headers, body and log line."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.pricing import Cost
    from app.core.routing import Route
    from app.core.usage import Usage


@value
class Opening:
    """What is known before the answer's first byte: all that a stream's headers can say."""

    request_id: str
    created: int  # Unix seconds
    requested_model: str
    model: str
    route: Route
    attempts: int
    conversation: str
    dropped: tuple[str, ...]
    max_tokens_set: int | None  # when the gateway set, clamped or shrunk it
    native_headers: Mapping[str, str] = field(default_factory=dict)  # the upstream's, native lane


@value
class Receipt:
    """The whole account of one answer; amounts in nano-USD."""

    opening: Opening
    usage: Usage
    cost: Cost
    total_nano_usd: int
    cache_savings_nano_usd: int
    remaining_nano_usd: int | None
