"""Attempts by how they ended, with their charges: together the cost of the rows."""

from __future__ import annotations

from app.core.ended import Attempt, Basis, Charge, CostSource
from app.core.errors import RateLimitError
from app.core.money import NanoUsd
from app.core.pricing import Cost
from app.core.usage import Usage
from app.store.records.attempts import AttemptReports, OfFailure, OfUpstream
from app.store.records.ranges import Range, range_of
from tests.store.ledger.till import CENT, HAIKU, Till, reservation

EVER = Range()
OPUS = "claude-opus-4-8"


def tried(basis: Basis, cost: int, status: int | None = None, error: str | None = None) -> Attempt:
    return Attempt("anthropic", HAIKU, status, error, 5, cost_nano_usd=cost, basis=basis)


async def call(till: Till, cost: int, *attempts: Attempt, kept: int = 0, known: bool = True) -> str:
    asked = reservation(await till.key(), CENT)
    async with till.hold(asked) as booked:
        booked.attempts += attempts
        booked.kept_nano_usd = kept
        source: CostSource = "computed" if known else "estimated"
        booked.settle(Charge(Usage(), Cost(input=cost), source, "{}", cost, cost))
    return asked.request_id


async def some_calls(till: Till) -> None:
    answered = tried(Basis.USAGE, 700, 200)
    await call(till, 700, answered)
    await call(till, 700, answered)
    busy = tried(Basis.REFUSED, 0, 529, "OverloadedError")
    away = tried(Basis.NEVER_SENT, 0, None, "APIConnectionError")
    silent = tried(Basis.ELAPSED, 9_000, None, "APITimeoutError")
    elsewhere = Attempt("openrouter", OPUS, 200, None, 5, cost_nano_usd=40, basis=Basis.USAGE)
    await call(till, 40, busy, away, silent, elsewhere, kept=9_000)
    guess = await call(till, 300, tried(Basis.CUT, 300, 200, "APIError"), known=False)
    await till.requests.correct(guess, NanoUsd(250), note="the bill", actor="test")
    refused = reservation(await till.key(), CENT)
    await till.fail(refused, RateLimitError("slow down", status=429))


async def test_attempts_are_counted_by_upstream_model_and_end(till: Till) -> None:
    await some_calls(till)
    found = await AttemptReports(till.database).read(EVER)
    assert found.upstreams == [
        OfUpstream("anthropic", HAIKU, 2, 1, 1, 1, 1, 1_400, 9_300),
        OfUpstream("openrouter", OPUS, answered=1, answered_nano_usd=40),
    ]
    assert [each.tried for each in found.upstreams] == [6, 1]
    assert found.left == 0


async def test_failures_are_told_by_what_the_upstream_said(till: Till) -> None:
    await some_calls(till)
    found = await AttemptReports(till.database).read(EVER)
    assert found.failures == [
        OfFailure("anthropic", 200, "APIError", "cut", 1, 300),
        OfFailure("anthropic", 529, "OverloadedError", "refused", 1, 0),
        OfFailure("anthropic", None, "APIConnectionError", "never_sent", 1, 0),
        OfFailure("anthropic", None, "APITimeoutError", "unknown", 1, 9_000),
    ]


async def test_charges_and_corrections_are_together_what_the_rows_cost(till: Till) -> None:
    await some_calls(till)
    found = await AttemptReports(till.database).read(EVER)
    rows = (await till.requests.listed()).rows
    assert found.corrected_nano_usd == -50
    assert found.charged_nano_usd == sum(row.cost_nano_usd for row in rows)


async def test_a_range_without_calls_has_no_attempts(till: Till) -> None:
    await some_calls(till)
    found = await AttemptReports(till.database).read(range_of("2020-01-01", "2020-02-01"))
    assert (found.upstreams, found.failures, found.charged_nano_usd) == ([], [], 0)
