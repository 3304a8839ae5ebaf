"""Gateways over one database, many calls at once, and whether their ledger is the upstream's."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from app.simulator.app import create_simulator
from app.simulator.journal import Entry
from app.simulator.server import running_simulator
from app.simulator.state import Simulator
from tests.ledger_e2e.calls import Sent
from tests.running import Gateway, Simulated, gateway

NANO_PER_USD = 1_000_000_000


def nano(usd: str) -> int:
    """An exact decimal text as nano-USD; fails on anything finer."""
    amount = Decimal(usd) * NANO_PER_USD
    assert amount == int(amount), usd
    return int(amount)


@dataclass
class Watched(Simulated):
    """The upstream with its journal at hand: reading that costs no JSON."""

    simulator: Simulator | None = None

    def entries(self) -> list[Entry]:
        assert self.simulator is not None
        return list(self.simulator.journal.entries)

    def billed(self) -> dict[str, int]:
        """What was billed, by the request id that the answer bore."""
        return {e.request_id: e.billed_nano_usd for e in self.entries() if e.billed_nano_usd}

    def open_calls(self) -> int:
        return sum(entry.open for entry in self.entries())


@contextmanager
def watched_upstream() -> Iterator[Watched]:
    app = create_simulator()
    with running_simulator(app) as url:
        upstream = Watched(url, simulator=app.state.simulator)
        with upstream.http:
            yield upstream


@dataclass(frozen=True)
class Answer:
    """`status` is 0 when the connection broke before an answer was whole."""

    status: int
    request_id: str | None = None
    code: str | None = None
    body: bytes = b""


@dataclass
class Fleet:
    upstream: Watched
    gateways: list[Gateway]
    database_url: str
    folder: Path
    config: str | None
    running: ExitStack

    def start(self) -> Gateway:
        """One more gateway process over the same database."""
        own = Path(tempfile.mkdtemp(prefix="gateway-", dir=self.folder))
        environ = {"TOLLKEEPER_DATABASE_URL": self.database_url}
        started = gateway(own, self.upstream.url, config=self.config, environ=environ)
        return self.running.enter_context(started)

    def kill(self, at: int) -> None:
        """Without any warning; another one takes its place."""
        self.gateways[at].process.kill()
        self.gateways[at].process.wait()
        self.gateways[at] = self.start()

    @property
    def first(self) -> Gateway:
        return self.gateways[0]

    @property
    def urls(self) -> list[str]:
        return [each.url for each in self.gateways]

    def key(self, **fields: Any) -> tuple[str, str]:
        """A new key's secret and id."""
        made = self.first.admin("POST", "keys", {"name": "test", **fields})
        return made["key"], made["id"]

    def shown(self, key_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.first.admin("GET", f"keys/{key_id}")
        return found

    def rows(self, key_id: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        only = "" if key_id is None else f"&key_id={key_id}"
        cursor: str | None = ""
        while cursor is not None:
            page = self.first.admin("GET", f"requests?limit=1000{only}{cursor}")
            found += page["data"]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        return found

    def send(self, secret: str, calls: Sequence[Sent], *, at_once: int = 1_000) -> list[Answer]:
        """The calls, spread evenly over the gateways."""
        return asyncio.run(send_all(self.urls, secret, calls, at_once))

    def settled_rows(self, key_id: str, within_s: float = 15.0) -> list[dict[str, Any]]:
        """The key's rows once none of them is open any more."""
        until(lambda: all(r["state"] != "reserved" for r in self.rows(key_id)), within_s)
        return self.rows(key_id)

    def assert_balanced(self, *key_ids: str) -> None:
        """To the nano-dollar: rows, sums and the upstream's bill are one and the same."""
        rows = [row for key_id in key_ids for row in self.settled_rows(key_id)]
        charged = {
            r["upstream_request_id"]: nano(r["cost_usd"]) for r in rows if nano(r["cost_usd"])
        }
        assert charged == self.upstream.billed()
        for key_id in key_ids:
            key = self.shown(key_id)
            own = [nano(row["cost_usd"]) for row in rows if row["key_id"] == key_id]
            assert nano(key["spent_usd"]) == nano(key["lifetime_spent_usd"]) == sum(own)
            assert key["reserved_usd"] == "0.00"
        self.assert_consistent()

    def assert_consistent(self) -> None:
        report = self.first.admin("GET", "reconcile")
        assert report["consistent"] is True, report


def until(true: Callable[[], bool], within_s: float, every_s: float = 0.05) -> None:
    """Wait for it; fails when it does not come."""
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        time.sleep(every_s)


async def send_all(
    urls: Sequence[str], secret: str, calls: Sequence[Sent], at_once: int
) -> list[Answer]:
    gate = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(at: int, call: Sent) -> Answer:
            async with gate:
                return await send_one(session, urls[at % len(urls)], secret, call)

        return await asyncio.gather(*(one(at, call) for at, call in enumerate(calls)))


async def send_one(session: aiohttp.ClientSession, url: str, secret: str, call: Sent) -> Answer:
    headers = {"authorization": f"Bearer {secret}", **call.headers}
    try:
        async with session.post(url + call.path, json=call.body, headers=headers) as answer:
            body = await answer.read()
            code = None
            if answer.status != 200:
                error = orjson.loads(body)["error"]
                code = error.get("code") or error["type"]
            return Answer(answer.status, answer.headers.get("x-request-id"), code, body)
    except aiohttp.ClientError:
        return Answer(0)


@contextmanager
def fleet(
    folder: Path, upstream: Watched, database_url: str, *, config: str | None = None
) -> Iterator[Fleet]:
    """One gateway on SQLite, two on PostgreSQL."""
    with ExitStack() as running:
        made = Fleet(upstream, [], database_url, folder, config, running)
        for _ in range(1 if database_url.startswith("sqlite") else 2):
            made.gateways.append(made.start())
        yield made
