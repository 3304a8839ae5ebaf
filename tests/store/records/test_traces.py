"""Who tells a trace that waited for its bill: each once, on each database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from app.core.ended import Attempt, Basis
from app.core.lookups import Billed
from app.core.misses import Miss, MissReason
from app.ports import Reservation
from app.store.database.tables import processes, requests
from app.store.records.traces import Traces
from tests.store.ledger.till import CENT, HAIKU, Till, charge, reservation
from tests.store.records.test_lookups import told

UPSTREAM = "openrouter"


async def answered(till: Till, **changes: Any) -> Reservation:
    key = await till.key(name="one")
    asked = reservation(key, CENT, upstream=UPSTREAM, end_user="ann", tags=("a",), **changes)
    async with till.hold(asked) as hold:
        hold.ttft_ms = 3
        hold.miss = Miss(MissReason.EXPIRED, 60)
        hold.attempts += (
            Attempt("anthropic", HAIKU, 529, "OverloadedError", 5, message="busy"),
            Attempt(
                *(UPSTREAM, HAIKU, 200, None, 340, "r", 1_000, Basis.USAGE),
                generation_id="gen-1",
            ),
        )
        hold.settle(charge(1_000, uncached=1_500, strongest=3_000))
    older = update(requests).values(created_us=requests.c.created_us - 11_000_000)
    await till.database.write(lambda connection: connection.execute(older))
    return asked


async def end_leases(till: Till) -> None:
    ended = update(processes).values(expires_us=1)
    await till.database.write(lambda connection: connection.execute(ended))


async def test_a_call_is_told_once_and_not_before_its_bill(till: Till) -> None:
    traces = Traces(till.database)
    asked = await answered(till)
    ids = [asked.request_id, "req_of_nobody"]
    assert await traces.billed(ids) == {}
    await told(till, 1_250, -70)
    assert await traces.billed(ids) == {asked.request_id: Billed(1_250, "billed", -70)}
    assert await traces.billed(ids) == {asked.request_id: None}


async def test_what_a_live_process_has_is_left_to_it(till: Till) -> None:
    traces = Traces(till.database)
    await answered(till)
    await told(till, 1_250, -70)
    assert await traces.left() == ()
    await end_leases(till)
    assert len(await traces.left()) == 1
    assert await traces.left() == ()


async def test_what_was_told_without_its_bill_is_not_told_again(till: Till) -> None:
    traces = Traces(till.database)
    asked = await answered(till)
    await traces.forget([asked.request_id])
    await told(till, 1_250, -70)
    await end_leases(till)
    assert await traces.left() == ()


async def test_a_row_tells_the_whole_call(till: Till) -> None:
    asked = await answered(till)
    await told(till, 1_250, -70)
    await end_leases(till)
    (left,) = await Traces(till.database).left()
    call, row = left.call, await till.row(asked)
    assert left.bill == Billed(1_250, "billed", -70)
    assert call.cost_nano_usd == 1_250
    assert call.charge is not None
    cost, usage = call.charge.cost, call.charge.usage
    assert (cost.input, cost.output, cost.adjustment, call.other_nano_usd) == (900, 100, 250, 0)
    assert (usage.input_tokens, usage.cache_write_5m_tokens) == (3, 40)
    assert (usage.cache_read_tokens, usage.output_tokens, usage.reasoning_tokens) == (500, 60, 7)
    assert (call.key.id, call.key.name, call.dialect) == (asked.key.id, "one", "openai_chat")
    assert (call.request.model, call.request.end_user, call.request.tags) == ("auto", "ann", ("a",))
    assert (call.model, call.upstream, call.status, call.ttft_ms) == (HAIKU, UPSTREAM, 200, 3)
    assert (call.route.label, str(call.route.reason)) == ("haiku", "default")
    assert call.conversation == row["conversation"] == "0123456789abcdef"
    assert call.miss == Miss(MissReason.EXPIRED, 60)
    assert call.traceparent is None
    first, second = call.attempts
    assert (first.error, first.message, first.status) == ("OverloadedError", "busy", 529)
    assert (second.begun_ms, second.latency_ms, second.cost_nano_usd) == (5, 340, 1_250)
    assert call.charge.message_id == "msg_1"
