"""What the gateway adds to a call, measured beside a bare proxy in the same run.

The server under test has one core, the mock upstream and the load have another; rounds of the
servers alternate, and every ratio is taken within a round.  Ratios hold on any machine; aims in
milliseconds and seconds were set on one where bare needs 0.7 ms of CPU time for a small request.
Exits with 1 when an answer was bad or a server broke; an aim that is not met is marked in the
table and nothing more.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench.parts import processes
from bench.parts.figures import Figure, caveats, figures, table
from bench.parts.load import Plan, Sample
from bench.parts.mock import MARK
from bench.parts.scenarios import SCENARIOS, VARIANTS, Scenario, body_for, ending_for
from bench.parts.servers import (
    ROOT,
    Bare,
    BrokenServerError,
    Gateway,
    Server,
    answers_chat,
    call,
    child_environment,
    running,
    spent_usd,
    started_part,
)

WARM_UP_S = 0.4
STARTS = 3
Samples = dict[str, dict[str, list[Sample]]]


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    names = [*(scenario.name for scenario in SCENARIOS), "start"]
    parser = argparse.ArgumentParser(description=__doc__, prog="bench/overhead.py")
    # Short and many: what stalls a machine for a moment then spoils a round, not the median.
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--only", default=",".join(names), help="of " + ",".join(names))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument(
        "--postgres",
        metavar="URL",
        help="measure the gateway on this database too; it is migrated and written to",
    )
    parsed = parser.parse_args(given)
    parsed.only = parsed.only.split(",")
    unknown = set(parsed.only) - set(names)
    if unknown or parsed.rounds < 1 or parsed.seconds <= 0:
        parser.error(f"no scenario, round or second: {sorted(unknown)}" if unknown else "too few")
    return parsed


def start_sample(runner: Bare | Gateway) -> Sample:
    """From the command to the first good answer, and the memory then."""
    began_s = time.perf_counter()
    with running(runner.started()) as server:
        answers_chat(server)
        took_ms = (time.perf_counter() - began_s) * 1000
        memory_mb = processes.rss_mb(server.process.pid)
    return Sample(1, 0, "", 1000 / took_ms, took_ms, took_ms, 0.0, memory_mb)


def load_sample(scenario: Scenario, server: Server, seconds: float, to: set[int]) -> Sample:
    """One measurement, in a process of its own."""
    plan = Plan(
        port=server.port,
        path=server.path,
        headers=dict(server.headers),
        bodies=[
            body_for(scenario, openai=server.openai, number=number) for number in range(VARIANTS)
        ],
        connections=scenario.connections,
        spread_s=max(scenario.answer_s, 0.002 * scenario.connections),
        warm_up_s=WARM_UP_S,
        seconds=seconds,
        mark=MARK,
        marks=scenario.deltas,
        ending=ending_for(scenario, openai=server.openai),
        pid=server.process.pid,
    )
    with processes.pinned(to):
        done = subprocess.run(
            [sys.executable, "-m", "bench.parts.load"],
            input=json.dumps(asdict(plan)),
            capture_output=True,
            text=True,
            env=child_environment(),
            cwd=ROOT,
            check=False,
        )
    if done.returncode:
        raise server.broken(f"{scenario.name}: the load broke\n{done.stderr}")
    sample = Sample(**json.loads(done.stdout))
    if sample.bad:
        raise server.broken(f"{scenario.name}: {sample.bad} bad answers\n{sample.bad_answer}\n")
    if not sample.good:
        raise server.broken(f"{scenario.name}: no answer")
    return sample


def set_mock(mock: Server, scenario: Scenario) -> None:
    settings = {
        "latency_s": scenario.latency_s,
        "deltas": scenario.deltas,
        "interval_s": scenario.interval_s,
    }
    status, _ = call(mock.port, "PUT", "/settings", json.dumps(settings))
    assert status == 200


def measured(options: argparse.Namespace, folder: Path) -> tuple[Samples, dict[str, str]]:
    """Every sample, and what each gateway's ledger says was spent."""
    ours, theirs = processes.cores()
    samples: Samples = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        mock = stack.enter_context(running(started_part("mock", folder, theirs)))
        databases = {"sqlite": f"sqlite:///{folder / 'sqlite' / 'bench.db'}"}
        if options.postgres:
            databases["postgresql"] = options.postgres
        runners: list[Bare | Gateway] = [Bare(folder, mock.port, ours)]
        for name, url in databases.items():
            runners.append(Gateway.prepared(name, folder / name, mock.port, ours, url))
        for runner in runners * (STARTS if "start" in options.only else 0):
            samples["start"][runner.name].append(start_sample(runner))

        servers = [stack.enter_context(running(runner.started())) for runner in runners]
        for server in servers:
            answers_chat(server)
        chosen = [scenario for scenario in SCENARIOS if scenario.name in options.only]
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for scenario in chosen:
                set_mock(mock, scenario)
                order = [*([mock] if scenario.direct else []), *servers]
                # No server always comes first, or always after the same one.
                for server in order if number % 2 == 0 else reversed(order):
                    sample = load_sample(scenario, server, options.seconds, theirs)
                    samples[scenario.name][server.name].append(sample)
        for server in servers if chosen else []:
            own = [sample for each in chosen for sample in samples[each.name][server.name]]
            samples["loaded"][server.name] = [max(own, key=lambda sample: sample.rss_mb)]
        return samples, {server.name: spent_usd(server) for server in servers if server.openai}


def report(options: argparse.Namespace, samples: Samples, spent: dict[str, str]) -> None:
    rows = figures(samples, spent)
    print(table(rows))
    print(f"\n{aims_text(rows)}")
    for caveat in caveats(samples):
        print(caveat)
    for server, amount_usd in spent.items():
        print(f"{server}: the ledger charged ${amount_usd}")
    ours, theirs = processes.cores()
    if ours == theirs:
        print("One core alone: servers, mock and load shared it, so only ratios mean something.")
    if options.json:
        content = {
            "figures": [asdict(row) for row in rows],
            "samples": {
                scenario: {server: [asdict(sample) for sample in of] for server, of in by.items()}
                for scenario, by in samples.items()
            },
            "spent_usd": spent,
            "rounds": options.rounds,
            "seconds": options.seconds,
        }
        options.json.write_text(json.dumps(content, indent=1))


def aims_text(rows: Sequence[Figure]) -> str:
    aims = [row for row in rows if row.met is not None]
    unmet = sum(not row.met for row in aims)
    return f"{len(aims) - unmet} of {len(aims)} aims met"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    # An end from outside still stops the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="tollkeeper-bench-") as folder:
        try:
            samples, spent = measured(options, Path(folder))
        except BrokenServerError as error:
            say(f"BROKEN  {error}")
            return 1
    report(options, samples, spent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
