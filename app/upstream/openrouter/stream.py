"""A streamed answer of OpenRouter's: Anthropic's events, and perhaps the cost at their end."""

from __future__ import annotations

from app.ports import Part
from app.upstream.anthropic.stream import AnthropicStream
from app.upstream.openrouter.costs import COST, billed_in_events


class OpenRouterStream(AnthropicStream):
    """Implements ports.UpstreamStream; its meter knows what OpenRouter bills, once that came."""

    def _part(self, chunk: bytes) -> Part:
        part = super()._part(chunk)
        if COST in part.raw:
            billed = billed_in_events(part.raw)
            if billed is not None:
                self.meter.billed_nano_usd = billed
        return part
