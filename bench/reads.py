"""The dashboard's pages and the admin API's reads over HTTP, and what they do to calls meanwhile.

    python bench/reads.py --url sqlite:///… | postgresql://… [--rounds 3] [--only TEXT]
                          [--pairs 6] [--seconds 4]

The database is one that `bench/reports.py` has made; it is written to. First each page is timed,
warm and alone. Then calls are measured in pairs of rounds, without a reader and with one who asks
for every page in a loop: their latencies and what CPU time the gateway's event loop needed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import httpx2

from bench.overhead import load_sample, set_mock
from bench.parts import processes
from bench.parts.load import Sample
from bench.parts.scenarios import Scenario
from bench.parts.servers import Gateway, Server, answers_chat, running, started_part

CALLS = Scenario("calls", connections=4, latency_s=0.06)
AIM_MS = 300
FILTERS = (
    *("key_id=key_7", "key_id=none", "team=team_3", "team=none", "model=claude-opus-5-5"),
    *("model=none", "status=529", "status=200", "status=418", "state=orphaned", "state=settled"),
    *("state=released", "cost_source=estimated", "cost_source=computed", "tag=tag_7"),
    *("tag=env%3Dprod", "tag=none", "user=user_7", "user=none", "conversation=conversation_71"),
    *("conversation=none", "min_cost_usd=0.99", "min_cost_usd=5"),
)
GROUPS = (
    *("key", "model", "team", "hour", "day", "month", "user", "tag", "conversation"),
    *("day,key", "day,model", "month,key", "key,model", "team,model", "user,model", "tag,day"),
)
PLACES = (
    *("/ui/keys", "/ui/keys?sort=-spent", "/ui/keys/key_7", "/ui/teams", "/ui/teams/team_3"),
    *("/ui/budgets", "/ui/savings", "/ui/prices", "/ui/proof", "/admin/refusals", "/admin/keys"),
    *("/admin/teams", "/admin/audit"),
)


def pages() -> list[str]:
    """What operators look at, and what the admin API is asked for."""
    today = datetime.now(UTC).date()
    month, earlier = today - timedelta(days=30), today - timedelta(days=60)
    change = f"from={month}&to={today}&against_from={earlier}&against_to={month}"
    spend = [f"/ui/spend?by={group}" for group in GROUPS]
    return [
        *("/ui", "/ui?range=7d", "/ui?range=today", "/ui?range=month", "/ui?tz=Europe/Berlin"),
        *("/ui?tz=Asia/Kathmandu", *spend, "/ui/spend?by=key&compare=prev"),
        *(f"{spend[9]}&tz={zone}" for zone in ("Europe/Berlin", "Asia/Tokyo", "Asia/Kathmandu")),
        *(f"{spend[4]}&tz={zone}" for zone in ("Europe/Berlin", "Asia/Kathmandu")),
        *("/ui/spend?by=day,key&sort=-cost_usd", "/ui/spend?by=key&tz=Asia/Kathmandu"),
        *(f"/ui/spend?by=day&{each}" for each in (FILTERS[0], FILTERS[2], FILTERS[4])),
        *(f"/ui/spend?by=day&{each}" for each in ("tag=tag_7", "user=user_7")),
        *("/ui/spend?by=key&user=user_7", "/ui/spend?by=model&tag=tag_7"),
        "/ui/requests",
        "/ui/requests?sort=-cost",
        *(f"/ui/requests?{each}" for each in FILTERS),
        *(f"/ui/requests?{each}&sort=-cost" for each in FILTERS),
        *PLACES,
        f"/admin/savings?from={month}",
        f"/admin/spend?group_by=key&from={month}&limit=100",
        f"/admin/spend/change?{change}",
    ]


@contextmanager
def logged_in(server: Server, master_key: str) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {master_key}"}
    url = f"http://127.0.0.1:{server.port}"
    with httpx2.Client(base_url=url, timeout=60, headers=headers) as http:
        form = http.get("/ui/login").text.partition('name="csrf" value="')[2]
        entered = {"csrf": form.partition('"')[0], "secret": master_key, "next": ""}
        if http.post("/ui/login", data=entered).status_code != 303:
            raise server.broken("it lets nobody log in")
        yield http


def timed(http: httpx2.Client, pid: int, wanted: Sequence[str], rounds: int) -> int:
    """Print the median of each; how many are above the aim, or incomplete."""
    missed = 0
    for path in wanted:
        taken, told = [], ""
        for number in range(rounds + 1):
            if number == 1:
                cpu_began_s = processes.cpu_s(pid)
            began_s = time.perf_counter()
            answer = http.get(path)
            taken.append((time.perf_counter() - began_s) * 1000)
            if answer.status_code != 200:
                told = f"  status {answer.status_code}"
            elif "took too long" in answer.text:
                told = "  a part was given up"
        warm = statistics.median(taken[1:])
        above = warm > AIM_MS or bool(told)
        missed += above
        mark = "!" if above else " "
        cpu_ms = (processes.cpu_s(pid) - cpu_began_s) * 1000 / rounds
        line = f"{warm:8.1f} ms {mark} CPU {cpu_ms:7.1f}  first {taken[0]:7.1f}  {path}{told}"
        print(line, flush=True)
    return missed


class Reader:
    """Asks for one page after the other until it is told to stop."""

    def __init__(self, http: httpx2.Client, wanted: Sequence[str]) -> None:
        self._http = http
        self._wanted = wanted
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.pages = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.is_set():
            for path in self._wanted:
                if self._over.is_set():
                    return
                self._http.get(path)
                self.pages += 1


def loop_cpu_s(server: Server) -> float:
    """Of the thread that serves calls, which is the process's first."""
    pid = server.process.pid
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / processes.TICKS_PER_S


