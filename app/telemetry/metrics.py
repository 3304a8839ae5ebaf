"""Prometheus metrics: told what happened after it was settled, never on a request's path."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from app.core.usage import Unknown
from app.telemetry.cells import Cells
from app.telemetry.families import Collected, Counts, Durations, State, labelled
from app.telemetry.standing import standing_families

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from app.core.breaking import State as Breaker
    from app.core.ended import Charge, Ended, Refused
    from app.core.standing import Standing
    from app.core.usage import Usage

_log = logging.getLogger("tollkeeper.metrics")
LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
TTFT_BUCKETS_S = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60)
COMMIT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
US_PER_S = 1_000_000
BREAKER_STATES = ("closed", "half_open", "open")
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """What this process counts; with a folder, its fellow workers' counts are shown as well.

    `replica` is a label of all that is counted here, where other replicas count the same elsewhere.
    Implements the recorder's port and the ledger's watcher.
    """

    def __init__(self, folder: Path | None = None, replica: str | None = None) -> None:
        self._replica = replica
        self._cells = cells = Cells(folder)
        self._calls = Counts(
            cells,
            "tollkeeper_requests",
            "Calls that were held, by how they ended.",
            *("model", "dialect", "reason", "status"),
        )
        self._refused = Counts(
            cells,
            "tollkeeper_refused",
            "Calls refused before the hold: they make no row.",
            *("code", "key_id"),
        )
        self._cost = Counts(
            cells,
            "tollkeeper_cost_nano_usd",
            "Charged since the gateway started, in nano-USD (1e-9 USD).",
            *("key_id", "model"),
        )
        self._cache_savings = Counts(
            cells,
            "tollkeeper_cache_savings_nano_usd",
            "Saved by prompt caching since the gateway started; less where writes cost more.",
            "model",
            falls=True,
        )
        self._routing_savings = Counts(
            cells,
            "tollkeeper_routing_savings_nano_usd",
            "Saved by answering with a cheaper tier than the strongest.",
            "model",
            falls=True,
        )
        self._tokens = Counts(cells, "tollkeeper_tokens", "Tokens billed.", "model", "category")
        self._watch_upstreams(cells)
        self._watch_money(cells)
        self._watch_gateway(cells)
        self._watch_ledger(cells)

    def _watch_upstreams(self, cells: Cells) -> None:
        self._latency = Durations(
            cells, "tollkeeper_latency_seconds", "From hold to settle.", LATENCY_BUCKETS_S
        )
        self._ttft = Durations(
            cells,
            "tollkeeper_time_to_first_token_seconds",
            "Of streamed answers.",
            TTFT_BUCKETS_S,
        )
        self._attempts = Counts(
            cells,
            "tollkeeper_upstream_attempts",
            "Tries at an upstream, by its status (or the kind of failure).",
            *("upstream", "outcome"),
        )
        self._retries = Counts(
            cells, "tollkeeper_retries", "Attempts after a call's first one.", "upstream"
        )
        self._breakers = State(
            cells,
            "tollkeeper_upstream_breaker",
            "0 closed, 1 half open (one call tries it), 2 open; once it has changed.",
            *("upstream", "model"),
        )

    def _watch_money(self, cells: Cells) -> None:
        self._bound_exceeded = Counts(
            cells, "tollkeeper_bound_exceeded", "Charges above their hold."
        )
        self._bound_exceeded.add(0)
        self._unknown = Counts(
            cells,
            "tollkeeper_unknown_price",
            "Answers charged at the dearest figures, by what of them has no price.",
            "what",
        )
        for what in get_args(Unknown):
            self._unknown.add(0, what)
        self._misses = Counts(
            cells,
            "tollkeeper_cache_misses",
            "Answers that read less than their conversation had in the cache.",
            *("model", "reason"),
        )
        self._miss_cost = Counts(
            cells,
            "tollkeeper_cache_miss_nano_usd",
            "What that cost above reading it, in nano-USD (1e-9 USD).",
            *("model", "reason"),
        )
        self._billed = Counts(
            cells,
            "tollkeeper_billed_difference_nano_usd",
            "What vendors billed above or below what was computed, in nano-USD (1e-9 USD).",
            *("model", "direction"),
        )

    def _watch_gateway(self, cells: Cells) -> None:
        self._dropped = Counts(
            cells, "tollkeeper_telemetry_dropped", "Calls that telemetry lost.", "where"
        )
        for where in ("recorder", "refusals"):
            self._dropped.add(0, where)
        self._reloads = Counts(
            cells, "tollkeeper_config_reloads", "Changed config files, by outcome.", "outcome"
        )
        for outcome in ("taken", "refused"):
            self._reloads.add(0, outcome)
        self._config_refused = State(
            cells,
            "tollkeeper_config_refused",
            "1 while the config file as it stands was refused and an older one is in force.",
        )
        self._config_refused.set(0)

    def _watch_ledger(self, cells: Cells) -> None:
        self._orphans = Counts(
            cells, "tollkeeper_orphans", "Holds of lost processes that were charged."
        )
        self._orphans.add(0)
        self._commits = Durations(
            cells,
            "tollkeeper_ledger_commit_seconds",
            "One transaction of the ledger.",
            COMMIT_BUCKETS_S,
            label=None,
            per=US_PER_S,
        )
        self._batches = Durations(
            cells,
            "tollkeeper_ledger_batch_entries",
            "Holds and settles in one transaction of the ledger.",
            BATCH_BUCKETS,
            label=None,
            per=1,
        )

    def record(self, call: Ended) -> None:
        """Count a finished call."""
        model = call.model
        self._calls.add(1, model, call.dialect, call.route.reason, call.status)
        for number, attempt in enumerate(call.attempts):
            self._attempts.add(1, attempt.upstream, attempt.error or attempt.status or 200)
            if number:
                self._retries.add(1, attempt.upstream)
        self._latency.observe(call.latency_ms, model)
        if call.ttft_ms is not None:
            self._ttft.observe(call.ttft_ms, model)
        cost_nano_usd, charge = call.cost_nano_usd, call.charge
        if cost_nano_usd:
            self._cost.add(cost_nano_usd, call.key.id, model)
        if cost_nano_usd > call.held_nano_usd:
            self._bound_exceeded.add(1)
        if charge is not None:
            self._note_charge(call, charge, model)

    def _note_charge(self, call: Ended, charge: Charge, model: str) -> None:
        if charge.cost.adjustment:
            self.billed(model, charge.cost.adjustment)
        if charge.unknown:
            self._note_unknown(call, charge)
        total = charge.cost.total
        self._cache_savings.add(charge.uncached_nano_usd - total, model)
        self._routing_savings.add(charge.strongest_nano_usd - total, model)
        if call.miss is not None:
            self._misses.add(1, model, call.miss.reason)
            self._miss_cost.add(call.miss.nano_usd, model, call.miss.reason)
        for category, tokens in _tokens(charge.usage):
            if tokens:
                self._tokens.add(tokens, model, category)

    def billed(self, model: str, more_nano_usd: int) -> None:
        """Count by how much a vendor's own bill is above what was computed, or below."""
        if more_nano_usd:
            direction = "above" if more_nano_usd > 0 else "below"
            self._billed.add(abs(more_nano_usd), model, direction)

    def _note_unknown(self, call: Ended, charge: Charge) -> None:
        for what in charge.unknown:
            self._unknown.add(1, what)
        _log.warning(
            "charged at the dearest figures: no price for its %s",
            ", ".join(charge.unknown),
            extra={"request_id": call.request_id, "key_id": call.key.id, "model": call.model},
        )

    def refused(self, call: Refused) -> None:
        """Count a call that was refused before its hold."""
        self._refused.add(1, call.code, call.key_id or "")

    def not_counted(self, call: Refused) -> None:
        """Nothing: a count is no call."""

    def dropped(self, where: str, calls: int = 1) -> None:
        """Count what telemetry lost; each `where` belongs to one thread."""
        self._dropped.add(calls, where)

    def refusals_lost(self, calls: int) -> None:
        """Count refused calls that could not be kept."""
        self._dropped.add(calls, "refusals")

    def breaker_changed(self, upstream: str, model: str, state: Breaker) -> None:
        """Show the state of a model at an upstream."""
        self._breakers.set(BREAKER_STATES.index(state), upstream, model)

    def reloaded(self, *, refused: bool) -> None:
        """Count a changed config file, and show whether it was refused."""
        self._reloads.add(1, "refused" if refused else "taken")
        self.config_refused(refused=refused)

    def config_refused(self, *, refused: bool) -> None:
        """Show whether the config file as it stands was refused."""
        self._config_refused.set(int(refused))

    def committed(self, entries: int, seconds: float) -> None:
        """Count a transaction of the ledger."""
        self._batches.observe(entries)
        self._commits.observe(round(seconds * US_PER_S))

    def orphaned(self, holds: int) -> None:
        """Count holds of lost processes."""
        self._orphans.add(holds)

    def text(self, standing: Standing | None = None) -> bytes:
        """All of it, in Prometheus's text format; `standing` is what the ledger says just now."""
        registry = CollectorRegistry()
        own = self._families()
        if self._replica is not None:
            own = labelled(own, "replica", self._replica)
        registry.register(Collected([*own, *standing_families(standing)]))
        return generate_latest(registry)

    def _families(self) -> Iterator[Metric]:
        snapshots = list(self._cells.snapshots())
        workers = sum(each.alive for each in snapshots)
        yield GaugeMetricFamily(
            "tollkeeper_workers", "Processes behind this address.", value=workers
        )
        replica = GaugeMetricFamily(
            "tollkeeper_replica", "The machine or container that this is.", labels=["replica"]
        )
        replica.add_metric([gethostname()], 1)
        yield replica
        for each in vars(self).values():
            if isinstance(each, Counts | Durations | State):
                yield each.family(snapshots)


def _tokens(usage: Usage) -> Sequence[tuple[str, int]]:
    return (
        ("input", usage.input_tokens),
        ("cache_write_5m", usage.cache_write_5m_tokens),
        ("cache_write_1h", usage.cache_write_1h_tokens),
        ("cache_read", usage.cache_read_tokens),
        ("output", usage.output_tokens),
    )
