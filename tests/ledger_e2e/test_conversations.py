"""One conversation's calls at once, over any replica and in any dialect, stay in its budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ledger_e2e.calls import CHAT, MESSAGES, Sent, user
from tests.ledger_e2e.conftest import KINDS_OF_DATABASE, new_url
from tests.ledger_e2e.fleet import Fleet, Watched, fleet, nano

RESPONSES = "/v1/responses"
NO_WAIT = "budgets: {wait_for_holds_s: 0}\n"
BEGIN = "Find out why the bridge is closed."


def turn(path: str, words: str, at: int, *later: dict[str, Any], **fields: Any) -> Sent:
    """A call of the conversation that begins with those words, however `at` changes the rest."""
    said = user(words) if at % 2 else user([{"type": "text", "text": words}])
    if path == RESPONSES:
        said = [{"role": "user", "content": words}] if at % 2 else words  # type: ignore[assignment]
    given: Any = said if not later else [*user(words), *later]
    model = ("haiku", "sonnet", "claude-haiku-5-5")[at % 3]
    if path == RESPONSES:
        body = {"input": given, "max_output_tokens": 60, "instructions": f"It is {at} past ten."}
    elif path == MESSAGES:
        body = {"messages": given, "max_tokens": 60, "system": f"It is {at} past ten."}
    else:
        system = {"role": "system", "content": f"It is {at} past ten."}
        body = {"messages": [system, *given], "max_tokens": 60}
    return Sent(path, {"model": model, "stream": at % 4 == 0, **body, **fields})


@pytest.fixture(params=KINDS_OF_DATABASE)
def eager(request: pytest.FixtureRequest, upstream: Watched, tmp_path: Path) -> Iterator[Fleet]:
    """Nobody waits for the holds of others."""
    url = new_url(request.param, request, tmp_path)
    with fleet(tmp_path, upstream, url, config=NO_WAIT) as running:
        yield running


def spent_by_conversation(served: Fleet, key_id: str) -> dict[str, int]:
    spent: dict[str, int] = {}
    for row in served.settled_rows(key_id):
        spent.setdefault(row["conversation"], 0)
        spent[row["conversation"]] += nano(row["cost_usd"])
    return spent


def test_fifty_calls_at_once_never_pass_their_conversations_budget(
    served: Fleet, upstream: Watched
) -> None:
    assert_fifty_at_once_stay_within(served, upstream)


def test_fifty_calls_at_once_that_do_not_wait_never_pass_it_either(
    eager: Fleet, upstream: Watched
) -> None:
    assert_fifty_at_once_stay_within(eager, upstream)


def assert_fifty_at_once_stay_within(running: Fleet, upstream: Watched) -> None:
    upstream.pace(latency_s=0.15)
    secret, key_id = running.key(conversation_budget_usd="0.004", budget_window="day")
    paths = (CHAT, RESPONSES, MESSAGES)
    calls = [turn(paths[at % 3], BEGIN, at // 3) for at in range(50)]
    calls += [turn(paths[at % 3], "Another matter.", at // 3) for at in range(50)]
    answers = running.send(secret, calls)
    assert {answer.status for answer in answers} == {200, 402}
    assert {answer.code for answer in answers if answer.status == 402} <= {
        "budget_exceeded",
        "billing_error",
    }
    assert all(b'"scope":"conversation"' in each.body for each in answers if each.status == 402)
    spent = spent_by_conversation(running, key_id)
    assert len(spent) == 2
    assert all(0 < cost <= 4_000_000 for cost in spent.values())
    running.assert_balanced(key_id)


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
def test_an_agent_that_runs_away_stops_at_its_conversations_limit(
    served: Fleet, upstream: Watched, path: str
) -> None:
    secret, key_id = served.key(conversation_budget_usd="0.003")
    later: list[dict[str, Any]] = []
    for at in range(100):
        gateway = served.gateways[at % len(served.gateways)]
        sent = turn(path, BEGIN, at, *later, stream=False)
        answer = gateway.post(path, secret, sent.body)
        if answer.status_code != 200:
            break
        later += [{"role": "assistant", "content": f"Step {at}."}, *user("Go on.")]
    assert answer.status_code == 402
    assert answer.headers["x-should-retry"] == "false"
    error = answer.json()["error"]
    assert error.get("code", error["type"]) in ("budget_exceeded", "billing_error")
    assert error["message"].startswith("the conversation budget of 0.003 USD has 0.00")
    assert error["budget"]["scope"] == "conversation"
    assert error["budget"]["limit_usd"] == "0.003"
    (spent,) = spent_by_conversation(served, key_id).values()
    assert 0 < spent <= 3_000_000
    assert nano(error["budget"]["spent_usd"]) == spent == upstream.billed_nano_usd()
    other = served.first.post(path, secret, turn(path, "Another matter.", 1, stream=False).body)
    assert other.status_code == 200, other.text
    left = 3_000_000 - nano(other.headers["x-tollkeeper-cost-usd"])
    assert nano(other.headers["x-tollkeeper-budget-remaining-usd"]) == left


def test_a_conversations_budget_lets_nothing_in_that_has_no_bound(
    served: Fleet, upstream: Watched
) -> None:
    secret, _ = served.key(conversation_budget_usd="1.00")
    search = [{"type": "web_search_20250305", "name": "web_search"}]
    refused = served.first.post(MESSAGES, secret, turn(MESSAGES, BEGIN, 1, tools=search).body)
    assert refused.status_code == 400
    assert "no bound on the cost of tools.web_search" in refused.json()["error"]["message"]
    assert upstream.log() == []


def test_users_who_begin_with_the_same_word_share_a_budget_unless_they_are_named(
    served: Fleet,
) -> None:
    secret, _ = served.key(conversation_budget_usd="0.0008")

    def status(named: str | None = None, **fields: Any) -> int:
        headers = {} if named is None else {"x-session-id": named}
        sent = turn(CHAT, "hi", 1, model="haiku", stream=False, **fields)
        return served.first.post(CHAT, secret, sent.body, **headers).status_code

    statuses = [status() for _ in range(20)]
    assert statuses[0] == 200
    assert statuses[-1] == 402
    assert status(user="ann") == status(user="bob") == 200
    assert status(prompt_cache_key="k") == status("one") == 200
