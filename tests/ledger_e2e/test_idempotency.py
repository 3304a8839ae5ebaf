"""One value of `idempotency-key`, one bill: at once, later, and over several gateways."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from tests.ledger_e2e.calls import MESSAGES, Sent, streamed, user, whole
from tests.ledger_e2e.fleet import Answer, Fleet, Watched, nano

NATIVE = Sent(MESSAGES, {"model": "haiku", "max_tokens": 60, "messages": user("Say it.")})


def named(call: Sent, value: str) -> Sent:
    return replace(call, headers={**call.headers, "idempotency-key": value})


def outcomes(answers: list[Answer]) -> list[tuple[int, str | None]]:
    return sorted({(answer.status, answer.code) for answer in answers})


@pytest.mark.parametrize("call", [whole(1), streamed(1)], ids=["whole", "streamed"])
def test_of_many_at_once_one_is_served_and_later_ones_are_refused_too(
    served: Fleet, upstream: Watched, call: Sent
) -> None:
    upstream.pace(latency_s=0.3)
    secret, key_id = served.key(max_budget_usd="1.00")
    calls = [named(call, f"order-{at % 3}") for at in range(60)]
    answers = served.send(secret, calls)
    assert outcomes(answers) == [(200, None), (409, "duplicate_request")]
    assert sum(answer.status == 200 for answer in answers) == 3
    assert len(upstream.entries()) == 3
    again = served.send(secret, calls[:6])
    assert outcomes(again) == [(409, "duplicate_request")]
    assert len(upstream.entries()) == 3
    served.assert_balanced(key_id)


def test_a_duplicate_is_told_so_in_the_words_of_its_dialect(
    served: Fleet, upstream: Watched
) -> None:
    secret, _ = served.key()
    first, second = (served.send(secret, [named(NATIVE, "n")])[0] for _ in range(2))
    assert (first.status, second.status) == (200, 409)
    error = orjson.loads(second.body)
    assert (error["type"], error["error"]["type"]) == ("error", "conflict_error")
    assert len(upstream.entries()) == 1


def test_keys_do_not_take_values_from_each_other(served: Fleet, upstream: Watched) -> None:
    for _ in range(2):
        secret, _ = served.key()
        assert served.send(secret, [named(whole(1), "same")])[0].status == 200
    assert len(upstream.entries()) == 2


def test_a_call_that_cost_nothing_frees_its_value(served: Fleet, upstream: Watched) -> None:
    secret, key_id = served.key(max_budget_usd="1.00")
    call = named(whole(1), "again")
    upstream.faults({"kind": "status", "status": 400})
    statuses = [served.send(secret, [call])[0].status for _ in range(3)]
    assert statuses == [400, 200, 409]
    rows = served.rows(key_id)
    assert sorted(row["state"] for row in rows) == ["released", "settled"]
    served.assert_balanced(key_id)


def test_a_call_that_did_not_fit_frees_its_value(served: Fleet) -> None:
    secret, key_id = served.key(max_budget_usd="0.0001")
    call = named(whole(1), "later")
    assert served.send(secret, [call])[0].status == 402
    served.first.admin("PATCH", f"keys/{key_id}", {"max_budget_usd": "1.00"})
    assert [served.send(secret, [call])[0].status for _ in range(2)] == [200, 409]


def test_a_call_that_may_have_been_billed_keeps_its_value(served: Fleet, upstream: Watched) -> None:
    secret, key_id = served.key(max_budget_usd="1.00")
    call = named(whole(1), "unknown")
    upstream.pace(latency_s=0.3)  # a connection that breaks off sooner had been closed before
    upstream.faults(*({"kind": "drop_after_generation"} for _ in range(3)))
    assert [served.send(secret, [call])[0].status for _ in range(2)] == [502, 409]
    sent = [entry for entry in upstream.entries() if entry.path == "/v1/messages"]
    assert len(sent) == 3
    (row,) = served.settled_rows(key_id)
    assert (row["state"], row["cost_source"], row["attempts"]) == ("settled", "estimated", 3)
    # 12 tokens as the vendor counts them at $1, 60 at $5 per million: $0.000312, three times
    assert row["cost_usd"] == "0.000936"
    assert nano(row["cost_usd"]) >= upstream.billed_nano_usd() > 0
    assert served.shown(key_id)["reserved_usd"] == "0.00"
    served.assert_consistent()
