"""When a model at an upstream is given a rest.  Pure: what it did before and the time -> what now.

Closed: calls go there. After FAILURES_TO_OPEN failures in a row it opens: for REST_S calls that can
go elsewhere do. Then one call tries it, half open: answered, it closes; failed, it rests again. A
try of which nothing is heard for REST_S is followed by another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FAILURES_TO_OPEN = 5
REST_S = 30.0

State = Literal["closed", "half_open", "open"]


@dataclass(frozen=True, slots=True)
class Health:
    """Failures in a row; until when it rests, None while it is closed; whether a call tries it."""

    failures: int = 0
    rests_until_s: float | None = None
    tried: bool = False

    @property
    def state(self) -> State:
        """One word for the log, the metric and the report."""
        if self.rests_until_s is None:
            return "closed"
        return "half_open" if self.tried else "open"


HEALTHY = Health()


def after_admission(health: Health, now_s: float) -> Health | None:
    """What it is once another call goes there; None when none should."""
    if health.rests_until_s is None:
        return health
    if now_s < health.rests_until_s:
        return None
    return Health(health.failures, now_s + REST_S, tried=True)


def after_failure(health: Health, now_s: float) -> Health:
    """What it is after one more failure of its own."""
    failures = health.failures + 1
    if health.rests_until_s is None and failures < FAILURES_TO_OPEN:
        return Health(failures)
    return Health(failures, now_s + REST_S)
