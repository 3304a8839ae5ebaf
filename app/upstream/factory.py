"""From options to an upstream that is ready to be called."""

from __future__ import annotations

from app.ports import Upstream
from app.upstream.anthropic.aiohttp_transport import AiohttpTransport
from app.upstream.anthropic.transport import Transport
from app.upstream.anthropic.upstream import AnthropicUpstream
from app.upstream.openrouter.upstream import OpenRouterUpstream
from app.upstream.options import UpstreamOptions


def open_upstream(options: UpstreamOptions) -> Upstream:
    """An upstream; nothing is connected before the first call.

    Raises ValueError for a kind or a transport that does not exist.
    """
    if options.kind == "anthropic":
        return AnthropicUpstream(_transport(options), options)
    if options.kind == "openrouter":
        return OpenRouterUpstream(AiohttpTransport(options), options)
    raise ValueError(f"no upstream of kind {options.kind!r}; allowed: anthropic, openrouter")


def _transport(options: UpstreamOptions) -> Transport:
    if options.transport == "aiohttp":
        return AiohttpTransport(options)
    if options.transport == "sdk":
        # Costs 3 s and 42 MB, so it is imported only where it was chosen.
        from app.upstream.anthropic.sdk_transport import SdkTransport  # noqa: PLC0415

        return SdkTransport(options)
    raise ValueError(f"no transport {options.transport!r}; allowed: aiohttp, sdk")
