"""A circuit breaker for each model at each upstream, in this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from app.core.breaking import HEALTHY, Health, State, after_admission, after_failure

Changed: TypeAlias = Callable[[str, str, State], None]
"""Is told of each change: upstream, model, state."""

_log = logging.getLogger("tollkeeper.upstream")


class Breakers:
    """Implements ports.Breaker.  Only what has failed since its last answer is remembered."""

    def __init__(self, changed: Changed, now_s: Callable[[], float] = time.monotonic) -> None:
        self._changed = changed
        self._now_s = now_s
        self._ailing: dict[tuple[str, str], Health] = {}

    @property
    def states(self) -> Mapping[tuple[str, str], State]:
        """See ports.Breaker."""
        states = {place: health.state for place, health in self._ailing.items()}
        return {place: state for place, state in states.items() if state != "closed"}

    def admits(self, upstream: str, model: str) -> bool:
        """See ports.Breaker."""
        health = self._ailing.get((upstream, model))
        if health is None:
            return True
        admitted = after_admission(health, self._now_s())
        if admitted is None:
            return False
        self._becomes(upstream, model, admitted)
        return True

    def failed(self, upstream: str, model: str) -> None:
        """See ports.Breaker."""
        health = self._ailing.get((upstream, model), HEALTHY)
        self._becomes(upstream, model, after_failure(health, self._now_s()))

    def answered(self, upstream: str, model: str) -> None:
        """See ports.Breaker."""
        if (upstream, model) in self._ailing:
            self._becomes(upstream, model, HEALTHY)

    def _becomes(self, upstream: str, model: str, health: Health) -> None:
        before = self._ailing.get((upstream, model), HEALTHY)
        if health is HEALTHY:
            del self._ailing[upstream, model]
        else:
            self._ailing[upstream, model] = health
        if health.state != before.state:
            level = logging.WARNING if health.state == "open" else logging.INFO
            told = {"upstream": upstream, "model": model, "state": health.state}
            _log.log(level, "an upstream's breaker changed", extra=told)
            self._changed(upstream, model, health.state)
