"""What one reply used, in disjoint buckets, whatever the vendor called them."""

from __future__ import annotations

from app.core.values import value


@value
class Usage:
    """Billed token counts of one reply; the four prompt-side counts are disjoint (they add up).

    `input_tokens` is the uncached remainder, `reasoning_tokens` a part of
    `output_tokens`. `fast`, `us` and `batch` say what the *response* reported.
    """

    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    web_search_requests: int = 0
    fast: bool = False
    us: bool = False
    batch: bool = False

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the cache, of either lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def prompt_tokens(self) -> int:
        """Uncached + written + read: what a tier's threshold is held against."""
        return (
            self.input_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
            + self.cache_read_tokens
        )
