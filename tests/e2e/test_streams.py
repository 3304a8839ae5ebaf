from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.running import Gateway, Simulated

SEARCHES = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 100,
    "stream": True,
    "messages": [{"role": "user", "content": "Search the web for rivers"}],
    "tools": [{"type": "web_search_20260318", "name": "web_search", "max_uses": 2}],
}


BLOCK = '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'


def sse(*events: tuple[str, str]) -> str:
    return "".join(f"event: {name}\ndata: {data}\n\n" for name, data in events)


def started(upstream: Simulated, **fault: Any) -> None:
    upstream.faults({"after_deltas": 1, **fault})


def test_a_cut_stream_with_server_tools_costs_its_bound(
    served: Gateway, upstream: Simulated
) -> None:
    """What the searches brought in is told at the end alone."""
    started(upstream, kind="reset_mid_stream")
    answer = served.post(
        "/v1/messages", served.key(), SEARCHES, **{"anthropic-version": "2023-06-01"}
    )
    row = served.row(answer.headers["x-request-id"])
    assert (row["state"], row["cost_source"]) == ("settled", "estimated")
    # 1,000,000 x (1 + 2) tokens at $3, 100 at $15 per million, two searches at $0.01
    assert row["cost_usd"] == "9.0215"
    assert Decimal(row["cost_usd"]) * 10**9 >= upstream.billed_nano_usd() > 0


def test_a_whole_stream_that_never_tells_its_output_is_estimated(
    served: Gateway, upstream: Simulated
) -> None:
    usage = '{"input_tokens":10,"output_tokens":1}'
    message = (
        '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
        f'"model":"claude-sonnet-4-6","content":[],"stop_reason":null,"usage":{usage}}}}}'
    )
    delta = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}'
    upstream.replies(
        {
            "sse": sse(
                ("message_start", message),
                ("content_block_start", BLOCK),
                ("content_block_delta", delta % ("x" * 40)),
                ("content_block_stop", '{"type":"content_block_stop","index":0}'),
                ("message_delta", '{"type":"message_delta","delta":{"stop_reason":"end_turn"}}'),
                ("message_stop", '{"type":"message_stop"}'),
            )
        }
    )
    body = {**SEARCHES, "tools": [], "max_tokens": 20}
    answer = served.post("/v1/messages", served.key(), body, **{"anthropic-version": "2023-06-01"})
    row = served.row(answer.headers["x-request-id"])
    # the text's 40 bytes are more than max_tokens: 10 at $3 and 20 at $15 per million
    assert (row["cost_source"], row["output_tokens"], row["cost_usd"]) == (
        "estimated",
        20,
        "0.00033",
    )


def test_an_anthropic_client_sees_the_upstreams_headers(served: Gateway) -> None:
    for stream in (False, True):
        body = {**SEARCHES, "tools": [], "stream": stream}
        answer = served.post(
            "/v1/messages", served.key(), body, **{"anthropic-version": "2023-06-01"}
        )
        assert answer.headers["request-id"].startswith("req_")
        assert answer.headers["request-id"] != answer.headers["x-request-id"]
        assert "anthropic-ratelimit-requests-limit" in answer.headers


def test_the_row_of_a_native_call_shows_the_status_that_its_caller_saw(
    served: Gateway, upstream: Simulated
) -> None:
    upstream.faults({"kind": "overloaded"}, repeat=True)
    body = {**SEARCHES, "tools": [], "stream": False}
    answer = served.post("/v1/messages", served.key(), body, **{"anthropic-version": "2023-06-01"})
    assert answer.status_code == 529
    assert served.row(answer.headers["x-request-id"])["status"] == 529


def test_a_lost_attempt_is_marked_as_charged_and_keeps_its_request_id(
    served: Gateway, upstream: Simulated
) -> None:
    upstream.faults({"kind": "garbage"}, repeat=True)
    body = {"model": "haiku", "max_tokens": 10, "messages": SEARCHES["messages"]}
    answer = served.chat(served.key(), body)
    assert answer.status_code == 502
    row = served.row(answer.headers["x-request-id"])
    assert [a["charged"] for a in row["attempt_details"]] == [True, True, True]
    assert [a["status"] for a in row["attempt_details"]] == [200, 200, 200]
    assert row["upstream_request_id"].startswith("req_")


def test_an_empty_idempotency_key_is_none_and_a_long_one_is_refused(served: Gateway) -> None:
    body = {"model": "haiku", "max_tokens": 10, "messages": SEARCHES["messages"]}
    secret = served.key()
    for _ in range(2):
        assert served.chat(secret, body, **{"idempotency-key": ""}).status_code == 200
    refused = served.chat(secret, body, **{"idempotency-key": "x" * 256})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "idempotency-key"
