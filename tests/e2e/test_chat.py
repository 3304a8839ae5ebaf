from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.running import Gateway, Simulated

HELLO = {"model": "haiku", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}
WORDS = "The quick brown fox jumps over the lazy dog. "


def chunks(text: str) -> list[Any]:
    """The data lines of an OpenAI stream, `[DONE]` included."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_an_answer_carries_its_whole_account(served: Gateway, upstream: Simulated) -> None:
    answer = served.chat(served.key(max_budget_usd="1.00"), HELLO)
    assert answer.status_code == 200
    body = answer.json()
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["message"]["content"]
    assert answer.headers["x-tollkeeper-model"] == "claude-haiku-4-5-20251001"
    assert answer.headers["x-tollkeeper-route"] == "haiku; reason=forced_tier"
    assert answer.headers["x-tollkeeper-attempts"] == "1"
    usage = body["usage"]
    billed = upstream.billed_nano_usd()
    # $1 and $5 per million tokens
    assert billed == usage["prompt_tokens"] * 1_000 + usage["completion_tokens"] * 5_000
    cost = Decimal(answer.headers["x-tollkeeper-cost-usd"])
    assert cost * 10**9 == billed
    assert Decimal(str(usage["cost"])) == cost
    assert sum(map(Decimal, usage["cost_details"].values())) == cost
    assert Decimal(answer.headers["x-tollkeeper-budget-remaining-usd"]) == 1 - cost
    row = served.row(answer.headers["x-request-id"])
    assert row["state"] == "settled"
    assert Decimal(row["cost_usd"]) == cost
    assert (row["status"], row["error_code"], row["attempts"]) == (200, None, 1)


def test_a_stream_tells_the_same_as_a_whole_answer(served: Gateway, upstream: Simulated) -> None:
    secret = served.key()
    whole = served.chat(secret, HELLO).json()
    streamed = served.chat(
        secret, {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    )
    assert streamed.headers["content-type"].startswith("text/event-stream")
    parts = chunks(streamed.text)
    assert parts[-1] == "[DONE]"
    text = "".join(p["choices"][0]["delta"].get("content") or "" for p in parts[:-2])
    assert text == whole["choices"][0]["message"]["content"]
    assert parts[-2]["choices"] == []
    assert parts[-2]["usage"] == whole["usage"]
    assert served.row(streamed.headers["x-request-id"])["cost_details"] == {
        **whole["usage"]["cost_details"]
    }
    assert upstream.billed_nano_usd() == 2 * round(whole["usage"]["cost"] * 10**9)


def test_long_prompts_go_to_sonnet_and_short_ones_to_haiku(served: Gateway) -> None:
    secret = served.key()
    routes = {
        "Hello": "haiku; reason=default",
        WORDS * 250: "sonnet; reason=long_text",
    }
    for text, route in routes.items():
        body = {"model": "auto", "max_tokens": 20, "messages": [{"role": "user", "content": text}]}
        assert served.chat(secret, body).headers["x-tollkeeper-route"] == route


PROOF = "Prove that there are infinitely many primes congruent to 3 modulo 4."


def test_a_hard_prompt_goes_to_sonnet_whatever_the_dialect_and_its_row_says_why(
    served: Gateway,
) -> None:
    secret, turns = served.key(), [{"role": "user", "content": PROOF}]
    body = {"model": "auto", "max_tokens": 200}
    answers = [
        served.chat(secret, body | {"messages": turns}),
        served.post("/v1/messages", secret, body | {"messages": turns}),
        served.post("/v1/responses", secret, {"model": "auto", "input": PROOF}),
    ]
    for answer in answers:
        assert answer.headers["x-tollkeeper-route"] == "sonnet; reason=score"
        row = served.row(answer.headers["x-request-id"])
        assert (row["routing"]["score"], row["routing"]["threshold"]) == (0.5198, 0.5)
        assert row["routing"]["features"]["proof"] == [1, 0.2]


def test_what_is_said_of_an_answer_stands_on_its_row(served: Gateway) -> None:
    body = {"model": "auto", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}
    answer = served.chat(served.key(), body)
    path = f"requests/{answer.headers['x-request-id']}"
    assert served.admin("GET", path)["outcome"] is None
    said = served.admin("POST", f"{path}/outcome", {"ok": False, "note": "it was too short"})
    assert (said["outcome"]["ok"], said["outcome"]["note"]) == (False, "it was too short")
    assert served.admin("POST", f"{path}/outcome", {"ok": True})["outcome"]["note"] is None
    assert served.admin("GET", path)["outcome"]["ok"] is True


def test_the_second_call_reads_what_the_first_one_wrote(served: Gateway) -> None:
    body = {
        "model": "sonnet",
        "max_tokens": 50,
        "messages": [
            {"role": "system", "content": WORDS * 200},
            {"role": "user", "content": "What does the fox do?"},
        ],
    }
    secret = served.key()
    first, second = (served.chat(secret, body) for _ in range(2))
    wrote = first.json()["usage"]["prompt_tokens_details"]
    read = second.json()["usage"]["prompt_tokens_details"]
    assert wrote["cached_tokens"] == 0
    assert wrote["cache_write_tokens"] > 1_024
    assert read["cached_tokens"] == wrote["cache_write_tokens"]
    assert read["cache_write_tokens"] == 0
    assert Decimal(first.headers["x-tollkeeper-cache-savings-usd"]) < 0
    assert Decimal(second.headers["x-tollkeeper-cache-savings-usd"]) > 0
    off = served.chat(secret, body, **{"x-tollkeeper-cache": "off"}).json()["usage"]
    assert off["prompt_tokens_details"]["cached_tokens"] == 0


def test_the_worked_example_holds(served: Gateway, upstream: Simulated) -> None:
    """3 uncached, 12,304 written, 550 out at $3/$15: a known gateway says $0.091311."""
    upstream.replies(
        {
            "content": [{"type": "text", "text": "ok"}],
            "usage": {
                "input_tokens": 3,
                "cache_creation_input_tokens": 12_304,
                "cache_read_input_tokens": 0,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 12_304,
                    "ephemeral_1h_input_tokens": 0,
                },
                "output_tokens": 550,
            },
        }
    )
    answer = served.chat(served.key(), {**HELLO, "model": "sonnet"})
    assert answer.headers["x-tollkeeper-cost-usd"] == "0.054399"
    assert answer.json()["usage"]["prompt_tokens"] == 12_307


def test_a_call_that_does_not_fit_never_arrives(served: Gateway, upstream: Simulated) -> None:
    secret = served.key(max_budget_usd="0.01")
    body = {**HELLO, "model": "sonnet", "max_tokens": 1_000}
    refused = served.chat(secret, body)
    assert refused.status_code == 402
    assert refused.headers["x-should-retry"] == "false"
    assert refused.headers["x-request-id"].startswith("req_")
    error = refused.json()["error"]
    assert error["code"] == "budget_exceeded"
    # 5 bytes + 2 x 16 tokens at $3, 1,000 at $15 per million
    assert error["budget"] == {
        "scope": "key",
        "limit_usd": "0.01",
        "spent_usd": "0.00",
        "held_usd": "0.00",
        "running_calls": 0,
        "remaining_usd": "0.01",
        "needed_usd": "0.015111",
        "resets_at": None,
        "max_tokens_that_fit": 659,
    }
    assert upstream.log() == []
    fits = served.chat(secret, {**body, "max_tokens": 659})
    assert fits.status_code == 200
    assert len(upstream.messages()) == 1
    key = served.own_key(secret)
    assert key["reserved_usd"] == "0.00"
    assert Decimal(key["spent_usd"]) * 10**9 == upstream.billed_nano_usd()


def test_an_answer_without_a_length_is_shrunk_to_its_share_of_the_budget(
    served: Gateway, upstream: Simulated
) -> None:
    secret = served.key(max_budget_usd="0.08")
    # an eighth of what the prompt ($0.000111) leaves of it, at $15 per million
    body = {"model": "sonnet", "messages": HELLO["messages"]}
    answer = served.chat(secret, body)
    assert answer.status_code == 200
    assert answer.headers["x-tollkeeper-max-tokens"] == "665"
    assert upstream.messages()[0]["body"]["max_tokens"] == 665


def test_two_failures_then_an_answer_is_one_answer(served: Gateway, upstream: Simulated) -> None:
    upstream.faults({"kind": "status", "status": 429, "retry_after": "0"}, {"kind": "overloaded"})
    answer = served.chat(served.key(), HELLO)
    assert answer.status_code == 200
    assert answer.headers["x-tollkeeper-attempts"] == "3"
    row = served.row(answer.headers["x-request-id"])
    assert [a["status"] for a in row["attempt_details"]] == [429, 529, 200]
    assert Decimal(row["cost_usd"]) * 10**9 == upstream.billed_nano_usd()


REFUSALS = [
    # the upstream says, the caller sees
    (401, 502, "upstream_auth_error"),
    (403, 502, "upstream_auth_error"),
    (400, 400, "invalid_request"),
]


@pytest.mark.parametrize(("upstreams", "ours", "code"), REFUSALS)
def test_a_refusal_is_not_retried(
    served: Gateway, upstream: Simulated, upstreams: int, ours: int, code: str
) -> None:
    upstream.faults({"kind": "status", "status": upstreams})
    answer = served.chat(served.key(), HELLO)
    assert answer.status_code == ours
    assert answer.json()["error"]["code"] == code
    assert len(upstream.log()) == 1
    row = served.row(answer.headers["x-request-id"])
    assert (row["state"], row["cost_usd"], row["attempts"]) == ("released", "0.00", 1)


def test_a_stream_that_breaks_ends_with_an_error_event(
    served: Gateway, upstream: Simulated
) -> None:
    secret = served.key(max_budget_usd="1.00")
    for fault in ({"kind": "reset_mid_stream"}, {"kind": "sse_error"}):
        upstream.reset()
        upstream.faults({**fault, "after_deltas": 3})
        answer = served.chat(secret, {**HELLO, "stream": True})
        assert answer.status_code == 200
        parts = chunks(answer.text)
        assert "[DONE]" not in parts
        assert parts[-1]["error"]["message"]
        row = served.row(answer.headers["x-request-id"])
        assert (row["state"], row["cost_source"]) == ("settled", "estimated")
        assert Decimal(row["cost_usd"]) * 10**9 >= upstream.billed_nano_usd() > 0
    assert served.own_key(secret)["reserved_usd"] == "0.00"


def test_a_caller_that_leaves_pays_for_what_was_written(
    served: Gateway, upstream: Simulated
) -> None:
    upstream.pace(delta_interval_s=0.2)
    secret = served.key(max_budget_usd="1.00")
    with served.http.stream(
        "POST",
        f"{served.url}/v1/chat/completions",
        json={**HELLO, "stream": True},
        headers={"authorization": f"Bearer {secret}"},
    ) as answer:
        request_id = answer.headers["x-request-id"]
        next(answer.iter_bytes())
    upstream.pace(delta_interval_s=0)
    row = served.row(request_id)
    for _ in range(100):
        row = served.row(request_id)
        if row["state"] != "reserved":
            break
    assert row["state"] == "settled"
    assert (row["status"], row["error_code"]) == (499, "client_disconnected")
    assert row["cost_source"] == "estimated"
    assert Decimal(row["cost_usd"]) * 10**9 >= upstream.billed_nano_usd() > 0


BAD = [
    (b"{", 400, "invalid_request"),
    (b"[]", 400, "invalid_request"),
    (b'{"model":"haiku"}', 400, "invalid_request"),
    (b'{"model":"haiku","messages":[]}', 400, "invalid_request"),
    (
        b'{"model":"haiku","messages":[{"role":"user","content":"hi"}],"n":2}',
        400,
        "unsupported_parameter",
    ),
    (b'{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}', 404, "model_not_found"),
    (
        b'{"model":"%b","messages":[{"role":"user","content":"hi"}]}' % (b"m" * 300),
        404,
        "model_not_found",
    ),
    (b'{"model":"haiku","messages":[{"role":"user","content":"\xff"}]}', 400, "invalid_request"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD)
def test_bad_input_is_refused_before_the_upstream(
    served: Gateway, upstream: Simulated, body: bytes, status: int, code: str
) -> None:
    answer = served.http.post(
        f"{served.url}/v1/chat/completions",
        content=body,
        headers={"authorization": f"Bearer {served.key()}"},
    )
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert upstream.log() == []


def test_who_does_not_show_a_key_is_not_let_in(served: Gateway) -> None:
    for headers in ({}, {"authorization": "Bearer tk-wrong"}, {"x-api-key": "tk-wrong"}):
        answer = served.http.post(f"{served.url}/v1/chat/completions", json=HELLO, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert "x-request-id" in answer.headers


def test_a_key_may_use_its_own_models_alone(served: Gateway) -> None:
    secret = served.key(models=["claude-haiku-4-5"])
    assert served.chat(secret, {**HELLO, "model": "sonnet"}).status_code == 403
    assert served.chat(secret, {**HELLO, "model": "haiku"}).status_code == 200
    listed = served.http.get(f"{served.url}/v1/models", headers={"x-api-key": secret}).json()
    assert [m["id"] for m in listed["data"]] == ["auto", "haiku", "claude-haiku-4-5-20251001"]


def test_what_is_not_offered_says_so(served: Gateway) -> None:
    secret = served.key()
    for path in ("/v1/embeddings", "/v1/", "/v1/chat", "/v1/messages/batches"):
        answer = served.post(path, secret, {})
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_supported"


def test_no_secret_reaches_the_log_or_the_database(served: Gateway) -> None:
    secret = served.key()
    served.chat(secret, HELLO)
    served.chat("tk-" + "x" * 40, HELLO)
    stored = b"".join(file.read_bytes() for file in (served.folder / "data").iterdir())
    assert secret.encode() not in stored
    assert b"sk-ant-upstream-secret" not in stored
    assert secret not in served.log_text()
    assert "sk-ant-upstream-secret" not in served.log_text()
