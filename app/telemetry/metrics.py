"""Prometheus metrics: told what happened after it was settled, never on a request's path."""

from __future__ import annotations

from collections import Counter as Tally
from typing import TYPE_CHECKING, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric

    from app.core.usage import Usage
    from app.ports import CallRecord

LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
TTFT_BUCKETS_S = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60)
_Metric = TypeVar("_Metric", Counter, Histogram)
COST = "tollkeeper_cost_nano_usd"
COST_HELP = "Charged since the process started, in nano-USD (1e-9 USD)."


class _CostCollector:
    """Sums charges as integers: a float counter would lose nano-dollars after some millions."""

    def __init__(self) -> None:
        self.nano_usd: Tally[tuple[str, str]] = Tally()

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(COST, COST_HELP, labels=("key_id", "model"))
        for (key_id, model), amount in sorted(self.nano_usd.items()):
            family.add_metric((key_id, model), amount)
        yield family


class Metrics:
    """The process's metrics; implements the recorder's port."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[object, tuple[object, ...]], Counter | Histogram] = {}
        registry = self.registry
        self._cost = _CostCollector()
        registry.register(self._cost)
        self._calls = Counter(
            "tollkeeper_requests",
            "Calls that were held, by how they ended.",
            ("model", "dialect", "reason", "status"),
            registry=registry,
        )
        self._refused = Counter(
            "tollkeeper_refused",
            "Calls refused before the hold: they make no row.",
            ("code", "key_id"),
            registry=registry,
        )
        self._tokens = Counter(
            "tollkeeper_tokens", "Tokens billed.", ("model", "category"), registry=registry
        )
        self._attempts = Counter(
            "tollkeeper_upstream_attempts",
            "Tries at an upstream, by its status (or the kind of failure).",
            ("upstream", "outcome"),
            registry=registry,
        )
        self._latency = Histogram(
            "tollkeeper_latency_seconds",
            "From hold to settle.",
            ("model",),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._ttft = Histogram(
            "tollkeeper_time_to_first_token_seconds",
            "Of streamed answers.",
            ("model",),
            buckets=TTFT_BUCKETS_S,
            registry=registry,
        )
        self._bound_exceeded = Counter(
            "tollkeeper_bound_exceeded", "Charges above their hold.", registry=registry
        )
        self._config_refused = Gauge(
            "tollkeeper_config_refused",
            "1 while the config file as it stands was refused and an older one is in force.",
            registry=registry,
        )

    def record(self, call: CallRecord) -> None:
        """Count a finished call."""
        reason = call.route.reason
        self._labelled(self._calls, call.model, call.dialect, reason, call.status).inc()
        for attempt in call.attempts:
            outcome = attempt.error or attempt.status or 200
            self._labelled(self._attempts, attempt.upstream, outcome).inc()
        self._labelled(self._latency, call.model).observe(call.latency_s)
        if call.ttft_s is not None:
            self._labelled(self._ttft, call.model).observe(call.ttft_s)
        if call.cost_nano_usd:
            self._cost.nano_usd[call.key.id, call.model] += call.cost_nano_usd
        if call.cost_nano_usd > call.held_nano_usd:
            self._bound_exceeded.inc()
        if call.charge is not None:
            for category, tokens in _tokens(call.charge.usage):
                self._labelled(self._tokens, call.model, category).inc(tokens)

    def _labelled(self, metric: _Metric, *labels: object) -> _Metric:
        """`metric.labels(...)`, whose own look-up is dear, remembered."""
        found = self._children.get((metric, labels))
        if found is None:
            found = self._children[metric, labels] = metric.labels(*map(str, labels))
        return cast("_Metric", found)

    def refused(self, code: str, key_id: str | None) -> None:
        """Count a call that was refused before its hold."""
        self._refused.labels(code, key_id or "").inc()

    def config_refused(self, *, refused: bool) -> None:
        """Show whether the config file as it stands was refused."""
        self._config_refused.set(int(refused))

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self.registry)


def _tokens(usage: Usage) -> Iterable[tuple[str, int]]:
    counts = (
        ("input", usage.input_tokens),
        ("cache_write_5m", usage.cache_write_5m_tokens),
        ("cache_write_1h", usage.cache_write_1h_tokens),
        ("cache_read", usage.cache_read_tokens),
        ("output", usage.output_tokens),
    )
    return ((category, tokens) for category, tokens in counts if tokens)
