"""From samples to a table: medians over rounds, ratios taken within a round, beside the aims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench.parts.load import Sample, percentile

# scenario → server → what was measured, one per round
Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
BARE = "bare"
MOCK = "mock"
SATURATING = ("small", "large", "burst")
BUSY = 0.85  # of its core, from which on a server and not the load bounds the rate
HEADINGS = ("quantity", "server", "measured", "bare", "compared", "must", "")


@dataclass(frozen=True, slots=True)
class Quantity:
    """`against`: the aim is for the ratio to bare (`ratio`), for what is measured less what the
    mock alone takes (`added`), or for the figure itself (`itself`)."""

    scenario: str
    title: str
    value: Callable[[Sample], float] | None  # None: `p99_ms` of all rounds
    against: Literal["ratio", "added", "itself"]
    at_least: float | None = None
    at_most: float | None = None

    def of(self, rounds: Sequence[Sample]) -> list[float]:
        """One figure per round, or one of them all."""
        value = self.value
        return [p99_ms(rounds)] if value is None else [value(sample) for sample in rounds]


def p99_ms(rounds: Sequence[Sample]) -> float:
    """Of all rounds together: a median over rounds would leave out what is rare."""
    return percentile([latency for sample in rounds for latency in sample.latencies_ms], 0.99)


@dataclass(frozen=True, slots=True)
class Figure:
    """`measured`, `bare`: medians over rounds, net of the mock where `added` is compared."""

    title: str
    server: str
    measured: float
    bare: float
    compared: float
    unit: Literal["x", ""]
    must: str
    met: bool | None  # None: no aim


QUANTITIES = (
    Quantity("small", "small, c32: requests/s", lambda s: s.per_s, "ratio", at_least=0.45),
    Quantity("small", "small, c32: CPU ms/request", lambda s: s.cpu_ms, "ratio", at_most=2.2),
    Quantity("small", "small, c32: p99 ms", None, "ratio"),
    Quantity("large", "40 KB prompt, c32: requests/s", lambda s: s.per_s, "ratio", at_least=0.45),
    Quantity("large", "40 KB prompt, c32: CPU ms/request", lambda s: s.cpu_ms, "ratio"),
    Quantity(
        "latency-c1", "60 ms upstream, c1: p50 ms added", lambda s: s.p50_ms, "added", None, 5
    ),
    Quantity(
        "latency-c32", "60 ms upstream, c32: p50 ms added", lambda s: s.p50_ms, "added", None, 10
    ),
    Quantity("latency-c32", "60 ms upstream, c32: p99 ms added", None, "added", None, 45),
    Quantity("burst", "burst of 50 deltas, c32: streams/s", lambda s: s.per_s, "ratio", 0.6),
    Quantity("burst", "burst of 50 deltas, c32: CPU ms/stream", lambda s: s.cpu_ms, "ratio"),
    Quantity("ttft", "first delta, c1: p50 ms added", lambda s: s.ttft_p50_ms, "added", None, 4),
    Quantity("paced", "paced, 10 ms, c32: CPU ms/stream", lambda s: s.cpu_ms, "itself", None, 9),
    Quantity("start", "start to first answer: s", lambda s: s.p50_ms / 1000, "itself", None, 3),
    Quantity("start", "resident, idle: MB", lambda s: s.rss_mb, "itself", None, 105),
    Quantity("loaded", "resident, under load: MB", lambda s: s.rss_mb, "itself", None, 140),
)


def figures(samples: Samples, servers: Iterable[str]) -> list[Figure]:
    """A figure per quantity that was measured and per server but bare."""
    return [
        figure(quantity, samples[quantity.scenario], server)
        for quantity in QUANTITIES
        if quantity.scenario in samples
        for server in servers
    ]


def figure(quantity: Quantity, samples: Mapping[str, Sequence[Sample]], server: str) -> Figure:
    own, bare = quantity.of(samples[server]), quantity.of(samples[BARE])
    if quantity.against == "added":
        alone = quantity.of(samples[MOCK])
        own = [value - base for value, base in zip(own, alone, strict=True)]
        bare = [value - base for value, base in zip(bare, alone, strict=True)]
    unit: Literal["x", ""] = ""
    compared = median(own)
    if quantity.against == "ratio":
        unit = "x"
        # A figure of bare can be 0 when too little was counted: then there is no ratio.
        ratios = [value / base for value, base in zip(own, bare, strict=True) if base]
        compared = median(ratios) if ratios else float("nan")
    must, met = verdict(quantity, compared, unit)
    return Figure(quantity.title, server, median(own), median(bare), compared, unit, must, met)


def verdict(quantity: Quantity, compared: float, unit: str) -> tuple[str, bool | None]:
    if quantity.at_least is not None:
        return f">= {quantity.at_least:g}{unit}", compared >= quantity.at_least
    if quantity.at_most is not None:
        return f"<= {quantity.at_most:g}{unit}", compared <= quantity.at_most
    return "", None


def table(rows: Sequence[Figure]) -> str:
    cells = [HEADINGS, *(row_of(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    lines = []
    for row in cells:
        left = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        numbers = [row[column].rjust(widths[column]) for column in range(2, 6)]
        lines.append("  ".join([*left, *numbers, row[6]]).rstrip())
    return "\n".join(lines)


def row_of(row: Figure) -> tuple[str, ...]:
    mark = {True: "ok", False: "NOT MET", None: ""}[row.met]
    return (
        row.title,
        row.server,
        number(row.measured),
        number(row.bare),
        f"{row.compared:.2f}{row.unit}",
        row.must,
        mark,
    )


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def caveats(samples: Samples) -> list[str]:
    """A rate that bare's own core did not bound says too little, so the ratio is flattered."""
    found = []
    for scenario in SATURATING:
        busy = [
            sample.cpu_ms * sample.per_s / 1000
            for sample in samples.get(scenario, {}).get(BARE, [])
        ]
        if busy and median(busy) < BUSY:
            found.append(
                f"{scenario}: bare was busy for {median(busy):.0%} of its core, so the load or "
                "other work here held it back: judge by CPU time, not by the ratio of rates."
            )
    return found
