"""What one reply used, in disjoint buckets, whatever the vendor called them."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Literal

from app.core.values import value

ANSWERING = ("message", "fallback_message")  # the kinds of part that write the answer itself
PART_KINDS = (*ANSWERING, "compaction", "advisor_message")

Unknown = Literal["iteration", "model", "speed", "geo", "refusal"]
"""What of a reply no price list has a word for."""


@value
class Usage:
    """Billed token counts of one reply; the four prompt-side counts are disjoint (they add up).

    `input_tokens` is the uncached remainder, `reasoning_tokens` a part of
    `output_tokens`. `fast`, `us` and `batch` say what the *response* reported; `unknown` what it
    reported in words that the gateway doesn't know. `parts` are the model calls that the counts
    are the sums of, where there was more than one plain call.
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
    unknown: tuple[Unknown, ...] = ()
    parts: tuple[Part, ...] = ()
    prompt_tokens: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Sum once what is asked for again and again.

        Uncached + written + read: what a price step's threshold is held against.
        """
        tokens = self.input_tokens + self.cache_read_tokens
        tokens += self.cache_write_5m_tokens + self.cache_write_1h_tokens
        object.__setattr__(self, "prompt_tokens", tokens)

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the cache, of either lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def answering(self) -> Usage:
        """The counts of the model call that wrote the answer: all, unless there are parts."""
        if not self.parts:
            return self
        return next((part.usage for part in reversed(self.parts) if part.answers), self)

    def with_output(self, output_tokens: int) -> Usage:
        """The same with more output, by the last part that writes the answer, if there are parts.

        What the parts have told is never taken back.
        """
        if not self.parts:
            return replace(self, output_tokens=output_tokens)
        more = max(output_tokens - self.output_tokens, 0)
        last = max(n for n, part in enumerate(self.parts) if part.answers)
        part = self.parts[last]
        usage = replace(part.usage, output_tokens=part.usage.output_tokens + more)
        parts = (*self.parts[:last], replace(part, usage=usage), *self.parts[last + 1 :])
        return replace(self, output_tokens=self.output_tokens + more, parts=parts)


@value
class Part:
    """One model call inside a reply.

    `kind` is the vendor's word for it, `model` the vendor's name; None: the one that was sent.
    """

    kind: str
    usage: Usage
    model: str | None = None

    @property
    def answers(self) -> bool:
        """Whether it wrote the answer, or a piece of it."""
        return self.kind in ANSWERING
