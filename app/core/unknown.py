"""What an attempt is charged whose outcome nobody knows.  Pure: what was at stake x time -> cost.

A time-out, a lost connection, a broken answer or a process that died: the upstream may have
billed the prompt and whatever it wrote until then, and it writes only so fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.money import PICO_PER_NANO, NanoUsd, round_up
from app.core.values import value

if TYPE_CHECKING:
    from app.core.bounds import Bound

TOKENS_PER_S = 300  # faster than any Claude model writes
TOKENS_UNSEEN = 64  # what may have been written and not yet sent


@value
class Stake:
    """What one attempt puts at stake.

    `input_nano_usd` is the most that its prompt can cost, `output_pico_usd` the dearest rate of
    an output token.  `whole`: server tools or other models take part, so that time says nothing
    about the cost.
    """

    input_nano_usd: int
    output_pico_usd: int
    max_tokens: int
    whole: bool = False

    @property
    def bound_nano_usd(self) -> NanoUsd:
        """The most the attempt can cost."""
        return self.with_output(self.max_tokens)

    def with_output(self, tokens: int) -> NanoUsd:
        """The most it can cost once it has written `tokens`."""
        written = round_up(tokens * self.output_pico_usd, PICO_PER_NANO)
        return NanoUsd(self.input_nano_usd + written)


def stake_of(bound: Bound, counted_tokens: int | None = None) -> Stake:
    """What an attempt with that bound puts at stake; `counted_tokens` by the vendor's own count."""
    prompt = bound.fixed_nano_usd
    if counted_tokens is not None and not bound.server_tools:
        prompt = round_up(counted_tokens * bound.input_pico_usd, PICO_PER_NANO)
    return Stake(prompt, bound.output_pico_usd, bound.output_tokens, whole=bound.server_tools)


def written_tokens(
    max_tokens: int, elapsed_s: float, *, known: int = 0, seen_bytes: int = 0
) -> int:
    """The most output tokens an upstream can have billed.

    `known` is its own last word on it; since then `seen_bytes` came and `elapsed_s` went by.
    """
    in_time = -int(-max(elapsed_s, 0.0) * TOKENS_PER_S // 1)
    return min(max_tokens, known + max(seen_bytes, in_time) + TOKENS_UNSEEN)


def unknown_outcome(stake: Stake, elapsed_s: float, *, seen_bytes: int = 0) -> NanoUsd:
    """The charge for an attempt that was sent `elapsed_s` before it failed."""
    if stake.whole:
        return stake.bound_nano_usd
    return stake.with_output(written_tokens(stake.max_tokens, elapsed_s, seen_bytes=seen_bytes))


def lost_call(stake: Stake, reserved_nano_usd: int, elapsed_s: float) -> NanoUsd:
    """The charge for a call whose process died `elapsed_s` after its hold.

    What is reserved beyond one attempt's bound was held for attempts before it: that stays. A
    hold that was shortened to its budget never costs more than itself.
    """
    before = max(reserved_nano_usd - stake.bound_nano_usd, 0)
    return NanoUsd(min(before + unknown_outcome(stake, elapsed_s), reserved_nano_usd))
