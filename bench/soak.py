"""Callers that read slowly, and what they cost the gateway and everyone else.

    python bench/soak.py [--streams 1000] [--seconds 60] [--warm-up 15] [--json FILE]

An upstream that writes as fast as it can answers as many streams as asked for, each read at about
1 kB/s through a small window, so that nearly all of it waits somewhere. Measured: the gateway's
memory once all have begun, over the time; and the latency of small whole calls of another key,
before the slow streams and beside them. Exits with 1 when an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from bench.overhead import load_sample, set_mock
from bench.parts import processes
from bench.parts.scenarios import Scenario, body_for
from bench.parts.servers import (
    ROOT,
    Gateway,
    Server,
    answers_chat,
    call,
    child_environment,
    made_key,
    running,
    started_part,
    wait_until,
)
from bench.parts.slow import Slow

OTHERS = Scenario("others", connections=4)
LONG = Scenario("long", stream=True, deltas=4_000)
SLICE_S = 5.0
MOST_GROWTH = 1.10
MOST_P99_RATIO = 1.5
FILES_PER_STREAM = 2  # one to the caller, one to the upstream


def p99_ms(latencies_ms: list[float]) -> float:
    ordered = sorted(latencies_ms)
    return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def latencies(server: Server, seconds: float, to: set[int]) -> list[float]:
    """Of small whole calls, one after the other on a few connections."""
    until_s = time.monotonic() + seconds
    found: list[float] = []
    while time.monotonic() < until_s:
        found += load_sample(OTHERS, server, min(SLICE_S, seconds), to).latencies_ms
    return found


@contextmanager
def slow_callers(server: Server, streams: int, to: set[int]) -> Iterator[None]:
    plan = Slow(
        port=server.port,
        path=server.path,
        headers={"content-type": "application/json", **server.headers},
        body=body_for(LONG, openai=server.openai, number=0),
        streams=streams,
    )
    with processes.pinned(to):
        readers = subprocess.Popen(
            [sys.executable, "-m", "bench.parts.slow"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment(),
            cwd=ROOT,
        )
    assert readers.stdin is not None
    assert readers.stdout is not None
    readers.stdin.write(json.dumps(asdict(plan)) + "\n")
    readers.stdin.flush()
    if readers.stdout.readline() != f"started {streams}\n":
        raise server.broken("the slow streams did not begin")
    try:
        yield
        if readers.poll() is not None:
            raise server.broken("a slow stream ended before it was left")
    finally:
        readers.stdin.close()
        readers.wait(30)


class Memory(threading.Thread):
    """Looks at a process's memory every second until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.samples_mb: list[float] = []
        self._pid = pid
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(1.0):
            self.samples_mb.append(processes.rss_mb(self._pid))

    def stop(self) -> None:
        self._over.set()
        self.join()


def measured(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    ours, theirs = processes.cores()
    with ExitStack() as stack:
        mock = stack.enter_context(running(started_part("mock", folder, theirs)))
        url = f"sqlite:///{folder / 'gateway' / 'soak.db'}"
        gateway = Gateway.prepared("gateway", folder / "gateway", mock.port, ours, url)
        server = stack.enter_context(running(gateway.started()))
        wait_until(server, lambda: call(server.port, "GET", "/health/ready")[0] == 200)
        slow_key = made_key(server, gateway.environment["TOLLKEEPER_MASTER_KEY"])
        slow = replace(server, headers={"authorization": f"Bearer {slow_key}"})
        answers_chat(server)

        set_mock(mock, OTHERS)
        before = latencies(server, options.seconds / 4, theirs)
        set_mock(mock, LONG)
        with slow_callers(slow, options.streams, theirs):
            set_mock(mock, OTHERS)
            time.sleep(options.warm_up)
            memory = Memory(server.process.pid)
            memory.start()
            beside = latencies(server, options.seconds, theirs)
            memory.stop()
    first_mb, most_mb = memory.samples_mb[0], max(memory.samples_mb)
    return {
        "memory_after_warm_up_mb": first_mb,
        "memory_at_most_mb": most_mb,
        "memory_growth": most_mb / first_mb,
        "others_p99_before_ms": p99_ms(before),
        "others_p99_beside_ms": p99_ms(beside),
        "others_p99_ratio": p99_ms(beside) / p99_ms(before),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=15.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_PER_STREAM * options.streams + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        found = measured(options, Path(folder))
    print(f"{options.streams} slow streams for {options.seconds:g} s")
    for name, value in found.items():
        print(f"{name:>24}  {value:8.2f}")
    met = found["memory_growth"] <= MOST_GROWTH and found["others_p99_ratio"] <= MOST_P99_RATIO
    print("aims: " + ("met" if met else "NOT MET"))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
