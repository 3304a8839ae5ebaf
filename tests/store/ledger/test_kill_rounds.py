"""Processes killed in the middle of their work, over and over."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys

import pytest

from app.core.money import nano_usd
from tests.store.ledger.till import close_till, open_till

SPENDER = """
import asyncio, sys
from tests.store.ledger.till import CENT, open_till, reservation

async def main():
    till = await open_till(sys.argv[1], lease_s=1.0)
    key = await till.keys.find(sys.argv[2])

    async def spend():
        while True:
            await till.call(reservation(key, CENT), 1_000_000)
            print("paid", flush=True)

    await asyncio.gather(*(spend() for _ in range(16)))

asyncio.run(main())
"""


def spend_until_killed(url: str, secret: str, after_s: float) -> int:
    """How many calls were settled, as their process saw it, before it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SPENDER, url, secret],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
    return 1 + process.communicate()[0].count("paid\n")


@pytest.mark.long
async def test_after_every_kill_the_sums_agree_and_nothing_paid_is_lost(url: str) -> None:
    till = await open_till(url)
    shown, secret = await till.keys.create({"name": "n", "max_budget_usd": "100000.00"})
    await close_till(till)
    paid, chance = 0, random.Random(7)  # noqa: S311
    for _ in range(12):
        after_s = chance.uniform(0.05, 0.6)
        paid += await asyncio.to_thread(spend_until_killed, url, secret, after_s)
        till = await open_till(url, lease_s=1.0)
        for _ in range(50):
            if (await till.keys.get(shown["id"]))["reserved_usd"] == "0.00":
                break
            await asyncio.sleep(0.1)
        assert (await till.reports.reconcile())["differences"] == []
        spent = nano_usd((await till.keys.get(shown["id"]))["spent_usd"])
        await close_till(till)
        assert spent >= paid * 1_000_000
