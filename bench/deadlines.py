"""What one timer for all attempts gains over `asyncio.timeout`: the same wait with each, in turn.

    python bench/deadlines.py [--rounds 30]

Printed: CPU time of a task that waits once within a limit, without any and with either, each the
least of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import uvloop

from app.upstream.anthropic.deadlines import Deadlines

WAITS = 500
LIMIT_S = 600.0


async def unlimited() -> None:
    await asyncio.sleep(0)


async def limited() -> None:
    async with asyncio.timeout(LIMIT_S):
        await asyncio.sleep(0)


def limited_together(deadlines: Deadlines) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        deadline = deadlines.begin()
        try:
            await asyncio.sleep(0)
        finally:
            deadlines.end(deadline)

    return wait


async def measure(rounds: int) -> None:
    ways = {
        "without a limit": unlimited,
        "asyncio.timeout": limited,
        "Deadlines": limited_together(Deadlines(LIMIT_S)),
    }
    least_us = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, wait in ways.items():
            begun_ns = time.thread_time_ns()
            for _ in range(WAITS):
                await wait()
            spent_us = (time.thread_time_ns() - begun_ns) / WAITS / 1_000
            least_us[name] = min(least_us[name], spent_us)
    for name, spent_us in least_us.items():
        print(f"{name:16} {spent_us:6.2f} us")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    uvloop.run(measure(parser.parse_args().rounds))
