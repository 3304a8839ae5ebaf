"""What is let in, how long its answer may be, and when the vendor's free count is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ledger_e2e.calls import MESSAGES, NEW_HAIKU, SENTENCE, user
from tests.ledger_e2e.fleet import Fleet, Watched, fleet, nano

# 5 bytes + 2 x 16 tokens at $3, so many at $15 per million: $0.015111 for 1,000
HELLO: dict[str, Any] = {"model": "sonnet", "messages": user("Hello")}


@contextmanager
def configured(folder: Path, upstream: Watched, budgets: str) -> Iterator[Fleet]:
    url = f"sqlite:///{folder / 'ledger.db'}"
    with fleet(folder, upstream, url, config=f"budgets: {{{budgets}}}\n") as running:
        yield running


SHRINKING = [
    # shrink_max_tokens, asked for, sent upstream with $0.01 left (None: refused)
    ("never", None, None),
    ("never", 1_000, None),
    ("never", 659, 659),
    ("unset", None, 659),
    ("unset", 1_000, None),
    ("unset", 659, 659),
    ("always", None, 659),
    ("always", 1_000, 659),
    ("always", 100, 100),
]


@pytest.mark.parametrize("mode", ["never", "unset", "always"])
def test_an_answer_is_shortened_to_the_budget_when_the_config_says_so(
    upstream: Watched, tmp_path: Path, mode: str
) -> None:
    budgets = (
        f"shrink_max_tokens: {mode}, shrink_share: 1, "
        "default_max_tokens: 1000, min_output_tokens: 600"
    )
    with configured(tmp_path, upstream, budgets) as running:
        for _, asked, sent in (row for row in SHRINKING if row[0] == mode):
            upstream.reset()
            secret, key_id = running.key(max_budget_usd="0.01")
            body = HELLO if asked is None else {**HELLO, "max_tokens": asked}
            answer = running.first.chat(secret, body)
            if sent is None:
                assert answer.status_code == 402
                budget = answer.json()["error"]["budget"]
                assert (budget["needed_usd"], budget["max_tokens_that_fit"]) == ("0.015111", 659)
                assert upstream.log() == []
                continue
            assert answer.status_code == 200
            assert [entry["body"]["max_tokens"] for entry in upstream.messages()] == [sent]
            told = answer.headers.get("x-tollkeeper-max-tokens")
            assert told == (None if sent == asked else str(sent))
            running.assert_balanced(key_id)


def test_an_answer_is_not_shortened_below_the_least_that_makes_sense(
    upstream: Watched, tmp_path: Path
) -> None:
    budgets = "shrink_max_tokens: always, min_output_tokens: 660"
    with configured(tmp_path, upstream, budgets) as running:
        secret, _ = running.key(max_budget_usd="0.01")
        refused = running.first.chat(secret, HELLO)
        assert refused.status_code == 402
        # 37 tokens at $3 and 660 at $15 per million
        assert refused.json()["error"]["budget"]["needed_usd"] == "0.010011"
        assert upstream.log() == []
        # What asks for less than that least is as long as it asked to be.
        assert running.first.chat(secret, {**HELLO, "max_tokens": 659}).status_code == 200


def test_the_default_length_stands_in_for_one_that_is_not_given(
    upstream: Watched, tmp_path: Path
) -> None:
    with configured(tmp_path, upstream, "default_max_tokens: 77") as running:
        answer = running.first.chat(running.key()[0], HELLO)
        assert answer.headers["x-tollkeeper-max-tokens"] == "77"
        assert [entry["body"]["max_tokens"] for entry in upstream.messages()] == [77]


def paths(upstream: Watched) -> list[str]:
    return [entry.path for entry in upstream.entries()]


# 40 sentences of 64 bytes: held as 2,560 + 32 tokens, counted as 640 + 4, held as 644 x 1.02 + 64
# = 721.  At $3 per million $0.007776 and $0.002163; 100 tokens at $15 come on top: $0.0015.
LONG: dict[str, Any] = {"model": "sonnet", "max_tokens": 100, "messages": user(SENTENCE * 40)}


@pytest.mark.parametrize("path", ["/v1/chat/completions", MESSAGES])
def test_a_call_that_fits_by_the_vendors_count_is_let_in(
    served: Fleet, upstream: Watched, path: str
) -> None:
    secret, key_id = served.key(max_budget_usd="0.003663")
    answer = served.first.post(path, secret, LONG)
    assert answer.status_code == 200
    assert paths(upstream) == ["/v1/messages/count_tokens", MESSAGES]
    (row,) = served.settled_rows(key_id)
    assert row["reserved_usd"] == "0.003663"
    served.assert_balanced(key_id)


def test_a_call_that_does_not_fit_even_by_the_count_is_refused_by_the_count(
    served: Fleet, upstream: Watched
) -> None:
    secret, key_id = served.key(max_budget_usd="0.003662")
    refused = served.first.chat(secret, LONG)
    assert refused.status_code == 402
    assert refused.json()["error"]["budget"]["needed_usd"] == "0.003663"
    assert paths(upstream) == ["/v1/messages/count_tokens"]
    assert served.rows(key_id) == []


def test_the_count_is_not_asked_for_where_it_can_change_nothing(
    served: Fleet, upstream: Watched
) -> None:
    for budget, status in (("0.001", 402), ("0.009276", 200)):
        upstream.reset()
        secret, _ = served.key(max_budget_usd=budget)
        assert served.first.chat(secret, LONG).status_code == status
        assert paths(upstream) == ([] if status == 402 else [MESSAGES])


def test_without_a_count_the_first_bound_stands(served: Fleet, upstream: Watched) -> None:
    secret, _ = served.key(max_budget_usd="0.003663")
    blank = {**LONG, "messages": [*LONG["messages"], {"role": "user", "content": " "}]}
    refused = served.first.post(MESSAGES, secret, blank)  # the vendor refuses to count it
    assert refused.status_code == 402
    # one byte and one turn more: 2,609 tokens at $3 and 100 at $15 per million
    assert refused.json()["error"]["budget"]["needed_usd"] == "0.009327"
    assert paths(upstream) == ["/v1/messages/count_tokens"]


UNBOUNDED = [
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.web_search"),
    ({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, "tools.web_fetch"),
    ({"mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "m"}]}, "mcp_servers"),
    ({"container": "container_1"}, "container"),
    ({"thread": {"type": "create"}}, "thread"),
    ({"fallbacks": "default"}, "fallbacks"),
]


@pytest.mark.parametrize(("more", "name"), UNBOUNDED)
def test_what_has_no_bound_is_refused_on_a_key_with_any_limit(
    served: Fleet, upstream: Watched, more: dict[str, Any], name: str
) -> None:
    team = f"limited {served.key()[1]}"
    served.first.admin("POST", "teams", {"name": team, "max_budget_usd": "5.00"})
    body = {"model": NEW_HAIKU, "max_tokens": 20, "messages": user("Hello"), **more}
    limits: list[dict[str, Any]] = [
        {"max_budget_usd": "100.00"},
        {"model_budgets": {NEW_HAIKU: "100.00"}},
        {"team": team},
    ]
    for limit in limits:
        secret, key_id = served.key(**limit)
        refused = served.first.post(MESSAGES, secret, body)
        assert refused.status_code == 400
        assert refused.json()["error"]["type"] == "invalid_request_error"
        assert name in refused.json()["error"]["message"]
        assert served.rows(key_id) == []
    assert upstream.log() == []


@pytest.mark.usefixtures("upstream")
def test_a_key_without_a_limit_may_search_as_often_as_it_likes(served: Fleet) -> None:
    tool = {"type": "web_search_20250305", "name": "web_search"}
    messages = user("Search the web 4 times for bridges.")
    secret, key_id = served.key()
    body = {"model": NEW_HAIKU, "max_tokens": 500, "messages": messages, "tools": [tool]}
    assert served.first.post(MESSAGES, secret, body).status_code == 200
    (row,) = served.settled_rows(key_id)
    assert row["web_search_requests"] == 4
    # $10 per thousand searches
    assert nano(row["cost_details"]["server_tools"]) == 40_000_000
    served.assert_balanced(key_id)
