"""A store over one database, with the calls that tests make of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.core.caching import CachePlan
from app.core.errors import APIStatusError, GatewayError, Refusal
from app.core.keys import Key
from app.core.pricing import Cost
from app.core.routing import Reason, Route
from app.core.usage import Usage
from app.ports import Attempt, Charge, Reservation
from app.store.database.engine import Database, open_database
from app.store.ledger.ledger import SqlLedger
from app.store.ledger.windows import GlobalBudget
from app.store.records.audit import Audit
from app.store.records.keys import Keys
from app.store.records.requests import Requests
from app.store.records.spend import Reports
from app.store.records.teams import Teams

HAIKU = "claude-haiku-4-5-20251001"
CENT = 10_000_000  # nano-USD
ANSWER = Usage(
    input_tokens=3,
    cache_write_5m_tokens=40,
    cache_read_tokens=500,
    output_tokens=60,
    reasoning_tokens=7,
)


def outcome_of(error: BaseException, _dialect: str) -> tuple[int, str]:
    if isinstance(error, APIStatusError):
        return error.status, "upstream_error"
    if isinstance(error, Refusal):
        return 402, "refused"
    return (502, "upstream_error") if isinstance(error, GatewayError) else (500, "internal_error")


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
        "max_tokens": 1_000,
    }
    return Reservation(**(values | changes))


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

    async def call(self, asked: Reservation, cost: int) -> None:
        async with self.ledger.hold(asked) as hold:
            hold.settle(charge(cost))

    async def fail(
        self,
        asked: Reservation,
        error: BaseException,
        *,
        noted: Charge | None = None,
        retries: int = 0,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        """A call that ends with `error`, after attempts that may have been billed."""
        with suppress(type(error)):
            async with self.ledger.hold(asked) as hold:
                for _ in range(retries):
                    assert await hold.hold_another()
                hold.attempts.extend(attempts)
                if noted is not None:
                    hold.settle(noted)
                raise error

    async def row(self, asked: Reservation) -> dict[str, Any]:
        return await self.requests.get(asked.request_id)

    async def sums(self, key: Key) -> tuple[str, str, str | None]:
        """Spent, reserved, remaining."""
        shown = await self.keys.get(key.id)
        return shown["spent_usd"], shown["reserved_usd"], shown["remaining_usd"]


async def open_till(
    url: str, *, lease_s: float = 30.0, global_budget: GlobalBudget | None = None
) -> Till:
    database = open_database(url)
    ledger = SqlLedger(
        database, outcome_of=outcome_of, lease_s=lease_s, global_budget=global_budget
    )
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
