"""What a stream has used so far, so that one that is cut is charged for what it produced."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.core.usage import Usage

HIDDEN_TOKENS_PER_S = 150  # faster than any Claude model writes


@dataclass(slots=True)
class Meter:
    """Running figures of one stream.

    `usage` is None until the upstream has said what the prompt counts. `output_is_known`:
    the upstream has reported how much it wrote. `visible_bytes` and `hidden_s` cover what came
    after that report: text received, and seconds in which none came.
    """

    usage: Usage | None = None
    output_is_known: bool = False
    visible_bytes: int = 0
    hidden_s: float = 0.0
    finished: bool = False
    message_id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    visible_at_s: float | None = None

    def estimate(self, max_tokens: int, now_s: float) -> Usage | None:
        """Usage of a stream that was cut at `now_s`: exact input, the most it can have written.

        None when it was cut before the upstream said what the prompt counts.
        """
        self._cut(now_s)
        if self.usage is None:
            return None
        if self.output_is_known:
            return replace(self.usage, output_tokens=min(max_tokens, self.usage.output_tokens))
        hidden = int(-(-self.hidden_s * HIDDEN_TOKENS_PER_S // 1))
        written = min(max_tokens, self.visible_bytes + hidden)
        return replace(self.usage, output_tokens=max(written, self.usage.output_tokens))

    def _cut(self, now_s: float) -> None:
        """Close the gap that was open."""
        if self.visible_at_s is not None and not self.finished:
            self.hidden_s += max(now_s - self.visible_at_s, 0.0)
            self.visible_at_s = now_s
