"""How to reach a vendor, as values: whoever wires the gateway maps its settings to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """One vendor's address, credentials and timeouts.

    `first_byte` and `idle` apply to streamed calls, `total` to non-streamed ones and to
    reaching a stream's first byte, `stream` to whole streams.  `proxy` is the address of the
    HTTP proxy that stands before the vendor.
    """

    kind: str
    api_key: str = field(repr=False)
    base_url: str
    transport: Literal["aiohttp", "sdk"] = "aiohttp"
    proxy: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 600.0
    stream_timeout_s: float = 3600.0

    @property
    def opening_timeout_s(self) -> float:
        """How long one attempt may take to bring a stream's first byte."""
        return min(self.first_byte_timeout_s, self.total_timeout_s)
