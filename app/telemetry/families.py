"""Metric families over cells: counters, gauges and histograms, told on every call.

The library's own take a lock for each increment, and keep floats, which lose count after some
millions; here the work is left to the scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from app.telemetry.cells import Cells, Name, Snapshot

MOST_SERIES = 2_000  # of one family; what comes later is counted together, as OTHER
MOST_HISTOGRAMS = 100
OTHER = "other"
SUM = "sum"
MS_PER_S = 1_000


class Counts:
    """Whole numbers that are added to.

    `falls` makes a gauge of it: a sum that may become less, as savings may.
    """

    def __init__(
        self, cells: Cells, name: str, text: str, *labels: str, falls: bool = False
    ) -> None:
        self.name, self._text, self._labels, self._falls = name, text, labels, falls
        self._cells, self._values = cells, cells.values
        self._at: dict[tuple[object, ...], int] = {}

    def add(self, count: int, *labels: object) -> None:
        """Add to the number of these labels."""
        at = self._at.get(labels)
        if at is None:
            at = self._make(labels)
        self._values[at] += count

    def _make(self, labels: tuple[object, ...]) -> int:
        if len(self._at) >= MOST_SERIES:
            labels = (OTHER,) * len(labels)
            if labels in self._at:
                return self._at[labels]
        at = self._at[labels] = self._cells.make((self.name, *map(str, labels)))
        return at

    def family(self, snapshots: Iterable[Snapshot]) -> Metric:
        """All that was counted, by workers that have ended too."""
        kind = GaugeMetricFamily if self._falls else CounterMetricFamily
        family = kind(self.name, self._text, labels=self._labels)
        for labels, count in _sums(self.name, snapshots).items():
            family.add_metric(list(labels), count)
        return family


class State:
    """Numbers that are set: the largest of the workers that live is shown."""

    def __init__(self, cells: Cells, name: str, text: str, *labels: str) -> None:
        self.name, self._text, self._labels = name, text, labels
        self._cells, self._values = cells, cells.values
        self._at: dict[tuple[str, ...], int] = {}

    def set(self, number: int, *labels: str) -> None:
        """From now on it is so."""
        at = self._at.get(labels)
        if at is None and len(self._at) >= MOST_SERIES:
            return
        if at is None:
            at = self._at[labels] = self._cells.make((self.name, *labels))
        self._values[at] = number

    def family(self, snapshots: Iterable[Snapshot]) -> Metric:
        """See Counts.family."""
        largest: dict[Name, int] = {}
        for snapshot in snapshots:
            for found, number in snapshot.cells.items():
                if snapshot.alive and found[0] == self.name:
                    largest[found[1:]] = max(number, largest.get(found[1:], number))
        family = GaugeMetricFamily(self.name, self._text, labels=self._labels)
        for labels, number in largest.items():
            family.add_metric(list(labels), number)
        return family


class Durations:
    """A histogram of milliseconds, or of other whole numbers with `per` of 1, by one label."""

    def __init__(  # noqa: PLR0913  # what a histogram is described by
        self,
        cells: Cells,
        name: str,
        text: str,
        bounds: Sequence[float],
        *,
        label: str | None = "model",
        per: int = MS_PER_S,
    ) -> None:
        self.name, self._text, self._per = name, text, per
        self._labels = () if label is None else (label,)
        self._cells, self._values = cells, cells.values
        self._bounds = [round(bound * per) for bound in bounds]
        self._shown = [*(str(float(bound)) for bound in bounds), "+Inf"]
        self._at: dict[str, int] = {}

    def observe(self, number: int, label: str = "") -> None:
        """Count one; a bucket's bound belongs to it."""
        at = self._at.get(label)
        if at is None:
            at = self._make(label)
        self._values[at + bisect_left(self._bounds, number)] += 1
        self._values[at + len(self._shown)] += number

    def _make(self, label: str) -> int:
        if len(self._at) >= MOST_HISTOGRAMS:
            label = OTHER
            if label in self._at:
                return self._at[label]
        names = [(self.name, label, bound) for bound in (*self._shown, SUM)]
        at = self._at[label] = self._cells.make(*names)
        return at

    def family(self, snapshots: Iterable[Snapshot]) -> Metric:
        """See Counts.family."""
        family = HistogramMetricFamily(self.name, self._text, labels=self._labels)
        sums = _sums(self.name, snapshots)
        for label in dict.fromkeys(label for label, _ in sums):
            counts = accumulate(sums.get((label, bound), 0) for bound in self._shown)
            buckets = list(zip(self._shown, counts, strict=True))
            labels = [label] if self._labels else []
            family.add_metric(labels, buckets, sums.get((label, SUM), 0) / self._per)
        return family


class Collected:
    """Families that are made already, as the library asks for them."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        """See prometheus_client's Collector."""
        return self._families


def labelled(families: Iterable[Metric], name: str, value: str) -> Iterator[Metric]:
    """The families, each of their series with one more label."""
    for family in families:
        family.samples = [
            sample._replace(labels={**sample.labels, name: value}) for sample in family.samples
        ]
        yield family


def _sums(name: str, snapshots: Iterable[Snapshot]) -> Mapping[Name, int]:
    sums: defaultdict[Name, int] = defaultdict(int)
    for snapshot in snapshots:
        for found, count in snapshot.cells.items():
            if found[0] == name:
                sums[found[1:]] += count
    return sums
