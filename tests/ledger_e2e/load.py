"""Callers that go on calling, in a thread of their own, whatever happens to the gateways."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import aiohttp

from app.simulator.journal import Entry
from tests.ledger_e2e.calls import Sent
from tests.ledger_e2e.fleet import Answer, Fleet, nano, send_one

PAUSE_S = 0.02  # after a failure
_NUMBER = re.compile(rb"bridge (\d+)\.")


@dataclass
class Load:
    """Every call bears its number, in its text and as a tag of its row."""

    urls: Callable[[], Sequence[str]]
    secret: str
    make: Callable[[int], Sent]
    answers: dict[int, Answer] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=count)

    def codes(self) -> set[tuple[int, str | None]]:
        return {(answer.status, answer.code) for answer in list(self.answers.values())}

    def served(self) -> int:
        return sum(answer.status == 200 for answer in list(self.answers.values()))

    async def run(self, callers: int) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(self._call(session) for _ in range(callers)))

    async def _call(self, session: aiohttp.ClientSession) -> None:
        while not self.stopped.is_set():
            number = next(self.numbers)
            call = self.make(number)
            call = replace(call, headers={**call.headers, "x-tollkeeper-tags": f"n{number}"})
            urls = self.urls()
            answer = await send_one(session, urls[number % len(urls)], self.secret, call)
            self.answers[number] = answer
            if answer.status != 200:
                await asyncio.sleep(PAUSE_S)


@contextmanager
def load(
    urls: Callable[[], Sequence[str]], secret: str, make: Callable[[int], Sent], callers: int
) -> Iterator[Load]:
    """It has stopped, each call answered or broken off, when the context is left."""
    calling = Load(urls, secret, make)
    thread = threading.Thread(target=lambda: asyncio.run(calling.run(callers)), name="callers")
    thread.start()
    try:
        yield calling
    finally:
        calling.stopped.set()
        thread.join(60)
    assert not thread.is_alive()


def number_of(entry: Entry) -> int:
    return int(_NUMBER.findall(entry.raw_body)[-1])


def assert_every_bill_is_charged(fleet: Fleet, key_id: str) -> list[dict[str, Any]]:
    """What was billed has one row that charges it, whole: exactly, unless it had to be guessed."""
    rows = fleet.settled_rows(key_id)
    by_number = {int(row["tags"][0][1:]): row for row in rows}
    assert len(by_number) == len(rows)
    bills = [entry for entry in fleet.upstream.entries() if entry.billed_nano_usd]
    assert bills
    assert len({number_of(entry) for entry in bills}) == len(bills)
    for entry in bills:
        row = by_number[number_of(entry)]
        cost = nano(row["cost_usd"])
        if row["cost_source"] == "computed":
            assert (cost, row["upstream_request_id"]) == (entry.billed_nano_usd, entry.request_id)
        assert cost >= entry.billed_nano_usd, row
    billed = {number_of(entry) for entry in bills}
    for number, row in by_number.items():
        assert number in billed or row["cost_source"] != "computed", row
        if row["state"] == "orphaned":
            assert row["cost_usd"] == row["reserved_usd"]
    key = fleet.shown(key_id)
    assert key["reserved_usd"] == "0.00"
    assert nano(key["spent_usd"]) == sum(nano(row["cost_usd"]) for row in rows)
    fleet.assert_consistent()
    return rows
