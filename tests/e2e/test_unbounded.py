"""What a key with a limit may not ask for, and which models it may name, through every door."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.running import Gateway, Simulated

SONNET = "claude-sonnet-4-6"
HAIKU = "claude-haiku-4-5-20251001"
HELLO = {"role": "user", "content": "Hello"}
PAPER = {
    "role": "user",
    "content": [
        {"type": "document", "source": {"type": "url", "url": "https://papers.example/a.pdf"}}
    ],
}
ADVISOR = {"type": "advisor_20260301", "name": "advisor", "model": SONNET, "max_uses": 1}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": HAIKU, "max_tokens": 10, "messages": [HELLO]} | fields


def system(**block: Any) -> list[dict[str, Any]]:
    return [HELLO, {"role": "system", "content": [block]}]


SEARCH = {"type": "web_search_20260318", "name": "web_search"}
UNBOUNDED = [
    (body(new_field=1), "new_field"),
    (body(tools=[{"type": "custom_search", "name": "s", "max_uses": 1}]), "tools.s"),
    (body(tools=[{"type": "code_execution_20260521", "name": "c", "max_uses": 1}]), "tools.c"),
    (body(tools=[SEARCH]), "tools.web_search"),
    (body(tools=[{**ADVISOR, "max_uses": None}]), "tools.advisor"),
    (
        body(
            messages=system(
                type="tool_addition", tool={"type": "tool_definition", "definition": SEARCH}
            )
        ),
        "tools.web_search",
    ),
    (body(messages=[{"role": "user", "content": [{"type": "new"}]}]), "content.new"),
    (body(fallbacks="default"), "fallbacks"),
]


@pytest.mark.parametrize(("asked", "named"), UNBOUNDED)
@pytest.mark.parametrize("stream", [False, True])
def test_what_has_no_bound_is_refused_before_anything_is_sent(
    *, served: Gateway, upstream: Simulated, asked: dict[str, Any], named: str, stream: bool
) -> None:
    secret = served.key(max_budget_usd="1000.00")
    answer = served.post("/v1/messages", secret, {**asked, "stream": stream})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert f"no bound on the cost of {named}" in error["message"]
    assert upstream.log() == []
    own = served.own_key(secret)
    assert (own["spent_usd"], own["reserved_usd"]) == ("0.00", "0.00")


def test_a_key_without_a_limit_is_left_to_the_vendor(served: Gateway, upstream: Simulated) -> None:
    answer = served.post("/v1/messages", served.key(), body(new_field=1))
    assert answer.status_code == 400
    assert "Extra inputs are not permitted" in answer.json()["error"]["message"]
    assert len(upstream.log()) == 1


def test_a_count_is_free_and_so_needs_no_bound(served: Gateway, upstream: Simulated) -> None:
    secret = served.key(max_budget_usd="0.01")
    counted = {"model": SONNET, "messages": [HELLO], "tools": [SEARCH]}
    assert served.post("/v1/messages/count_tokens", secret, counted).status_code == 200
    assert [entry["path"] for entry in upstream.log()] == ["/v1/messages/count_tokens"]


def test_documents_that_stand_elsewhere_pass_no_budget(
    served: Gateway, upstream: Simulated
) -> None:
    """Ten at once on a dollar: each is held at the whole window, a million tokens at $3."""
    secret = served.key(max_budget_usd="1.00")
    asked = body(model=SONNET, messages=[PAPER])
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: served.post("/v1/messages", secret, asked), range(10)))
    assert {answer.status_code for answer in done} == {402}
    assert Decimal(done[0].json()["error"]["budget"]["needed_usd"]) >= 3
    assert upstream.log() == []  # nor counted


OTHERS: list[dict[str, Any]] = [
    {"tools": [ADVISOR]},
    {"messages": system(
        type="tool_addition", tool={"type": "tool_definition", "definition": ADVISOR}
    )},
    {"fallbacks": [{"model": SONNET}]},
    {"models": [HAIKU, SONNET]},
]  # fmt: skip


@pytest.mark.parametrize("named", OTHERS)
def test_a_model_that_is_named_in_the_body_needs_to_be_allowed(
    served: Gateway, upstream: Simulated, named: dict[str, Any]
) -> None:
    secret = served.key(models=["haiku"])
    answer = served.post("/v1/messages", secret, body(**named))
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "permission_error"
    assert upstream.log() == []


@pytest.mark.parametrize("named", OTHERS)
def test_a_model_that_is_named_in_the_body_is_held_at_its_own_price(
    served: Gateway, upstream: Simulated, named: dict[str, Any]
) -> None:
    """Haiku alone is held at $0.000337: 37 tokens at $1 and 60 at $5 per million."""
    secret = served.key(max_budget_usd="0.001")
    answer = served.post("/v1/messages", secret, body(**{**named, "max_tokens": 60}))
    assert answer.status_code == 402
    assert upstream.log() == []


UNKNOWN = [
    # asked, told first
    ("Sonnet", "sonnet"),
    ("claude-sonnet-4.6", SONNET),
    ("claude-haiku-4.5", "claude-haiku-4-5"),
    ("opus", "claude-opus"),
    ("gpt-4o", "auto"),
]


@pytest.mark.parametrize(("asked", "first"), UNKNOWN)
def test_a_name_that_nothing_goes_by_is_told_the_nearest(
    served: Gateway, asked: str, first: str
) -> None:
    secret = served.key()
    by_chat = served.chat(secret, {"model": asked, "messages": [HELLO]})
    by_responses = served.post("/v1/responses", secret, {"model": asked, "input": "Hello"})
    by_messages = served.post("/v1/messages", secret, body(model=asked))
    by_list = served.http.get(f"{served.url}/v1/models/{asked}", headers={"x-api-key": secret})
    for answer in (by_chat, by_responses, by_messages, by_list):
        assert answer.status_code == 404
        message = answer.json()["error"]["message"]
        assert message.startswith(f"the model {asked!r} does not exist here; did you mean '{first}")
        assert message.endswith("GET /v1/models lists what this key may use")
    assert by_chat.json()["error"]["code"] == "model_not_found"


def test_a_key_for_auto_alone_may_name_no_tier(served: Gateway) -> None:
    secret = served.key(models=["auto"])
    assert served.chat(secret, {"model": "auto", "messages": [HELLO]}).status_code == 200
    for model in ("haiku", "sonnet", SONNET, HAIKU, "claude-haiku-4-5"):
        refused = served.chat(secret, {"model": model, "messages": [HELLO]})
        assert refused.status_code == 403
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == ("model_not_allowed", "model")
        assert error["message"].endswith("; it may use auto")
    listed = served.http.get(f"{served.url}/v1/models", headers={"x-api-key": secret}).json()
    assert [model["id"] for model in listed["data"]] == ["auto"]
    one = served.http.get(f"{served.url}/v1/models/sonnet", headers={"x-api-key": secret})
    assert one.status_code == 404
    assert "did you mean 'auto'?" in one.json()["error"]["message"]


def test_auto_takes_thinking_to_a_model_that_thinks_so(served: Gateway) -> None:
    secret = served.key()
    asked = body(model="auto", max_tokens=2_000, thinking={"type": "adaptive"})
    answer = served.post("/v1/messages", secret, asked)
    assert answer.status_code == 200
    assert answer.headers["x-tollkeeper-route"] == "sonnet; reason=needs_thinking"
    geo = served.post("/v1/messages", secret, body(model="auto", inference_geo="us"))
    assert geo.headers["x-tollkeeper-route"] == "sonnet; reason=needs_geo"
    begun = [HELLO, {"role": "assistant", "content": "I"}]
    long = [{"role": "user", "content": "x" * 10_000}, begun[1]]
    answer = served.post("/v1/messages", secret, body(model="auto", messages=long))
    assert answer.status_code == 200
    assert answer.headers["x-tollkeeper-route"] == "haiku; reason=needs_prefill"


def test_the_user_of_a_row_is_short_and_names_no_session(served: Gateway) -> None:
    secret = served.key()
    told = {"device_id": "d" * 64, "account_uuid": "a-1", "session_id": "s"}
    kept = []
    for user in (json.dumps(told), "u" * 8_388_608):
        answer = served.post("/v1/messages", secret, body(metadata={"user_id": user}))
        kept.append(served.row(answer.headers["x-request-id"])["end_user"])
    assert kept == ["a-1", "u" * 256]


def spent_as_billed(served: Gateway, upstream: Simulated, secret: str) -> Decimal:
    spent = Decimal(served.own_key(secret)["spent_usd"])
    assert spent * 10**9 == upstream.billed_nano_usd()
    return spent


@pytest.mark.parametrize("times", [0, 1, 3])
def test_advice_never_costs_more_than_was_held_for_it(
    served: Gateway, upstream: Simulated, times: int
) -> None:
    """A question of a hundred thousand tokens, read by the advisor as often as it may be asked."""
    secret = served.key(max_budget_usd="100.00")
    upstream.replies({"advises": times, "content": [{"type": "text", "text": "Done."}]})
    question = {"role": "user", "content": "words " * 80_000}
    asked = body(messages=[question], tools=[{**ADVISOR, "max_uses": 3, "max_tokens": 2_000}])
    beta = {"anthropic-beta": "advisor-tool-2026-03-01"}
    answer = served.post("/v1/messages", secret, asked, **beta)
    assert answer.status_code == 200, answer.text
    row = served.row(answer.headers["x-request-id"])
    spent = spent_as_billed(served, upstream, secret)
    assert 0 < spent <= Decimal(row["reserved_usd"])
    # four windows of Haiku, which the gateway marks, at $1.25 and ten tokens at $5; three windows
    # of Sonnet at $3 and its answers at $15; two nano-USD for rounding
    assert Decimal(row["reserved_usd"]) == Decimal("10.090050002")


@pytest.mark.parametrize("declined", ["bio", "cyber"])
def test_fallbacks_never_cost_more_than_was_held_for_them(
    served: Gateway, upstream: Simulated, declined: str
) -> None:
    secret = served.key(max_budget_usd="100.00")
    upstream.replies({"declines": [declined], "content": [{"type": "text", "text": "Done."}]})
    question = {"role": "user", "content": "words " * 10_000}
    asked = body(model="claude-opus-5-5", messages=[question], fallbacks=[{"model": SONNET}])
    beta = {"anthropic-beta": "server-side-fallback-2026-07-01"}
    answer = served.post("/v1/messages", secret, asked, **beta)
    assert answer.status_code == 200, answer.text
    row = served.row(answer.headers["x-request-id"])
    assert row["model"] == SONNET
    spent = spent_as_billed(served, upstream, secret)
    assert 0 < spent <= Decimal(row["reserved_usd"])
