"""Child processes: where they run, and what they have used (from Linux's /proc)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_GRACE_S = 15.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """`pid` and every process below it."""
    found = [pid]
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in listing.read_text().split():
            found += tree(int(child))
    return found


def cpu_s(pid: int) -> float:
    """User and system time of `pid` and its living descendants so far, to 10 ms."""
    return sum(own_cpu_ticks(each) for each in tree(pid)) / TICKS_PER_S


def own_cpu_ticks(pid: int) -> int:
    # The second field is a name in parentheses, which may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def rss_mb(pid: int) -> float:
    """Resident memory of `pid` and its descendants, in MB of 1,000,000 bytes."""
    return sum(own_rss_kib(each) for each in tree(pid)) * 1024 / 1e6


def own_rss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def cores() -> tuple[set[int], set[int]]:
    """One core for the server under test, one for the mock and the load; the same if alone."""
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, {available[-1]}


@contextmanager
def pinned(to: set[int]) -> Iterator[None]:
    """Children started inside inherit the cores: no thread of theirs ever ran elsewhere."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    command: Sequence[str], log: Path, *, to: set[int], env: dict[str, str], cwd: Path
) -> subprocess.Popen[bytes]:
    """Output goes to the end of `log`."""
    with pinned(to), log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - commands of this benchmark
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
