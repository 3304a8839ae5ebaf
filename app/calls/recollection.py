"""One call's share in what is remembered: recalled before it is routed, learned from once over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.breakpoints import NOWHERE, lifetimes, outermost_mark
from app.core.fingerprints import fingerprint
from app.core.misses import Read, first_miss, miss_of, nearest_thread
from app.core.remembered import FIVE_MINUTES_S, Asked, Lesson, Recalled, Tried, Warm, thread_of

if TYPE_CHECKING:
    from datetime import datetime

    from app.calls.ended import Course
    from app.calls.gateway import Gateway, Incoming
    from app.core.ended import Ended
    from app.core.misses import Miss
    from app.core.preparation import Prepared
    from app.core.request import Request
    from app.core.targets import Target
    from app.core.usage import Usage

FEWEST_BYTES, MOST_BYTES = 1.5, 8.0  # of a token, whatever the text


class Recollection:
    """What is known for one call, and what its end adds."""

    __slots__ = ("_asked", "_gateway", "recalled")

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._asked: Asked
        self.recalled: Recalled

    @property
    def prefix(self) -> str | None:
        """The name of the call's tools and system prompt."""
        return self._asked.prefix

    async def recall(self, incoming: Incoming, at: datetime) -> Recalled:
        """Ask the memory for what is known at that moment."""
        now = fingerprint(incoming.request)
        agent = incoming.agent
        self._asked = asked = Asked(
            conversation=f"{incoming.key.id}:{incoming.conversation}",
            key_id=incoming.key.id,
            agent=agent or now.opening.hex(),
            named=agent is not None,
            prefix=now.prefix,
        )
        known, shared = await self._gateway.memory.recall(asked)
        thread = None if known is None else thread_of(known, asked, now)
        self.recalled = Recalled(at.timestamp(), now, known, thread, shared)
        return self.recalled

    def asking(self, request: Request, target: Target, *, native: bool) -> Request:
        """The request, asking Anthropic why its cache missed, if it will.

        It compares with the thread's last answer, which must be its own. A body of the native lane
        is its caller's: whoever wants to know there asks.
        """
        last = self.recalled.last
        if native or last is None or not last.tokens or last.message_id is None:
            return request
        if last.upstream != target.upstream or self._vendor(target) != "anthropic":
            return request
        asked = {"previous_message_id": last.message_id}
        return replace(request, options={**request.options, "diagnostics": asked}, original=None)

    def _vendor(self, target: Target) -> str | None:
        return self._gateway.policy.vendors.get(target.upstream)

    def miss(self, course: Course, prepared: Prepared) -> Miss | None:
        """Why the answer read less than was in the cache; None for a hit, and without an answer."""
        charge, target = course.charge, course.target
        if charge is None or target is None:
            return None
        known, least_tokens = self._compared, prepared.model.limits.min_cacheable_tokens
        last = known.last
        if last is None or not last.tokens:
            return first_miss(charge.usage.answering, least_tokens)
        answer = Read(
            model=charge.model or prepared.model.id,
            upstream=target.upstream,
            usage=charge.usage.answering,
            rates=charge.rates,
            least_tokens=least_tokens,
            date=course.date,
            told=course.told,
        )
        return miss_of(known, prepared.request, answer)

    @property
    def _compared(self) -> Recalled:
        """What is known, with the conversation's last call where that one's thread was another."""
        known = self.recalled
        if known.thread is not None or known.conversation is None or self._asked.named:
            return known
        return replace(known, thread=nearest_thread(known.conversation, known.fingerprint))

    def learn(self, ended: Ended, course: Course) -> None:
        """Tell the memory what the call's answer taught; without one it taught nothing."""
        charge = ended.charge
        if charge is None:
            return
        usage, request, plan = charge.usage.answering, ended.request, ended.cache_plan
        written, read = usage.cache_write_tokens, usage.cache_read_tokens
        ttl_s, hour_tokens, end = FIVE_MINUTES_S, 0, NOWHERE
        if plan.ttl:
            known_hour_tokens = self._known_hour_tokens(ended.model)
            ttl_s, hour_tokens = lifetimes(request, plan.ttl, usage, known_hour_tokens)
            end = outermost_mark(request)
        known = self.recalled
        warm = Warm(
            read + written,
            hour_tokens,
            ttl_s,
            known.now_s,
            known.fingerprint,
            end,
            ended.upstream,
            charge.message_id,
            course.date,
        )
        tried = Tried(plan.placed, plan.callers, written, read, usage.output_tokens)
        saved = charge.uncached_nano_usd - charge.cost.total
        self._gateway.memory.learn(
            Lesson(
                self._asked,
                ended.model,
                warm,
                tried,
                saved,
                known.gap_s,
                known.behind,
                _bytes_per_token(plan.prompt_bytes, usage),
            )
        )

    def _known_hour_tokens(self, model: str) -> int:
        thread = self.recalled.thread
        warm = None if thread is None else thread.warm.get(model)
        return 0 if warm is None else warm.hour_tokens


def _bytes_per_token(prompt_bytes: int, usage: Usage) -> float | None:
    """None where the counts are of more than one prompt, or not of this one."""
    tokens = usage.prompt_tokens
    if not prompt_bytes or not tokens or usage.parts:
        return None
    return min(max(prompt_bytes / tokens, FEWEST_BYTES), MOST_BYTES)
