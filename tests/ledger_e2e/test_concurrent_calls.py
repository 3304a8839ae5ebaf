"""Many calls at once on a budget that fits some of them, of every kind that is billed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.ledger_e2e.calls import KINDS, NEW_HAIKU, mixed
from tests.ledger_e2e.conftest import KINDS_OF_DATABASE, new_url
from tests.ledger_e2e.fleet import Answer, Fleet, Watched, fleet, nano

# Nobody waits for the holds of others here: who waits and then fits is test_parallel_calls'.
NO_WAIT = "budgets: {wait_for_holds_s: 0}\n"

ALL_AT_ONCE_S = 0.5  # an answer takes so long that none comes before the calls have all arrived

# The budget fits some of the calls while none of them is settled.
ALONE = [
    # kind, calls, budget in USD, calls that certainly fit
    ("whole", 60, "0.005", 13),  # held at $0.000361
    ("streamed", 60, "0.005", 13),
    ("written_5m", 60, "0.003", 5),  # $0.000518877
    ("written_1h", 60, "0.005", 6),  # $0.000810802
    ("over_tier", 30, "0.80", 4),  # $0.196188127 at most; all of them cost $0.91
    ("tools", 60, "0.01", 5),  # $0.001681
    ("images", 60, "0.004", 7),  # $0.0005145
    ("searches", 60, "8.00", 5),  # $1.52075
    ("fast_in_the_us", 60, "0.05", 12),  # $0.003971
]


@pytest.fixture(scope="module", params=KINDS_OF_DATABASE)
def served(
    request: pytest.FixtureRequest, upstream: Watched, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    url = new_url(request.param, request, folder)
    with fleet(folder, upstream, url, config=NO_WAIT) as running:
        yield running


def refused_scopes(answers: list[Answer]) -> set[str]:
    refused = [answer for answer in answers if answer.status == 402]
    return {orjson.loads(answer.body)["error"]["budget"]["scope"] for answer in refused}


def assert_some_fitted(answers: list[Answer], scope: str) -> None:
    assert {answer.status for answer in answers} == {200, 402}
    assert refused_scopes(answers) == {scope}
    assert len({answer.request_id for answer in answers}) == len(answers)


@pytest.mark.parametrize("case", ALONE, ids=[kind for kind, *_ in ALONE])
def test_calls_of_one_kind_never_overdraw_a_key(
    served: Fleet, upstream: Watched, case: tuple[str, int, str, int]
) -> None:
    kind, calls, budget, fit = case
    upstream.pace(latency_s=0.15 if kind != "searches" else 1.0)  # what they cost would all fit
    secret, key_id = served.key(max_budget_usd=budget)
    answers = served.send(secret, [KINDS[kind](at) for at in range(calls)])
    assert_some_fitted(answers, "key")
    assert sum(answer.status == 200 for answer in answers) >= fit
    assert upstream.billed_nano_usd() <= nano(budget)
    served.assert_balanced(key_id)


def test_two_hundred_mixed_calls_never_overdraw_a_key(served: Fleet, upstream: Watched) -> None:
    upstream.pace(latency_s=ALL_AT_ONCE_S)
    secret, key_id = served.key(max_budget_usd="6.00")
    assert_some_fitted(served.send(secret, mixed(200)), "key")
    assert 0 < upstream.billed_nano_usd() <= 6_000_000_000
    served.assert_balanced(key_id)


def test_two_hundred_mixed_calls_never_overdraw_a_team(served: Fleet, upstream: Watched) -> None:
    upstream.pace(latency_s=ALL_AT_ONCE_S)
    name = served.key()[1]
    team = {"name": name, "max_budget_usd": "6.00", "budget_window": "week"}
    team_id = served.first.admin("POST", "teams", team)["id"]
    keys = [served.key(team=name, max_budget_usd=limit) for limit in ("1000.00", None)]
    calls = mixed(200)
    first = served.send(keys[0][0], calls[:100])
    second = served.send(keys[1][0], calls[100:])
    assert_some_fitted(first + second, "team")
    assert 0 < upstream.billed_nano_usd() <= 6_000_000_000
    served.assert_balanced(*(key_id for _, key_id in keys))
    shown = served.first.admin("GET", f"teams/{team_id}")
    assert nano(shown["spent_usd"]) == upstream.billed_nano_usd()
    assert shown["reserved_usd"] == "0.00"


def test_two_hundred_mixed_calls_never_overdraw_one_model_of_a_key(
    served: Fleet, upstream: Watched
) -> None:
    upstream.pace(latency_s=ALL_AT_ONCE_S)
    secret, key_id = served.key(model_budgets={NEW_HAIKU: "6.00"})
    answers = served.send(secret, mixed(200))
    assert_some_fitted(answers, "key_model")
    billed = [e.billed_nano_usd for e in upstream.entries() if e.model == NEW_HAIKU]
    assert 0 < sum(billed) <= 6_000_000_000
    served.assert_balanced(key_id)
    refused = sum(answer.status == 402 for answer in answers)
    assert refused <= sum(sent.body["model"] == NEW_HAIKU for sent in mixed(200))


GLOBAL = "budgets: {wait_for_holds_s: 0, global: {max_budget_usd: 6.00, window: none}}\n"


@pytest.fixture(params=KINDS_OF_DATABASE)
def globally_limited(
    request: pytest.FixtureRequest, upstream: Watched, tmp_path: Any
) -> Iterator[Fleet]:
    url = new_url(request.param, request, tmp_path)
    with fleet(tmp_path, upstream, url, config=GLOBAL) as running:
        yield running


def test_two_hundred_mixed_calls_never_overdraw_the_global_budget(
    globally_limited: Fleet, upstream: Watched
) -> None:
    upstream.pace(latency_s=ALL_AT_ONCE_S)
    keys = [globally_limited.key() for _ in range(4)]
    calls = mixed(200)
    answers = [
        answer
        for at, (secret, _) in enumerate(keys)
        for answer in globally_limited.send(secret, calls[at::4])
    ]
    assert_some_fitted(answers, "global")
    assert 0 < upstream.billed_nano_usd() <= 6_000_000_000
    globally_limited.assert_balanced(*(key_id for _, key_id in keys))
