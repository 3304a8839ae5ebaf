"""Budgets that are fair to calls in parallel: each takes a share, and waits for its turn."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest

from tests.ledger_e2e.calls import CHAT, MESSAGES, Sent, user
from tests.ledger_e2e.fleet import Fleet, Watched, nano, send_all, until

RESPONSES = "/v1/responses"
PATHS = (CHAT, RESPONSES, MESSAGES)


def hi(path: str, **fields: Any) -> Sent:
    """A greeting that leaves the length of its answer to the gateway, where the route allows."""
    said = {"input": "hi"} if path == RESPONSES else {"messages": user("hi")}
    length = {"max_tokens": 2_500} if path == MESSAGES else {}
    return Sent(path, {"model": "sonnet", **said, **length, **fields})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_twelve_greetings_at_once_fit_into_sixty_cents(
    served: Fleet, upstream: Watched, path: str, *, stream: bool
) -> None:
    upstream.pace(latency_s=0.5, delta_interval_s=0)
    secret, key_id = served.key(max_budget_usd="0.60")
    answers = served.send(secret, [hi(path, stream=stream) for _ in range(12)])
    assert [answer.status for answer in answers] == [200] * 12
    served.assert_balanced(key_id)
    assert nano(served.shown(key_id)["spent_usd"]) < 20_000_000


# Sonnet's output costs $15 per million, its input $3; "hi" is held as 34 tokens: $0.000102.
# An eighth of the other $0.599898 is $0.07498725, which buys 4,999 tokens.
def test_a_call_of_open_length_takes_an_eighth_of_what_is_left(
    served: Fleet, upstream: Watched
) -> None:
    secret, _ = served.key(max_budget_usd="0.60")
    answer = served.first.post(CHAT, secret, hi(CHAT).body)
    assert answer.headers["x-tollkeeper-max-tokens"] == "4999"
    given = served.first.post(CHAT, secret, hi(CHAT, max_tokens=9_000).body)
    assert given.status_code == 200
    assert "x-tollkeeper-max-tokens" not in given.headers
    assert [entry["body"]["max_tokens"] for entry in upstream.messages()] == [4_999, 9_000]


@pytest.mark.parametrize("path", PATHS)
def test_who_waited_in_vain_for_a_running_call_is_told_to_try_again(
    served: Fleet, upstream: Watched, path: str
) -> None:
    upstream.pace(latency_s=5, delta_interval_s=0)
    secret, key_id = served.key(max_budget_usd="0.02")
    long = hi(
        path, **({"max_output_tokens": 1_000} if path == RESPONSES else {"max_tokens": 1_000})
    )

    async def two() -> tuple[Any, Any, float]:
        first = asyncio.create_task(send_all(served.urls[:1], secret, [long], 1))
        held = lambda: served.shown(key_id)["reserved_usd"] != "0.00"  # noqa: E731
        await asyncio.to_thread(until, held, 3)
        started = time.monotonic()
        second = await asyncio.to_thread(served.first.post, path, secret, long.body)
        took_s = time.monotonic() - started
        return (await first)[0], second, took_s

    first, second, took_s = asyncio.run(two())
    assert (first.status, second.status_code) == (200, 402)
    assert 3 <= took_s < 5
    assert second.headers["x-should-retry"] == "true"
    assert second.headers["retry-after"] == "1"
    error = second.json()["error"]
    budget = error["budget"]
    assert (budget["scope"], budget["limit_usd"], budget["spent_usd"]) == ("key", "0.02", "0.00")
    assert (budget["running_calls"], budget["resets_at"]) == (1, None)
    assert nano(budget["held_usd"]) >= 15_000_000
    assert nano(budget["remaining_usd"]) == 20_000_000 - nano(budget["held_usd"])
    # 34 tokens of prompt at $3, each of the answer at $15 per million
    room = Decimal(budget["remaining_usd"]) - (Decimal(budget["needed_usd"]) - Decimal("0.015"))
    assert budget["max_tokens_that_fit"] == int(room * 1_000_000 / 15)
    for amount in ("limit_usd", "spent_usd", "held_usd", "remaining_usd", "needed_usd"):
        assert f"{budget[amount]} USD" in error["message"]
    assert f"at most {budget['max_tokens_that_fit']} would fit now" in error["message"]
    assert "1 running call" in error["message"]
    assert "never resets" in error["message"]


@pytest.mark.parametrize("path", PATHS)
def test_an_exhausted_budget_refuses_at_once_and_for_good(
    served: Fleet, upstream: Watched, path: str
) -> None:
    secret, _ = served.key(max_budget_usd="0.0001", budget_window="month")
    started = time.monotonic()
    refused = served.first.post(path, secret, hi(path).body)
    assert time.monotonic() - started < 3
    assert refused.status_code == 402
    assert refused.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.headers
    assert "resets at 20" in refused.json()["error"]["message"]
    assert upstream.log() == []
