"""What every ledger does, the one in memory that the story is tested with too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import pytest

from app.core.errors import (
    BudgetExceeded,
    DuplicateRequest,
    InvalidApiKey,
    RateLimitError,
)
from app.core.keys import Key
from app.core.money import usd_text
from app.ports import Ledger, Reservation
from tests.calls.fakes import RecordingLedger
from tests.store.ledger.till import CENT, Booked, Till, charge, close_till, open_till, reservation


class Shop(Protocol):
    """A ledger with keys, and what can be seen of it."""

    @property
    def ledger(self) -> Ledger:
        """The one that is tried."""

    async def new_key(self, limit_nano_usd: int | None = None) -> Key:
        """A key with that limit."""

    async def revoke(self, key: Key) -> None:
        """End it."""

    async def seen(self, key: Key) -> tuple[str, str]:
        """What it has spent, and what is held of it."""

    async def row(self, asked: Reservation) -> tuple[str, str, str | None]:
        """State, cost and source."""


@dataclass
class Real:
    till: Till

    @property
    def ledger(self) -> Ledger:
        return self.till.ledger

    async def new_key(self, limit_nano_usd: int | None = None) -> Key:
        usd = None if limit_nano_usd is None else usd_text(limit_nano_usd)
        return await self.till.key(max_budget_usd=usd)

    async def revoke(self, key: Key) -> None:
        await self.till.keys.revoke(key.id)

    async def seen(self, key: Key) -> tuple[str, str]:
        spent, held, _ = await self.till.sums(key)
        return spent, held

    async def row(self, asked: Reservation) -> tuple[str, str, str | None]:
        row = await self.till.row(asked)
        return row["state"], row["cost_usd"], row["cost_source"]


@dataclass
class InMemory:
    ledger: RecordingLedger = field(default_factory=RecordingLedger)

    async def new_key(self, limit_nano_usd: int | None = None) -> Key:
        key = Key(
            f"key_{len(self.ledger.limits_nano_usd)}", "n", "tk-", datetime(2026, 11, 1, tzinfo=UTC)
        )
        self.ledger.limits_nano_usd[key.id] = limit_nano_usd
        return key

    async def revoke(self, key: Key) -> None:
        self.ledger.revoked.add(key.id)

    async def seen(self, key: Key) -> tuple[str, str]:
        ledger = self.ledger
        return usd_text(ledger.spent.get(key.id, 0)), usd_text(ledger.held.get(key.id, 0))

    async def row(self, asked: Reservation) -> tuple[str, str, str | None]:
        lost = self.ledger.lost.get(asked.request_id)
        if lost is not None:
            return "settled", usd_text(lost), "estimated"
        ended = self.ledger.rows[asked.request_id]
        if ended is None:
            return "reserved", "0.00", None
        state = "settled" if ended.is_charged else "released"
        return state, usd_text(ended.cost_nano_usd), ended.cost_source


@pytest.fixture(params=["memory", "sqlite_url", "postgres_url"])
def place(request: pytest.FixtureRequest) -> str:
    """A database's URL, or `memory`."""
    if request.param == "memory":
        return "memory"
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def shop(place: str) -> AsyncIterator[Shop]:
    if place == "memory":
        yield InMemory()
        return
    till = await open_till(place)
    yield Real(till)
    assert (await till.reports.reconcile())["differences"] == []
    await close_till(till)


async def test_what_is_held_is_seen_and_what_is_settled_is_spent(shop: Shop) -> None:
    key = await shop.new_key(10 * CENT)
    asked = reservation(key, 5 * CENT)
    async with Booked(shop.ledger, asked) as booked:
        assert booked.hold.granted_nano_usd == booked.hold.held_nano_usd == 5 * CENT
        assert await shop.seen(key) == ("0.00", "0.05")
        assert await shop.row(asked) == ("reserved", "0.00", None)
        booked.settle(charge(12_345_678))
    assert await shop.seen(key) == ("0.012345678", "0.00")
    assert await shop.row(asked) == ("settled", "0.012345678", "computed")
    assert booked.hold.remaining_nano_usd == 100_000_000 - 12_345_678
    assert booked.asked_for == [None]


async def test_a_key_without_a_limit_has_nothing_left_to_tell(shop: Shop) -> None:
    async with Booked(shop.ledger, reservation(await shop.new_key())) as booked:
        booked.settle(charge(1))
    assert booked.hold.remaining_nano_usd is None


