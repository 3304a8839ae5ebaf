"""Where a call may go, one target after the other: each is made when those before it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.measure import has_thinking
from app.core.preparation import prepare_fallback
from app.core.targets import Target
from app.core.trouble import elsewhere_may_help

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.calls.ended import Course
    from app.calls.gateway import Gateway, Incoming
    from app.core.preparation import Prepared
    from app.ports import Breaker


class Chain:
    """The upstreams of a call's own model, then those of its fallbacks.

    A history with thinking stays with its model, and with upstreams of the vendor that it was
    sent to first. A model for which the key has a budget of its own stands in for no other: what
    is held here counts towards the first model's.
    """

    __slots__ = ("_first", "_gateway", "_incoming", "_others")

    def __init__(self, incoming: Incoming, gateway: Gateway, first: Prepared) -> None:
        self._incoming = incoming
        self._gateway = gateway
        self._first = first
        self._others: dict[str, Prepared] = {}

    def prepared_for(self, target: Target) -> Prepared:
        """The call as it is sent there."""
        return self._others.get(target.model.id, self._first)

    def targets(self, course: Course) -> Iterable[Target]:
        """Those that are tried, in order.

        What its breaker lets rest is left out, unless there is nothing else to be tried.
        """
        model = self._first.model
        if len(model.upstreams) == 1 and model.id not in self._gateway.policy.fallbacks:
            return (target_of(self._first, model.upstreams[0]),)
        return self._awake(course)

    def _awake(self, course: Course) -> Iterator[Target]:
        resting = []
        for target in self._all():
            if self._gateway.breaker.admits(target.upstream, target.model.id):
                yield target
            else:
                resting.append(target)
        if not course.number:
            yield from resting

    def _all(self) -> Iterator[Target]:
        first, policy = self._first, self._gateway.policy
        own = first.model.upstreams
        yield target_of(first, own[0])
        names = policy.fallbacks.get(first.model.id, ())
        pinned = has_thinking(self._incoming.request)
        vendor = policy.vendors.get(own[0])
        for upstream in own[1:]:
            if not pinned or policy.vendors.get(upstream) == vendor:
                yield target_of(first, upstream)
        for name in () if pinned else names:
            ready = self._fallback(name)
            if ready is not None:
                self._others[name] = ready
                for upstream in ready.model.upstreams:
                    yield target_of(ready, upstream)

    def _fallback(self, name: str) -> Prepared | None:
        incoming, gateway = self._incoming, self._gateway
        if name in incoming.key.model_budgets_nano_usd:
            return None
        return prepare_fallback(
            self._first, incoming.request, incoming.key, gateway.policy, name, gateway.now()
        )


def judge(target: Target, error: BaseException | None, breaker: Breaker) -> None:
    """Tell the breaker how an attempt ended, `error` None for an answer."""
    if error is not None and elsewhere_may_help(error):
        breaker.failed(target.upstream, target.model.id)
    else:
        breaker.answered(target.upstream, target.model.id)


def target_of(ready: Prepared, upstream: str) -> Target:
    """The call at one of its model's upstreams."""
    return Target(ready.model, upstream, ready.prices, ready.bound)
