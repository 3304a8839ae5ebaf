"""How the ledger stands, as metrics: read for each scrape, the same from every replica."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from app.core.standing import Standing


def standing_families(standing: Standing | None) -> Iterator[Metric]:
    """`None`: the ledger can't be read."""
    yield GaugeMetricFamily(
        "tollkeeper_ledger_up", "1 while the ledger can be read.", value=int(standing is not None)
    )
    if standing is None:
        return
    yield GaugeMetricFamily("tollkeeper_holds", "Calls that are held now.", value=standing.holds)
    yield GaugeMetricFamily(
        "tollkeeper_held_nano_usd", "What they hold.", value=standing.held_nano_usd
    )
    left = GaugeMetricFamily(
        "tollkeeper_budget_remaining_nano_usd",
        "What the current window of a limited key has left.",
        labels=("key_id",),
    )
    for key_id, remaining_nano_usd in standing.remaining_nano_usd.items():
        left.add_metric([key_id], remaining_nano_usd)
    yield left
