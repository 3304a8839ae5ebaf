"""Prometheus metrics: told what happened after it was settled, never on a request's path."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter as Tally
from itertools import accumulate
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from app.core.usage import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from app.core.breaking import State
    from app.core.ended import Charge, Ended, Refused
    from app.core.usage import Usage

_LOG = logging.getLogger("tollkeeper.metrics")
LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
BREAKER_STATES = ("closed", "half_open", "open")
TTFT_BUCKETS_S = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60)


class Counts:
    """A counter told on every call: whole numbers, which a float would lose after some millions.

    The library's own takes a lock for each increment; here the work is left to the scrape.
    """

    def __init__(self, registry: CollectorRegistry, name: str, text: str, *labels: str) -> None:
        self.of: Tally[tuple[object, ...]] = Tally()
        self._described = (name, text, labels)
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        name, text, labels = self._described
        family = CounterMetricFamily(name, text, labels=labels)
        for values, count in list(self.of.items()):
            family.add_metric([str(value) for value in values], count)
        yield family


class Durations:
    """A histogram of seconds per model, told on every call."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, buckets_s: Sequence[float]
    ) -> None:
        self._described = (name, text)
        self._buckets_s = buckets_s
        self._bounds = [*(str(float(bound)) for bound in buckets_s), "+Inf"]
        self._counts: dict[str, list[int]] = {}
        self._sums_s: dict[str, float] = {}
        registry.register(self)

    def observe(self, model: str, seconds: float) -> None:
        """Count one of them; a bucket's bound belongs to it."""
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0] * len(self._bounds)
            self._sums_s[model] = 0.0
        counts[bisect_left(self._buckets_s, seconds)] += 1
        self._sums_s[model] += seconds

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        name, text = self._described
        family = HistogramMetricFamily(name, text, labels=("model",))
        for model, counts in list(self._counts.items()):
            buckets = list(zip(self._bounds, accumulate(counts), strict=True))
            family.add_metric([model], buckets, self._sums_s[model])
        yield family


class Metrics:
    """The process's metrics; implements the recorder's port."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._cost = Counts(
            registry,
            "tollkeeper_cost_nano_usd",
            "Charged since the process started, in nano-USD (1e-9 USD).",
            *("key_id", "model"),
        )
        self._calls = Counts(
            registry,
            "tollkeeper_requests",
            "Calls that were held, by how they ended.",
            *("model", "dialect", "reason", "status"),
        )
        self._tokens = Counts(registry, "tollkeeper_tokens", "Tokens billed.", "model", "category")
        self._attempts = Counts(
            registry,
            "tollkeeper_upstream_attempts",
            "Tries at an upstream, by its status (or the kind of failure).",
            *("upstream", "outcome"),
        )
        self._latency = Durations(
            registry, "tollkeeper_latency_seconds", "From hold to settle.", LATENCY_BUCKETS_S
        )
        self._ttft = Durations(
            registry,
            "tollkeeper_time_to_first_token_seconds",
            "Of streamed answers.",
            TTFT_BUCKETS_S,
        )
        self._refused = Counts(
            registry,
            "tollkeeper_refused",
            "Calls refused before the hold: they make no row.",
            *("code", "key_id"),
        )
        told = "Charges above their hold."
        self._bound_exceeded = Counts(registry, "tollkeeper_bound_exceeded", told)
        self._bound_exceeded.of[()] = 0  # shown before there are any
        self._unknown = _unknown_prices(registry)
        self._billed = _billed_differences(registry)
        self._dropped = Counts(
            registry, "tollkeeper_telemetry_dropped", "Calls that telemetry lost.", "where"
        )
        self._dropped.of[("recorder",)] = 0  # shown before there are any
        self._config_refused = Gauge(
            "tollkeeper_config_refused",
            "1 while the config file as it stands was refused and an older one is in force.",
            registry=registry,
        )
        self._breakers = _breakers(registry)

    def record(self, call: Ended) -> None:
        """Count a finished call."""
        model = call.model
        self._calls.of[model, call.dialect, call.route.reason, call.status] += 1
        for attempt in call.attempts:
            self._attempts.of[attempt.upstream, attempt.error or attempt.status or 200] += 1
        self._latency.observe(model, call.latency_ms / 1_000)
        if call.ttft_ms is not None:
            self._ttft.observe(model, call.ttft_ms / 1_000)
        if call.cost_nano_usd:
            self._cost.of[call.key.id, model] += call.cost_nano_usd
        if call.cost_nano_usd > call.held_nano_usd:
            self._bound_exceeded.of[()] += 1
        if call.charge is not None:
            self.billed(model, call.charge.cost.adjustment)
            if call.charge.unknown:
                self._note_unknown(call, call.charge)
            for category, tokens in _tokens(call.charge.usage):
                if tokens:
                    self._tokens.of[model, category] += tokens

    def billed(self, model: str, more_nano_usd: int) -> None:
        """Count by how much a vendor's own bill is above what was computed, or below."""
        if more_nano_usd:
            direction = "above" if more_nano_usd > 0 else "below"
            self._billed.of[model, direction] += abs(more_nano_usd)

    def _note_unknown(self, call: Ended, charge: Charge) -> None:
        for what in charge.unknown:
            self._unknown.of[(what,)] += 1
        _LOG.warning(
            "charged at the dearest figures: no price for its %s",
            ", ".join(charge.unknown),
            extra={"request_id": call.request_id, "key_id": call.key.id, "model": call.model},
        )

    def refused(self, call: Refused) -> None:
        """Count a call that was refused before its hold."""
        self._refused.of[call.code, call.key_id or ""] += 1

    def not_counted(self, call: Refused) -> None:
        """Nothing: a count is no call."""

    def dropped(self, where: str, calls: int = 1) -> None:
        """Count what telemetry lost; each `where` belongs to one thread."""
        self._dropped.of[(where,)] += calls

    def breaker_changed(self, upstream: str, model: str, state: State) -> None:
        """Show the state of a model at an upstream."""
        self._breakers.labels(upstream, model).set(BREAKER_STATES.index(state))

    def config_refused(self, *, refused: bool) -> None:
        """Show whether the config file as it stands was refused."""
        self._config_refused.set(int(refused))

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self.registry)


def _breakers(registry: CollectorRegistry) -> Gauge:
    return Gauge(
        "tollkeeper_upstream_breaker",
        "0 closed, 1 half open (one call tries it), 2 open; once it has changed.",
        ["upstream", "model"],
        registry=registry,
    )


def _billed_differences(registry: CollectorRegistry) -> Counts:
    return Counts(
        registry,
        "tollkeeper_billed_difference_nano_usd",
        "What vendors billed above or below what was computed, in nano-USD (1e-9 USD).",
        *("model", "direction"),
    )


def _unknown_prices(registry: CollectorRegistry) -> Counts:
    counts = Counts(
        registry,
        "tollkeeper_unknown_price",
        "Answers charged at the dearest figures, by what of them has no price.",
        "what",
    )
    counts.of.update({(what,): 0 for what in get_args(Unknown)})  # shown before there are any
    return counts


def _tokens(usage: Usage) -> Sequence[tuple[str, int]]:
    return (
        ("input", usage.input_tokens),
        ("cache_write_5m", usage.cache_write_5m_tokens),
        ("cache_write_1h", usage.cache_write_1h_tokens),
        ("cache_read", usage.cache_read_tokens),
        ("output", usage.output_tokens),
    )