def paired(
    server: Server, http: httpx2.Client, wanted: Sequence[str], pairs: int, seconds: float
) -> None:
    _, theirs = processes.cores()
    found: dict[str, list[tuple[Sample, float]]] = {"without": [], "with": []}
    read = 0
    for _ in range(pairs):
        for name, samples in found.items():
            with ExitStack() as stack:
                reader = stack.enter_context(Reader(http, wanted)) if name == "with" else None
                began_s = loop_cpu_s(server)
                sample = load_sample(CALLS, server, seconds, theirs)
                cpu_s = loop_cpu_s(server) - began_s
            read += 0 if reader is None else reader.pages
            samples.append((sample, cpu_s))
    for name, samples in found.items():
        latencies = [sorted(sample.latencies_ms) for sample, _ in samples]
        p50, p99 = (
            statistics.median(each[int(len(each) * share)] for each in latencies)
            for share in (0.5, 0.99)
        )
        calls = sum(sample.good for sample, _ in samples)
        cpu_ms = sum(cpu_s for _, cpu_s in samples) * 1000 / calls
        print(
            f"{name:8} a reader: p50 {p50:6.1f} ms, p99 {p99:6.1f} ms, {calls} calls,"
            f" {cpu_ms:.2f} ms of the event loop's CPU a call"
        )
    print(f"meanwhile {read} pages were read")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="pages whose path holds this text")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    wanted = [path for path in pages() if given.only in path]
    _, theirs = processes.cores()
    everywhere = set(processes.cores()[0] | theirs)
    with tempfile.TemporaryDirectory(prefix="tollkeeper-bench-") as folder, ExitStack() as stack:
        mock = stack.enter_context(running(started_part("mock", Path(folder), theirs)))
        gateway = Gateway.prepared(
            "gateway", Path(folder) / "gateway", mock.port, everywhere, given.url
        )
        server = stack.enter_context(running(gateway.started()))
        answers_chat(server)
        set_mock(mock, CALLS)
        master_key = gateway.environment["TOLLKEEPER_MASTER_KEY"]
        http = stack.enter_context(logged_in(server, master_key))
        missed = timed(http, server.process.pid, wanted, given.rounds) if given.rounds else 0
        print(f"{missed} of {len(wanted)} took longer than {AIM_MS} ms")
        if given.pairs:
            paired(server, http, wanted, given.pairs, given.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