async def test_what_costs_nothing_is_released(shop: Shop) -> None:
    key = await shop.new_key(10 * CENT)
    asked = reservation(key)
    error = RateLimitError("slow down", status=429)
    with pytest.raises(RateLimitError):
        async with Booked(shop.ledger, asked) as booked:
            raise error
    assert await shop.row(asked) == ("released", "0.00", None)
    assert await shop.seen(key) == ("0.00", "0.00")
    assert booked.asked_for == [error]


async def test_a_hold_that_does_not_fit_is_refused_and_leaves_nothing(shop: Shop) -> None:
    key = await shop.new_key(3 * CENT)
    async with Booked(shop.ledger, reservation(key, 2 * CENT)) as booked:
        with pytest.raises(BudgetExceeded) as refused:
            async with Booked(shop.ledger, reservation(key, 2 * CENT)):
                pass
        booked.settle(charge(CENT))
    short = refused.value.shortfall
    assert (short.scope, short.limit_nano_usd) == ("key", 3 * CENT)
    assert (short.held_nano_usd, short.needed_nano_usd) == (2 * CENT, 2 * CENT)
    assert await shop.seen(key) == ("0.01", "0.00")


async def test_a_hold_shrinks_to_what_is_left_where_it_may(shop: Shop) -> None:
    key = await shop.new_key(3 * CENT)
    async with Booked(shop.ledger, reservation(key, 5 * CENT, least_nano_usd=CENT)) as booked:
        assert booked.hold.granted_nano_usd == 3 * CENT
        booked.settle(charge(1))


async def test_another_attempt_is_held_beside_what_the_first_is_charged(shop: Shop) -> None:
    key = await shop.new_key(3 * CENT)
    asked = reservation(key)
    async with Booked(shop.ledger, asked) as booked:
        assert await booked.extend(kept=4_000_000)
        assert booked.hold.held_nano_usd == 14_000_000
        assert await shop.seen(key) == ("0.00", "0.014")
        booked.settle(charge(5_000_000))
    assert await shop.row(asked) == ("settled", "0.009", "estimated")
    assert await shop.seen(key) == ("0.009", "0.00")


async def test_another_attempt_that_is_covered_holds_nothing_more(shop: Shop) -> None:
    key = await shop.new_key(CENT)
    async with Booked(shop.ledger, reservation(key)) as booked:
        assert await booked.extend(kept=4_000_000, bound=6_000_000)
        assert await shop.seen(key) == ("0.00", "0.01")
        booked.settle(charge(1))


async def test_another_attempt_that_does_not_fit_changes_nothing(shop: Shop) -> None:
    key = await shop.new_key(15_000_000)
    async with Booked(shop.ledger, reservation(key)) as booked:
        assert not await booked.extend(kept=CENT)
        assert await shop.seen(key) == ("0.00", "0.01")
        booked.settle(charge(1))


async def test_a_revoked_key_holds_nothing(shop: Shop) -> None:
    key = await shop.new_key()
    await shop.revoke(key)
    with pytest.raises(InvalidApiKey):
        async with Booked(shop.ledger, reservation(key)):
            pass


async def test_an_idempotency_key_that_was_billed_or_runs_is_refused(shop: Shop) -> None:
    key = await shop.new_key()
    async with Booked(shop.ledger, reservation(key, idempotency_key="once")) as booked:
        with pytest.raises(DuplicateRequest):
            async with Booked(shop.ledger, reservation(key, idempotency_key="once")):
                pass
        booked.settle(charge(1_000))
    with pytest.raises(DuplicateRequest):
        async with Booked(shop.ledger, reservation(key, idempotency_key="once")):
            pass


async def test_an_idempotency_key_that_was_released_is_free_again(shop: Shop) -> None:
    key = await shop.new_key()
    for _ in range(2):
        with pytest.raises(RateLimitError):
            async with Booked(shop.ledger, reservation(key, idempotency_key="again")):
                raise RateLimitError("slow down", status=429)


async def test_a_cancelled_call_is_entered_before_it_ends(shop: Shop) -> None:
    key = await shop.new_key()
    asked, inside = reservation(key), asyncio.Event()

    async def caller() -> None:
        async with Booked(shop.ledger, asked):
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(caller())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await shop.row(asked) == ("settled", "0.01", "estimated")


async def test_an_account_that_fails_costs_all_that_is_held(shop: Shop) -> None:
    key = await shop.new_key()
    asked = reservation(key)

    def broken(_hold: object, _error: BaseException | None) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with shop.ledger.hold(asked, broken):  # type: ignore[arg-type]  # that is the point
            pass
    assert await shop.row(asked) == ("settled", "0.01", "estimated")
    assert await shop.seen(key) == ("0.01", "0.00")
