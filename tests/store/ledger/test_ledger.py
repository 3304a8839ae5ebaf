"""What a hold does to budgets and rows, on each database."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import fields, replace
from functools import partial

import pytest
from sqlalchemy import update

from app.core.ended import Attempt, Basis, Charge, Ended
from app.core.errors import (
    BadRequest,
    BudgetExceeded,
    DuplicateRequest,
    InvalidApiKey,
    RateLimitError,
    UnboundedCost,
)
from app.core.routing import Reason, Route
from app.ports import Hold
from app.store.database.tables import keys
from app.store.ledger.windows import GlobalBudget
from tests.store.ledger.till import CENT, HAIKU, Till, charge, reservation

SONNET = "claude-sonnet-4-6"


async def test_a_settled_call_costs_its_exact_cost(till: Till) -> None:
    key = await till.key(max_budget_usd="1.00")
    asked = reservation(key, 5 * CENT)
    async with till.hold(asked) as hold:
        assert hold.hold.granted_nano_usd == 50_000_000
        assert await till.sums(key) == ("0.00", "0.05", "0.95")
        hold.settle(charge(12_345_678))
    assert await till.sums(key) == ("0.012345678", "0.00", "0.987654322")
    assert hold.hold.remaining_nano_usd == 987_654_322


async def test_a_call_that_is_over_is_forgotten_without_the_collector(till: Till) -> None:
    call = till.hold(reservation(await till.key(), CENT))
    gc.disable()
    try:
        async with call:
            call.settle(charge(1_000))
        seen = weakref.ref(call)
        del call
        assert seen() is None
    finally:
        gc.enable()


async def test_a_row_tells_the_whole_call(till: Till) -> None:
    key = await till.key(team=(await till.teams.create({"name": "ops"}))["id"])
    asked = reservation(key, 5 * CENT, end_user="ann\0e", tags=("a", "b"), stream=True)
    async with till.hold(asked) as hold:
        held = await till.row(asked)
        hold.attempts.append(Attempt("anthropic", HAIKU, 529, "overloaded", 12))
        hold.attempts.append(
            Attempt("openrouter", HAIKU, 200, None, 340, "req_up", 1_000, Basis.USAGE)
        )
        hold.ttft_ms = 210
        hold.settle(charge(1_000, uncached=2_500, strongest=3_000))
    assert (held["state"], held["reserved_usd"], held["status"]) == ("reserved", "0.05", None)
    row = await till.row(asked)
    assert row["latency_ms"] >= 0
    assert row["created_at"].endswith("Z")
    assert {name: row[name] for name in row if name not in ("latency_ms", "created_at")} == {
        "id": asked.request_id,
        "key_id": key.id,
        "state": "settled",
        "dialect": "openai_chat",
        "requested_model": "auto",
        "model": HAIKU,
        "route_reason": "default",
        "upstream": "openrouter",
        "upstream_request_id": "req_up",
        "upstream_message_id": "msg_1",
        "attempts": 2,
        "input_tokens": 3,
        "cache_write_5m_tokens": 40,
        "cache_write_1h_tokens": 0,
        "cache_read_tokens": 500,
        "output_tokens": 60,
        "reasoning_tokens": 7,
        "web_search_requests": 0,
        "cost_usd": "0.000001",
        "cost_details": {
            "input": "0.0000009",
            "cache_write_5m": "0.00",
            "cache_write_1h": "0.00",
            "cache_read": "0.00",
            "output": "0.0000001",
            "server_tools": "0.00",
        },
        "cost_source": "computed",
        "cache_savings_usd": "0.0000015",
        "routing_savings_usd": "0.000002",
        "cache_discount_usd": None,
        "cache_miss_reason": None,
        "cache_miss_usd": None,
        "reserved_usd": "0.05",
        "status": 200,
        "error_code": None,
        "ttft_ms": 210,
        "stream": True,
        "conversation": "0123456789abcdef",
        "outcome": None,
        "end_user": "ann\ufffde",
        "tags": ["a", "b"],
        "attempt_details": [
            {
                "upstream": "anthropic",
                "model": HAIKU,
                "status": 529,
                "error": "overloaded",
                "message": None,
                "latency_ms": 12,
                "request_id": None,
                "charged": False,
                "cost_usd": "0.00",
                "basis": "refused",
            },
            {
                "upstream": "openrouter",
                "model": HAIKU,
                "status": 200,
                "error": None,
                "message": None,
                "latency_ms": 340,
                "request_id": "req_up",
                "charged": False,
                "cost_usd": "0.000001",
                "basis": "usage",
            },
        ],
        "rates": {"model": HAIKU},
        "routing": {"tier": "haiku", "score": 0.0, "reason": "default"},
        "cache_plan": {
            "placed": ["system"],
            "lifetimes": [],
            "callers": 0,
            "ttl": "5m",
            "why": "auto",
            "expected_reads": None,
        },
    }
    kept = {field.name for field in fields(asked.cache_plan)} - {"prompt_bytes"}
    assert row["cache_plan"].keys() == kept


async def test_a_row_keeps_what_each_feature_added(till: Till) -> None:
    scored = Route("sonnet", 0.7, Reason.SCORE, 0.5, {"proof": 2, "odd": 1}, {"proof": 0.2})
    asked = reservation(await till.key(), route=scored)
    await till.call(asked, 5)
    assert (await till.row(asked))["routing"] == {
        "tier": "sonnet",
        "score": 0.7,
        "reason": "score",
        "threshold": 0.5,
        "features": {"proof": [2, 0.2], "odd": [1, 0]},
    }


async def test_twenty_at_once_on_room_for_ten_lets_ten_in(till: Till) -> None:
    key = await till.key(max_budget_usd="0.10")
    admitted, leave = [], asyncio.Event()

    async def caller() -> None:
        async with till.hold(reservation(key, CENT)) as hold:
            admitted.append(hold)
            await leave.wait()
            hold.settle(charge(CENT))

    callers = [asyncio.create_task(caller()) for _ in range(20)]
    refused, _ = await asyncio.wait(callers, timeout=2)
    assert [type(task.exception()) for task in refused] == [BudgetExceeded] * 10
    assert len(admitted) == 10
    assert await till.sums(key) == ("0.00", "0.10", "0.00")
    leave.set()
    await asyncio.gather(*callers, return_exceptions=True)
    assert await till.sums(key) == ("0.10", "0.00", "0.00")


async def test_a_refusal_says_which_limit_and_by_how_much(till: Till) -> None:
    key = await till.key(max_budget_usd="0.03", budget_window="day")
    await till.call(reservation(key, CENT), CENT)
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(key, 5 * CENT), 0)
    short = refused.value.shortfall
    assert (short.scope, short.limit_nano_usd) == ("key", 30_000_000)
    assert (short.remaining_nano_usd, short.needed_nano_usd) == (20_000_000, 50_000_000)
    assert short.resets_at is not None
    assert (short.resets_at.hour, short.resets_at.minute) == (0, 0)


async def test_a_hold_shrinks_to_what_is_left_when_it_may(till: Till) -> None:
    key = await till.key(max_budget_usd="0.03")
    async with till.hold(reservation(key, 5 * CENT, least_nano_usd=CENT)) as hold:
        hold.settle(charge(1))
    assert hold.hold.granted_nano_usd == 30_000_000


@pytest.mark.parametrize("kind", ["key_model", "team", "global"])
async def test_every_scope_refuses_what_does_not_fit_it(till: Till, kind: str) -> None:
    fields: dict[str, object] = {}
    if kind == "key_model":
        fields = {"model_budgets": {SONNET: "0.02"}}
    if kind == "team":
        await till.teams.create({"name": "small", "max_budget_usd": "0.02"})
        fields = {"team": "small"}
    if kind == "global":
        till.ledger.set_global_budget(GlobalBudget(20_000_000, "month"))
    key = await till.key(**fields)
    await till.call(reservation(key, CENT, model=SONNET), CENT)
    with pytest.raises(BudgetExceeded) as refused:
        await till.call(reservation(key, 2 * CENT, model=SONNET), 0)
    assert refused.value.shortfall.scope == kind
    assert refused.value.shortfall.remaining_nano_usd == 10_000_000


@pytest.mark.parametrize("kind", ["key", "key_model", "team", "global"])
async def test_what_has_no_bound_is_refused_under_a_limit_set_since_the_key_was_looked_up(
    till: Till, kind: str
) -> None:
    team = await till.teams.create({"name": "t"})
    key = await till.key(team="t")
    asked = partial(reservation, key, CENT, unbounded=("tools.web_search",))
    await till.call(asked(), CENT)
    if kind == "key":
        await till.keys.update(key.id, {"max_budget_usd": "9"})
    if kind == "key_model":
        await till.keys.update(key.id, {"model_budgets": {HAIKU: "9"}})
    if kind == "team":
        await till.teams.update(team["id"], {"max_budget_usd": "9"})
    if kind == "global":
        till.ledger.set_global_budget(GlobalBudget(9_000_000_000, "month"))
    with pytest.raises(UnboundedCost, match="no bound on the cost of tools") as refused:
        await till.call(asked(), CENT)
    assert refused.value.param == "tools.web_search"
    await till.call(reservation(key, CENT), CENT)


async def test_a_model_budget_leaves_other_models_alone(till: Till) -> None:
    key = await till.key(model_budgets={SONNET: "0.01"})
    await till.call(reservation(key, 2 * CENT), 2 * CENT)
    await till.call(reservation(key, CENT, model=SONNET), 4_000_000)
    shown = await till.keys.get(key.id)
    assert shown["model_budgets"] == {SONNET: "0.01"}
    assert shown["model_spend"] == {
        SONNET: {"spent_usd": "0.004", "reserved_usd": "0.00", "remaining_usd": "0.006"}
    }


async def test_an_answer_by_another_model_is_that_models_and_lands_where_its_hold_was(
    till: Till,
) -> None:
    key = await till.key(model_budgets={SONNET: "0.01"})
    asked = reservation(key, CENT, model=SONNET)
    async with till.hold(asked) as hold:
        hold.settle(replace(charge(4_000_000), model="claude-opus-5-5"))
    assert (await till.row(asked))["model"] == "claude-opus-5-5"
    assert (await till.keys.get(key.id))["model_spend"][SONNET]["spent_usd"] == "0.004"
    spend = await till.spend(["model"])
    assert [(row["model"], row["cost_usd"]) for row in spend["data"]] == [
        ("claude-opus-5-5", "0.004")
    ]


async def test_a_guess_for_an_answer_by_another_model_is_corrected_where_it_landed(
    till: Till,
) -> None:
    key = await till.key(model_budgets={SONNET: "0.01"})
    asked = reservation(key, CENT, model=SONNET)
    async with till.hold(asked) as hold:
        hold.settle(replace(charge(4_000_000, "estimated"), model="claude-opus-5-5"))
    await till.requests.correct(asked.request_id, 3_000_000)
    assert (await till.keys.get(key.id))["model_spend"][SONNET]["spent_usd"] == "0.003"
    assert (await till.row(asked))["model"] == "claude-opus-5-5"


async def test_a_team_pays_for_all_its_keys(till: Till) -> None:
    team = await till.teams.create({"name": "two", "max_budget_usd": "1.00"})
    for _ in range(2):
        await till.call(reservation(await till.key(team="two"), CENT), 3_000_000)
    shown = await till.teams.get(team["id"])
    assert (shown["spent_usd"], shown["remaining_usd"]) == ("0.006", "0.994")


ENDS = [
    # the account: charge, kept for other attempts   state, cost, source
    (None, 0, "released", "0.00", None),
    (None, 3_000_000, "settled", "0.003", "estimated"),
    (charge(2_000_000), 0, "settled", "0.002", "computed"),
    (charge(2_000_000, "estimated"), 0, "settled", "0.002", "estimated"),
    (charge(2_000_000), 3_000_000, "settled", "0.005", "estimated"),
    (charge(0), 0, "settled", "0.00", "computed"),
]


@pytest.mark.parametrize("error", [RateLimitError("slow down", status=429), GeneratorExit(), None])
@pytest.mark.parametrize(("charged", "kept", "state", "cost", "source"), ENDS)
async def test_what_the_account_says_is_entered_however_the_call_ended(
    till: Till,
    error: BaseException | None,
    charged: Charge | None,
    *,
    kept: int,
    state: str,
    cost: str,
    source: str | None,
) -> None:
    key = await till.key()
    asked = reservation(key, CENT)
    booked = till.hold(asked)
    await booked.__aenter__()
    booked.charged, booked.kept_nano_usd = charged, kept
    if charged is None:
        error = RateLimitError("slow down", status=429)  # nothing more than what was kept
    await booked.__aexit__(None if error is None else type(error), error, None)
    row = await till.row(asked)
    assert (row["state"], row["cost_usd"], row["cost_source"]) == (state, cost, source)
    assert await till.sums(key) == (cost, "0.00", None)
    assert booked.asked_for == [error]


async def test_an_account_that_fails_costs_all_that_is_held_and_surfaces(till: Till) -> None:
    asked = reservation(await till.key(), CENT)

    def broken(_hold: Hold, _error: BaseException | None) -> Ended:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with till.ledger.hold(asked, broken):
            pass
    row = await till.row(asked)
    assert (row["state"], row["cost_usd"], row["cost_source"]) == ("settled", "0.01", "estimated")
    assert (row["status"], row["error_code"]) == (None, "internal_error")


async def test_another_attempt_is_held_beside_what_the_first_is_charged(till: Till) -> None:
    key = await till.key(max_budget_usd="0.03")
    asked = reservation(key, CENT)
    async with till.hold(asked) as hold:
        assert await hold.extend(kept=4_000_000)
        assert await till.sums(key) == ("0.00", "0.014", "0.016")
        assert hold.hold.held_nano_usd == 14_000_000
        hold.settle(charge(4_000_000))
    row = await till.row(asked)
    assert (row["cost_usd"], row["cost_source"]) == ("0.008", "estimated")
    assert (row["cost_details"]["other"], row["reserved_usd"]) == ("0.004", "0.014")
    assert await till.sums(key) == ("0.008", "0.00", "0.022")


async def test_what_is_held_already_is_not_held_again(till: Till) -> None:
    key = await till.key(max_budget_usd="0.01")
    async with till.hold(reservation(key, CENT)) as hold:
        assert await hold.extend(kept=0)
        assert await hold.extend(kept=4_000_000, bound=6_000_000)
        assert await till.sums(key) == ("0.00", "0.01", "0.00")
        assert not await hold.extend(kept=1, bound=6_000_000)
        hold.settle(charge(1))


async def test_another_hold_that_does_not_fit_changes_nothing(till: Till) -> None:
    key = await till.key(max_budget_usd="0.015")
    async with till.hold(reservation(key, CENT)) as hold:
        assert not await hold.extend(kept=CENT)
        assert await till.sums(key) == ("0.00", "0.01", "0.005")
        hold.settle(charge(1))


async def test_a_cost_above_its_hold_is_charged_in_full(till: Till) -> None:
    key = await till.key(max_budget_usd="0.01")
    await till.call(reservation(key, CENT), 3 * CENT)
    assert await till.sums(key) == ("0.03", "0.00", "-0.02")


async def test_a_revoked_key_is_refused_at_its_next_hold(till: Till) -> None:
    key = await till.key()
    await till.keys.revoke(key.id)
    with pytest.raises(InvalidApiKey):
        await till.call(reservation(key), 0)


async def test_a_replaced_secret_is_refused_at_its_next_hold(till: Till) -> None:
    shown, first = await till.keys.create({"name": "n"})
    old = await till.keys.find(first)
    _, second = await till.keys.rotate(shown["id"], overlap_s=2)
    new = await till.keys.find(second)
    assert old is not None
    assert new is not None
    await asyncio.gather(*(till.call(reservation(key), 1_000) for key in (old, new)))
    await asyncio.sleep(2.1)
    with pytest.raises(InvalidApiKey):
        await till.call(reservation(old), 0)
    await till.call(reservation(new), 1_000)
    await till.keys.rotate(shown["id"])
    calls = (till.call(reservation(key), 0) for key in (old, new))
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [InvalidApiKey] * 2
    assert (await till.sums(new))[0] == "0.000003"


async def test_another_keys_secret_opens_nothing(till: Till) -> None:
    mine, other = await till.key(), await till.key()
    with pytest.raises(InvalidApiKey):
        await till.call(reservation(replace(mine, secret_sha256=other.secret_sha256)), 0)
    assert str(other.secret_sha256) not in repr(other)


async def test_an_expired_key_is_refused_at_its_next_hold(till: Till) -> None:
    key = await till.key()
    past = update(keys).values(expires_us=1)
    await till.database.write(lambda connection: connection.execute(past))
    with pytest.raises(InvalidApiKey):
        await till.call(reservation(key), 0)


async def test_one_idempotency_key_is_never_billed_twice(till: Till) -> None:
    key, other = await till.key(), await till.key()
    async with till.hold(reservation(key, idempotency_key="once")) as hold:
        with pytest.raises(DuplicateRequest):
            await till.call(reservation(key, idempotency_key="once"), 0)
        hold.settle(charge(CENT))
    with pytest.raises(DuplicateRequest):
        await till.call(reservation(key, idempotency_key="once"), 0)
    await till.call(reservation(other, idempotency_key="once"), CENT)
    assert (await till.sums(key))[0] == "0.01"


async def test_a_released_call_frees_its_idempotency_key(till: Till) -> None:
    key = await till.key()
    await till.fail(
        reservation(key, idempotency_key="again"), RateLimitError("slow down", status=429)
    )
    await till.call(reservation(key, idempotency_key="again"), CENT)
    assert (await till.sums(key))[0] == "0.01"


async def test_of_twins_at_the_same_moment_one_is_let_in(till: Till) -> None:
    key = await till.key()
    twins = [till.call(reservation(key, idempotency_key="twin"), CENT) for _ in range(5)]
    ends = await asyncio.gather(*twins, return_exceptions=True)
    assert sorted(str(type(end).__name__) for end in ends) == ["DuplicateRequest"] * 4 + [
        "NoneType"
    ]


async def test_a_caller_that_leaves_while_waiting_holds_nothing(till: Till) -> None:
    key = await till.key(max_budget_usd="0.10")
    for yields in range(12):
        entering = asyncio.create_task(till.call(reservation(key, CENT), 0))
        for _ in range(yields):
            await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait({entering})
    await till.call(reservation(key, CENT), 0)
    assert (await till.sums(key))[1] == "0.00"


async def test_a_cancelled_caller_is_settled_before_it_ends(till: Till) -> None:
    key = await till.key()
    inside = asyncio.Event()

    async def caller() -> None:
        async with till.hold(reservation(key, CENT)):
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(caller())
    await inside.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # again, while it settles
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await till.sums(key) == ("0.01", "0.00", None)


async def test_crossing_scopes_never_deadlock(till: Till) -> None:
    await till.teams.create({"name": "left"})
    await till.teams.create({"name": "right"})
    till.ledger.set_global_budget(GlobalBudget(10**12, "day"))
    keys = [await till.key(team=("left", "right")[n % 2]) for n in range(6)]
    await asyncio.gather(
        *(
            till.call(reservation(keys[n % 6], CENT, model=(HAIKU, SONNET)[n % 2]), 1_000)
            for n in range(300)
        )
    )
    assert [(await till.sums(key))[0] for key in keys] == ["0.00005"] * 6


async def test_a_call_that_can_not_be_stored_fails_alone(till: Till) -> None:
    key = await till.key()
    odd = reservation(key, idempotency_key="\ud800")
    other = reservation(key, end_user="u", requested_model="\0")
    calls = [till.call(reservation(key), 1_000) for _ in range(5)]
    ends = await asyncio.gather(
        *calls[:2],
        till.call(odd, 1_000),
        calls[2],
        till.call(other, 1_000),
        *calls[3:],
        return_exceptions=True,
    )
    assert [type(end).__name__ for end in ends if end is not None] == ["LedgerUnavailable"]
    assert await till.sums(key) == ("0.000006", "0.00", None)
    await till.call(reservation(key), 1_000)


@pytest.mark.parametrize("bound", [1_000_000 * 10**9 + 1, 2**62, 2**63, 10**30])
async def test_a_call_that_could_cost_more_than_a_million_dollars_is_refused(
    till: Till, bound: int
) -> None:
    key = await till.key()
    with pytest.raises(BadRequest, match="more than 1,000,000 USD"):
        await till.call(reservation(key, bound, least_nano_usd=1), 0)
    await till.call(reservation(key, 1_000_000 * 10**9), CENT)
    assert (await till.reports.reconcile())["requests"] == 1


async def test_no_text_of_a_row_is_longer_than_its_limit_or_breaks_a_terminal(till: Till) -> None:
    key = await till.key()
    long = "\x1b[2J" + "x" * 100_000
    asked = reservation(key, end_user=long, tags=(long,) * 40, requested_model=long)
    async with till.hold(asked) as hold:
        failed = Attempt("anthropic", HAIKU, 500, long, 1, long)
        hold.attempts.append(failed)
        hold.settle(replace(charge(1_000), message_id=long))
    row = await till.row(asked)
    cut = "�[2J" + "x" * 251 + "…"
    for name in ("end_user", "requested_model", "upstream_request_id", "upstream_message_id"):
        assert row[name] == cut
    assert row["tags"] == ["�[2J" + "x" * 123 + "…"] * 16
    (detail,) = row["attempt_details"]
    assert (len(detail["error"]), len(detail["request_id"])) == (500, 256)
    assert "\x1b" not in str(row)
