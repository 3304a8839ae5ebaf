"""Callers that leave: the upstream is stopped, what it billed is charged, nothing stays held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest

from app.simulator.journal import Entry
from tests.ledger_e2e.calls import MESSAGES, Sent, streamed, user, whole
from tests.ledger_e2e.conftest import KINDS_OF_DATABASE, new_url
from tests.ledger_e2e.fleet import Fleet, Watched, fleet, nano, until

PAUSE_S = 1.5  # between two deltas: long enough for the upstream to notice before the next one
When = Literal["before_the_answer", "after_the_headers", "in_the_middle"]

CHAT = streamed(1)
NATIVE = Sent(
    MESSAGES, {"model": "haiku", "max_tokens": 60, "messages": user("Say it."), "stream": True}
)
RESPONSES = Sent(
    "/v1/responses",
    {"model": "haiku", "max_output_tokens": 60, "input": "Say it.", "stream": True},
)
DIALECTS = [CHAT, NATIVE, RESPONSES]
NAMES = ["chat", "messages", "responses"]


def leave(url: str, secret: str, call: Sent, when: When) -> None:
    """Begin the call and break the connection off."""
    asyncio.run(_leave(url, secret, call, when))


async def _leave(url: str, secret: str, call: Sent, when: When) -> None:
    headers = {"authorization": f"Bearer {secret}", **call.headers}
    async with aiohttp.ClientSession() as session:
        asking = session.post(url + call.path, json=call.body, headers=headers)
        if when == "before_the_answer":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asking, 0.4)
            return
        async with asking as answer:
            assert answer.status == 200
            if when == "in_the_middle":
                for _ in range(2):
                    assert await answer.content.readany()
            answer.close()


def only_row(served: Fleet, key_id: str, within_s: float) -> dict[str, Any]:
    (row,) = served.settled_rows(key_id, within_s)
    return row


def only_entry(upstream: Watched) -> Entry:
    """The one message that was asked for; a count of its tokens is none."""
    (entry,) = [each for each in upstream.entries() if each.path == MESSAGES]
    return entry


def assert_nothing_is_held(served: Fleet, key_id: str, cost_usd: str) -> None:
    key = served.shown(key_id)
    assert (key["reserved_usd"], key["spent_usd"]) == ("0.00", cost_usd)
    served.assert_consistent()


@pytest.mark.parametrize("call", DIALECTS, ids=NAMES)
@pytest.mark.parametrize("when", ["after_the_headers", "in_the_middle"])
def test_a_stream_whose_caller_leaves_is_cut_and_charged_for_what_came(
    served: Fleet, upstream: Watched, call: Sent, when: When
) -> None:
    upstream.pace(delta_interval_s=PAUSE_S)
    secret, key_id = served.key(max_budget_usd="1.00")
    leave(served.urls[-1], secret, call, when)
    left_s = time.monotonic()
    until(lambda: only_entry(upstream).cut, within_s=1.4, every_s=0.01)
    assert only_entry(upstream).client_gone
    row = only_row(served, key_id, within_s=5.0)
    assert time.monotonic() - left_s < 5.0
    assert (row["state"], row["cost_source"]) == ("settled", "estimated")
    assert (row["status"], row["error_code"]) == (499, "client_disconnected")
    entry = only_entry(upstream)
    assert entry.usage is not None
    assert row["input_tokens"] == entry.usage["input_tokens"]  # as its first event said
    assert entry.usage["output_tokens"] <= row["output_tokens"] <= 60
    assert nano(row["cost_usd"]) >= entry.billed_nano_usd > 0
    assert nano(row["cost_usd"]) <= nano(row["reserved_usd"])
    assert_nothing_is_held(served, key_id, row["cost_usd"])


@pytest.mark.parametrize("call", DIALECTS, ids=NAMES)
def test_a_stream_whose_caller_leaves_before_it_begins_is_charged_for_the_time_it_took(
    served: Fleet, upstream: Watched, call: Sent
) -> None:
    upstream.pace(latency_s=8.0)
    secret, key_id = served.key(max_budget_usd="1.00")
    leave(served.urls[-1], secret, call, "before_the_answer")
    until(lambda: only_entry(upstream).cut, within_s=1.0, every_s=0.01)
    row = only_row(served, key_id, within_s=2.0)
    assert (row["state"], row["cost_source"]) == ("settled", "estimated")
    assert (row["status"], row["error_code"]) == (499, "client_disconnected")
    cost_nano_usd, written_nano_usd = nano(row["cost_usd"]), 60 * 5_000  # 184 in 0.4 s: all of them
    assert only_entry(upstream).billed_nano_usd <= cost_nano_usd <= nano(row["reserved_usd"])
    assert cost_nano_usd > written_nano_usd
    attempts = served.first.admin("GET", f"requests/{row['id']}")["attempt_details"]
    assert [(a["error"], a["basis"], a["charged"]) for a in attempts] == [
        ("client_disconnected", "elapsed", True)
    ]
    assert_nothing_is_held(served, key_id, row["cost_usd"])


@pytest.mark.parametrize(
    "call",
    [whole(1), *(replace(c, body={**c.body, "stream": False}) for c in DIALECTS[1:])],
    ids=NAMES,
)
def test_a_whole_answer_whose_caller_leaves_is_charged_exactly(
    served: Fleet, upstream: Watched, call: Sent
) -> None:
    upstream.pace(latency_s=1.0)
    secret, key_id = served.key(max_budget_usd="1.00")
    leave(served.urls[-1], secret, call, "before_the_answer")
    row = only_row(served, key_id, within_s=5.0)
    assert (row["state"], row["cost_source"]) == ("settled", "computed")
    assert nano(row["cost_usd"]) == only_entry(upstream).billed_nano_usd > 0
    assert_nothing_is_held(served, key_id, row["cost_usd"])


def test_a_hundred_callers_that_leave_at_once_leave_nothing_behind(
    served: Fleet, upstream: Watched
) -> None:
    upstream.pace(delta_interval_s=PAUSE_S)
    secret, key_id = served.key(max_budget_usd="1.00")

    async def all_leave() -> None:
        whens: list[When] = ["after_the_headers", "in_the_middle"]
        urls = served.urls
        await asyncio.gather(
            *(
                _leave(urls[at % len(urls)], secret, streamed(at), whens[at // 2 % 2])
                for at in range(100)
            )
        )

    asyncio.run(all_leave())
    until(lambda: upstream.open_calls() == 0, within_s=5.0)
    rows = served.settled_rows(key_id, within_s=5.0)
    assert len(rows) == 100
    billed = {entry.request_id: entry.billed_nano_usd for entry in upstream.entries()}
    assert len(billed) == 100
    for row in rows:
        cost = nano(row["cost_usd"])
        assert billed[row["upstream_request_id"]] <= cost <= nano(row["reserved_usd"])
    total = sum(nano(row["cost_usd"]) for row in rows)
    key = served.shown(key_id)
    assert (nano(key["spent_usd"]), key["reserved_usd"]) == (total, "0.00")
    served.assert_consistent()


@pytest.fixture(params=KINDS_OF_DATABASE)
def draining(request: pytest.FixtureRequest, upstream: Watched, tmp_path: Path) -> Iterator[Fleet]:
    url = new_url(request.param, request, tmp_path)
    config = "streams: {on_disconnect: drain}\n"
    with fleet(tmp_path, upstream, url, config=config) as running:
        yield running


LEFT: list[tuple[Sent, When]] = [
    (CHAT, "before_the_answer"),
    (CHAT, "after_the_headers"),
    (NATIVE, "in_the_middle"),
    (RESPONSES, "in_the_middle"),
]


def test_a_drained_stream_is_read_to_its_end_and_charged_exactly(
    draining: Fleet, upstream: Watched
) -> None:
    for call, when in LEFT:
        upstream.reset()
        upstream.pace(latency_s=0.8, delta_interval_s=0.03)
        secret, key_id = draining.key(max_budget_usd="1.00")
        leave(draining.urls[-1], secret, call, when)
        row = only_row(draining, key_id, within_s=5.0)
        entry = only_entry(upstream)
        assert not entry.cut
        assert (row["state"], row["cost_source"]) == ("settled", "computed")
        assert nano(row["cost_usd"]) == entry.billed_nano_usd > 0
        assert_nothing_is_held(draining, key_id, row["cost_usd"])
