"""What a stream has used so far, so that one that is cut is charged for what it produced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.billing import Answer, category_of
from app.core.unknown import written_tokens
from app.core.usage import Usage


@dataclass(slots=True)
class Meter:
    """Running figures of one stream; times are of a monotonic clock.

    `begun`: something of an answer has come.  `usage` is None until the upstream has said what
    the prompt counts.  `known_output` is its last word on how much it wrote, `visible_bytes`
    the text, thinking and tool input that came since.  `output_is_known`: it has said so, and
    nothing came since.  `declined`: the categories at which a model handed over to another.
    `billed_nano_usd`: what the upstream says that it bills; `cache_miss`: its word for why the
    cache missed, where it was asked.
    """

    begun: bool = False
    usage: Usage | None = None
    output_is_known: bool = False
    known_output: int = 0
    visible_bytes: int = 0
    known_at_s: float = 0.0
    finished_at_s: float | None = None
    message_id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_details: Mapping[str, Any] | None = None
    declined: list[str | None] = field(default_factory=list)
    billed_nano_usd: int | None = None
    cache_miss: str | None = None

    @property
    def answer(self) -> Answer:
        """What has been said of the answer so far, as far as it decides the price."""
        category = category_of(self.stop_details)
        return Answer(self.model, self.stop_reason, category, self.declined, self.billed_nano_usd)

    @property
    def finished(self) -> bool:
        """Whether the upstream has said that the answer is whole."""
        return self.finished_at_s is not None

    def estimate(self, max_tokens: int, now_s: float) -> Usage | None:
        """Usage of a stream that was cut at `now_s`: exact input, the most it can have written.

        None when it was cut before the upstream said what the prompt counts.
        """
        usage = self.usage
        if usage is None or (self.finished and self.output_is_known):
            return usage
        end_s = now_s if self.finished_at_s is None else self.finished_at_s
        written = written_tokens(
            max_tokens,
            end_s - self.known_at_s,
            known=self.known_output,
            seen_bytes=self.visible_bytes,
        )
        return usage.with_output(max(written, usage.output_tokens))
