"""A store over one database, with the calls that tests make of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from app.core.bounds import Bound
from app.core.caching import CachePlan
from app.core.ended import Attempt, Charge, Ended, Ending
from app.core.errors import APIConnectionError, APIStatusError, Refusal
from app.core.keys import Key
from app.core.misses import Miss
from app.core.models import Limits, Model
from app.core.pricing import Cost
from app.core.request import Request
from app.core.routing import Reason, Route
from app.core.targets import Target
from app.core.unknown import Stake
from app.core.usage import Usage
from app.ports import Hold, Ledger, Reservation
from app.store.database.engine import Database, open_database
from app.store.ledger.ledger import SqlLedger
from app.store.ledger.windows import GlobalBudget
from app.store.records.audit import Audit
from app.store.records.keys import Keys
from app.store.records.requests import Requests
from app.store.records.teams import Teams
from app.store.reports.query import SpendQuery
from app.store.reports.reports import Reports
from app.store.reports.spend_views import spend_json
from tests.core.catalogs import HAIKU_RATES, prices

FREE = (APIStatusError, APIConnectionError, Refusal)
HAIKU = "claude-haiku-4-5-20251001"
CENT = 10_000_000  # nano-USD
MODEL = Model(HAIKU, ("anthropic",), (), Limits(200_000, 64_000, 4_096))
PRICES = prices(HAIKU_RATES)
ANSWER = Usage(
    input_tokens=3,
    cache_write_5m_tokens=40,
    cache_read_tokens=500,
    output_tokens=60,
    reasoning_tokens=7,
)


def charge(
    nano_usd: int, source: Any = "computed", *, uncached: int = 0, strongest: int = 0
) -> Charge:
    """A charge whose cost is `nano_usd`, a tenth of it for output."""
    output = nano_usd // 10
    return Charge(
        ANSWER,
        Cost(input=nano_usd - output, output=output),
        source,
        json.dumps({"model": HAIKU}),
        uncached,
        strongest,
        message_id="msg_1",
    )


def reservation(key: Key, bound: int = CENT, **changes: Any) -> Reservation:
    values: dict[str, Any] = {
        "request_id": f"req_{uuid.uuid4().hex}",
        "key": key,
        "model": HAIKU,
        "bound_nano_usd": bound,
        "least_nano_usd": bound,
        "dialect": "openai_chat",
        "requested_model": "auto",
        "route": Route("haiku", 0.0, Reason.DEFAULT),
        "upstream": "anthropic",
        "stream": False,
        "cache_plan": CachePlan(("system",), 0, "5m", "auto"),
        "conversation": "0123456789abcdef",
        "stake": Stake(bound, 0, 0),
    }
    return Reservation(**(values | changes))


class Booked:
    """One call on a ledger whose account the test writes.

    Without a charge all that is held is charged, unless the call ended in one of FREE.
    """

    def __init__(self, ledger: Ledger, asked: Reservation) -> None:
        self.attempts: list[Attempt] = []
        self.ttft_ms: int | None = None
        self.charged: Charge | None = None
        self.prefix: str | None = None
        self.miss: Miss | None = None
        self.kept_nano_usd = 0
        self.hold: Hold
        self.asked_for: list[BaseException | None] = []
        self._asked = asked
        self._entered = False
        self._context = ledger.hold(asked, self._ended)

    async def __aenter__(self) -> Self:
        self.hold = await self._context.__aenter__()
        self._entered = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, traceback)

    def settle(self, charge: Charge) -> None:
        self.charged = charge

    async def extend(self, *, kept: int = 0, bound: int | None = None) -> bool:
        """Hold another attempt, the first again unless its bound is told; `kept` is charged."""
        asked = self._asked
        most = asked.bound_nano_usd if bound is None else bound
        target = Target(MODEL, "anthropic", PRICES, Bound(0, 0, most, 0, 0))
        fitted = await self.hold.extend(target, self.kept_nano_usd + kept)
        if fitted:
            self.kept_nano_usd += kept
        return fitted

    def _ended(self, hold: Hold, error: BaseException | None) -> Ended:
        self.asked_for.append(error)
        asked, charge = self._asked, self.charged
        free = isinstance(error, FREE) or not self._entered
        other = self.kept_nano_usd if free or charge is not None else hold.held_nano_usd
        if error is None:
            status, code = 200, None
        else:
            status, code = getattr(error, "status", None) or 500, type(error).__name__
        return Ended(
            request_id=asked.request_id,
            key=asked.key,
            dialect=asked.dialect,
            request=Request(model=asked.requested_model, messages=()),
            model=(charge and charge.model) or asked.model,
            upstream=self.attempts[-1].upstream if self.attempts else asked.upstream,
            route=asked.route,
            cache_plan=asked.cache_plan,
            attempts=tuple(self.attempts),
            charge=charge,
            other_nano_usd=other,
            held_nano_usd=hold.held_nano_usd,
            reason=Ending.ANSWERED if error is None else Ending.FAILED,
            error=error,
            status=status,
            error_code=code,
            latency_ms=7,
            ttft_ms=self.ttft_ms,
            prefix=self.prefix,
            miss=self.miss,
        )


@dataclass
class Till:
    database: Database
    ledger: SqlLedger
    keys: Keys
    teams: Teams
    requests: Requests
    reports: Reports
    audit: Audit

    async def key(self, **fields: object) -> Key:
        _, secret = await self.keys.create({"name": "test", **fields})
        key = await self.keys.find(secret)
        assert key is not None
        return key

    def hold(self, asked: Reservation) -> Booked:
        return Booked(self.ledger, asked)

    async def call(self, asked: Reservation, cost: int) -> None:
        async with self.hold(asked) as booked:
            booked.settle(charge(cost))

    async def fail(self, asked: Reservation, error: BaseException) -> None:
        """A call that ends with `error`."""
        with suppress(type(error)):
            async with self.hold(asked):
                raise error

    async def row(self, asked: Reservation) -> dict[str, Any]:
        return await self.requests.get(asked.request_id)

    async def spend(
        self,
        groups: Sequence[str] = (),
        from_: str | None = None,
        to: str | None = None,
        filters: Mapping[str, str] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """The report as the admin API answers it."""
        query = SpendQuery(groups, from_=from_, to=to, filters=filters or {}, **more)
        return spend_json(await self.reports.spend(query))

    async def sums(self, key: Key) -> tuple[str, str, str | None]:
        """Spent, reserved, remaining."""
        shown = await self.keys.get(key.id)
        return shown["spent_usd"], shown["reserved_usd"], shown["remaining_usd"]


async def open_till(
    url: str, *, lease_s: float = 30.0, global_budget: GlobalBudget | None = None
) -> Till:
    database = open_database(url)
    ledger = SqlLedger(database, lease_s=lease_s, global_budget=global_budget)
    await ledger.start()
    return Till(
        database,
        ledger,
        Keys(database),
        Teams(database),
        Requests(database),
        Reports(database),
        Audit(database),
    )


async def close_till(till: Till) -> None:
    await till.ledger.close()
    await till.database.close()
