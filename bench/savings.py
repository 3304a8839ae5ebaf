"""What routing and caching save: seven workloads through the gateway, in USD of its vendor's bill.

    python bench/savings.py [--workload NAME] [--haiku ID --sonnet ID] [--seed N] [--json FILE]

The gateway and the simulated vendor share a clock that is put forward, so that hours pass in
seconds. The same calls are then priced under other rules:

    uncached     the same models without caching
    sonnet       every call on Sonnet without caching
    threshold    the plain rule (10,000 characters or 30 items: Sonnet) without caching
    always       the same models, marks always on the system prompt and on the last message
    optimum      the least the same calls can cost on the same models, all of them known beforehand

Exits with 1 when an aim is missed or a call was not answered.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.parts.bills import always_marked, by_model, is_strong, optimum, total
from bench.parts.played import Played, played
from bench.parts.workloads import LEARNED, WORKLOADS, workload

HAIKU, SONNET = "claude-haiku-4-5-20251001", "claude-sonnet-4-6"
NANO_PER_USD = 1_000_000_000
MOST_OF_OPTIMUM = 1.10
LEAST_SAVED = 0.60


@dataclass(frozen=True, slots=True)
class Result:
    """Nano-USD of one workload under each rule."""

    workload: str
    calls: int
    on_sonnet: int
    gateway: int
    uncached: int
    sonnet: int
    threshold: int
    always: int
    optimum: int

    @property
    def of_optimum(self) -> float:
        return self.gateway / self.optimum

    @property
    def saved(self) -> float:
        """Of what always-Sonnet without caching costs."""
        return 1 - self.gateway / self.sonnet

    @property
    def met(self) -> bool:
        if self.workload in LEARNED:
            return self.of_optimum <= MOST_OF_OPTIMUM
        return self.gateway <= self.uncached


def compared(name: str, made: Played, haiku: str, sonnet: str) -> Result:
    calls = made.calls
    return Result(
        workload=name,
        calls=len(calls),
        on_sonnet=sum(call.model.id == sonnet for call in calls),
        gateway=made.billed_nano_usd,
        uncached=total(calls),
        sonnet=total(by_model(calls, lambda _: sonnet)),
        threshold=total(by_model(calls, lambda call: sonnet if is_strong(call) else haiku)),
        always=total(always_marked(calls)),
        optimum=optimum(calls),
    )


def summed(results: Sequence[Result]) -> Result:
    amounts = [list(asdict(result).values())[1:] for result in results]
    return Result("all", *map(sum, zip(*amounts, strict=True)))


def table(results: Sequence[Result]) -> str:
    names = ("sonnet", "threshold", "uncached", "always", "gateway", "optimum")
    lines = [
        "| workload | calls | on Sonnet | "
        + " | ".join(names)
        + " | over optimum | under sonnet | aim |",
        "|---|" + "--:|" * (len(names) + 4) + "---|",
    ]
    for result in [*results, summed(results)] if len(results) > 1 else results:
        usd = " | ".join(f"{getattr(result, name) / NANO_PER_USD:.4f}" for name in names)
        met = result.saved >= LEAST_SAVED if result.workload == "all" else result.met
        lines.append(
            f"| {result.workload} | {result.calls} | {result.on_sonnet} | {usd} "
            f"| {result.of_optimum - 1:+.1%} | {-result.saved:.1%} | {'met' if met else 'MISSED'} |"
        )
    return "\n".join(lines)


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", choices=list(WORKLOADS), action="append")
    parser.add_argument("--haiku", default=HAIKU)
    parser.add_argument("--sonnet", default=SONNET)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    results, refused = [], 0
    for name in options.workload or WORKLOADS:
        with tempfile.TemporaryDirectory(prefix="tollkeeper-savings-") as folder:
            asked = workload(name, options.seed)
            made = played(asked, Path(folder), options.haiku, options.sonnet)
        refused += made.refused
        results.append(compared(name, made, options.haiku, options.sonnet))
        print(f"{name}: {len(asked)} calls", file=sys.stderr, flush=True)
    print(table(results))
    saved = summed(results).saved
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    met = all(result.met for result in results) and (
        len(results) < len(WORKLOADS) or saved >= LEAST_SAVED
    )
    return 0 if met and not refused else 1


if __name__ == "__main__":
    sys.exit(main())
