"""When the writer waits for more entries before it commits."""

from __future__ import annotations

import asyncio

from app.store.ledger.writer import Load
from tests.store.ledger.till import Till, reservation


class Clocks:
    """Both clocks of a thread, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.used_s = 7.0

    def pass_by(self, seconds: float, *, used_s: float) -> None:
        self.now_s += seconds
        self.used_s += used_s


def test_a_thread_is_busy_that_ran_for_most_of_the_last_quarter_of_a_second() -> None:
    clocks = Clocks()
    load = Load(lambda: clocks.now_s, lambda: clocks.used_s)
    assert not load.is_high()
    clocks.pass_by(0.2, used_s=0.2)
    assert not load.is_high()  # too early to tell
    clocks.pass_by(0.1, used_s=0.1)
    assert load.is_high()
    clocks.pass_by(0.1, used_s=0.0)
    assert load.is_high()  # still that window's word
    clocks.pass_by(0.3, used_s=0.1)
    assert not load.is_high()  # 0.1 of 0.4 s


async def test_a_busy_writer_enters_what_an_idle_one_does(till: Till) -> None:
    key = await till.key(max_budget_usd="1.00")
    clocks = Clocks()
    load = till.ledger._writer._load = Load(lambda: clocks.now_s, lambda: clocks.used_s)
    clocks.pass_by(1.0, used_s=1.0)
    assert load.is_high()
    calls = [till.call(reservation(key), 1_000) for _ in range(40)]
    await asyncio.wait_for(asyncio.gather(*calls), 30)
    assert load.is_high()
    assert await till.sums(key) == ("0.00004", "0.00", "0.99996")
    assert (await till.reports.reconcile())["consistent"] is True
