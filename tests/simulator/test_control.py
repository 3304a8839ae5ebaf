"""The log, exact replies, the clock and the reset."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys

import httpx2
import pytest

from tests.simulator.client import SONNET, Simulated, question

BODY = question("Hello")


def test_the_log_tells_what_was_asked_and_by_whom(sim: Simulated) -> None:
    headers = sim.headers() | {"idempotency-key": "once", "user-agent": "me/1", "x-other": "no"}
    sim.http.post("/v1/messages", json=BODY, headers=headers)
    entry = sim.last_entry()
    assert entry["body"] == BODY
    assert entry["headers"] == {
        "anthropic-version": "2023-06-01",
        "content-type": "application/json",
        "idempotency-key": "once",
        "user-agent": "me/1",
    }
    assert entry["key"] == hashlib.sha256(b"key-1").hexdigest()[:16]
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/v1/messages", 200)
    assert entry["message_id"].startswith("msg_")
    assert entry["request_id"].startswith("req_")
    assert entry["usage"]["input_tokens"] == 6


def test_the_log_is_read_from_where_one_left_off(sim: Simulated) -> None:
    for _ in range(3):
        sim.ask(BODY)
    first = sim.http.get("/_sim/log", params={"limit": "2"}).json()
    assert len(first["entries"]) == 2
    rest = sim.http.get("/_sim/log", params={"after": str(first["last_id"])}).json()
    assert len(rest["entries"]) == 1
    assert rest["last_id"] == first["last_id"] + 1
    assert sim.http.get("/_sim/log", params={"after": "x"}).status_code == 400


def test_the_summary_adds_everything_up(sim: Simulated) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 0}
    sim.reply({"usage": usage}, {"usage": usage})
    sim.ask(BODY)
    sim.ask(BODY)
    sim.send(BODY | {"model": "nothing"})
    sim.count({"model": SONNET, "messages": BODY["messages"]})
    assert sim.summary() == {
        "requests": 4,
        "open": 0,
        "billed_nano_usd": 6_000_000,
        "by_status": {"200": 3, "404": 1},
        "by_path": {"/v1/messages": 3, "/v1/messages/count_tokens": 1},
        "by_fault": {},
    }


@pytest.mark.parametrize(("method", "path"), [("POST", "/_sim/reset"), ("DELETE", "/_sim/log")])
def test_a_reset_forgets_everything(sim: Simulated, method: str, path: str) -> None:
    sim.ask(BODY)
    sim.faults({"kind": "overloaded"}, repeat=True)
    sim.reply({"usage": {"output_tokens": 1}})
    sim.tell("clock", {"now": "2031-01-01T00:00:00Z"})
    assert sim.http.request(method, path).status_code == 200
    assert sim.summary()["requests"] == 0
    assert sim.ask(BODY)["usage"]["output_tokens"] > 1
    assert not sim.last_entry()["received_at"].startswith("2031")


def test_the_clock_can_be_set(sim: Simulated) -> None:
    assert sim.tell("clock", {"now": "2030-05-06T07:08:09Z"})["now"].startswith("2030-05-06T07:08")
    assert sim.tell("clock", {"advance_s": 3600})["now"].startswith("2030-05-06T08:08")
    sim.ask(BODY)
    assert sim.last_entry()["received_at"].startswith("2030-05-06T08:08")
    assert sim.http.post("/_sim/clock", json={"now": "soon"}).status_code == 400
    assert sim.http.get("/_sim/health").json()["status"] == "ok"


def test_an_exact_reply_is_sent_whole_and_streamed(sim: Simulated) -> None:
    refusal = {
        "content": [{"type": "text", "text": "I cannot help with that."}],
        "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "category": "cyber", "explanation": "Not this."},
        "usage": {"output_tokens": 42},
    }
    sim.reply(refusal, refusal)
    whole = sim.ask(BODY)
    assert whole["content"] == refusal["content"]
    assert whole["stop_reason"] == "refusal"
    assert whole["stop_details"] == refusal["stop_details"]
    assert whole["usage"]["output_tokens"] == 42
    events = sim.stream(BODY)
    assert events[0][1]["message"]["usage"]["output_tokens"] == 1
    assert events[-2][1]["delta"]["stop_details"] == refusal["stop_details"]
    assert events[-2][1]["usage"]["output_tokens"] == 42
    assert [entry["billed_nano_usd"] for entry in sim.log()] == [6 * 3_000 + 42 * 15_000] * 2


def test_a_verbatim_body_is_sent_to_the_byte(sim: Simulated) -> None:
    sim.reply(
        {"body": {"odd": True}, "headers": {"x-odd": "1"}, "usage": {"output_tokens": 0}},
        {"body": "not json", "status": 200},
        {"body": {"type": "error"}, "status": 418},
    )
    first = sim.send(BODY)
    assert (first.json(), first.headers["x-odd"]) == ({"odd": True}, "1")
    assert sim.send(BODY).text == "not json"
    assert sim.send(BODY).status_code == 418
    assert sim.last_entry()["billed_nano_usd"] == 0
    assert sim.log()[0]["billed_nano_usd"] == 18_000


def test_a_verbatim_stream_is_sent_in_exactly_these_chunks(sim: Simulated) -> None:
    chunks = [b"event: ping\nda", b'ta: {"type":"ping"}\n', b"\n"]
    encoded = [base64.b64encode(chunk).decode() for chunk in chunks]
    sim.reply({"sse_chunks": encoded}, {"sse": "event: ping\n\n"})
    body = BODY | {"stream": True}
    with sim.http.stream("POST", "/v1/messages", json=body, headers=sim.headers()) as answer:
        assert list(answer.iter_raw()) == chunks
        assert answer.headers["content-type"] == "text/event-stream"
    assert sim.send(body).text == "event: ping\n\n"
    assert (
        sim.http.post("/_sim/replies", json={"replies": [{"sse_chunks": ["%"]}]}).status_code == 400
    )


def test_every_answer_has_a_request_id_and_rate_limit_headers(sim: Simulated) -> None:
    for answer in (sim.send(BODY), sim.send({}), sim.send(BODY | {"stream": True})):
        assert answer.headers["request-id"].startswith("req_")
        assert answer.headers["anthropic-ratelimit-requests-limit"] == "4000"
        assert int(answer.headers["anthropic-ratelimit-input-tokens-remaining"]) % 1000 == 0
        assert answer.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")


def test_models_are_listed_page_by_page(sim: Simulated) -> None:
    headers = sim.headers()
    sim.tell("clock", {"now": "2026-11-30T16:59:00Z"})
    page = sim.http.get("/v1/models", params={"limit": "2"}, headers=headers).json()
    assert (len(page["data"]), page["has_more"]) == (2, True)
    after = {"after_id": page["last_id"], "limit": "1000"}
    rest = sim.http.get("/v1/models", params=after, headers=headers).json()
    ids = [model["id"] for model in page["data"] + rest["data"]]
    assert len(ids) == len(set(ids)) == 19
    assert rest["has_more"] is False
    haiku = sim.http.get("/v1/models/claude-haiku-4-5", headers=headers).json()
    assert haiku["id"] == "claude-haiku-4-5-20251001"
    assert (haiku["max_input_tokens"], haiku["max_tokens"]) == (200_000, 64_000)
    retiring = sim.http.get("/v1/models/claude-sonnet-4-5", headers=headers).json()
    assert (retiring["lifecycle"], retiring["retires_at"]) == ("deprecated", "2026-11-30T00:00:00Z")
    assert sim.http.get("/v1/models/gpt-5", headers=headers).status_code == 404
    assert sim.http.get("/v1/models").status_code == 401


def test_a_model_is_gone_from_the_hour_of_its_retirement_on(sim: Simulated) -> None:
    old = question("Hello", "claude-sonnet-4-5")
    headers = sim.headers()
    sim.tell("clock", {"now": "2026-11-30T16:59:50Z"})
    assert sim.send(old).status_code == 200
    sim.tell("clock", {"now": "2026-11-30T17:00:00Z"})
    for name in ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"):
        gone = sim.send(old | {"model": name})
        assert gone.status_code == 404
        assert gone.json()["error"] == {"type": "not_found_error", "message": f"model: {name}"}
        assert sim.http.get(f"/v1/models/{name}", headers=headers).status_code == 404
        counted = sim.http.post(
            "/v1/messages/count_tokens",
            json={"model": name, "messages": old["messages"]},
            headers=headers,
        )
        assert counted.status_code == 404
    listed = sim.http.get("/v1/models", params={"limit": "1000"}, headers=headers).json()["data"]
    assert len(listed) == 18
    assert {m["id"]: m["retires_at"] for m in listed if m["lifecycle"] == "deprecated"} == {
        "claude-opus-4-5-20251101": "2027-01-22T00:00:00Z",
        "claude-mythos-preview": None,
    }
    sim.tell("clock", {"now": "2027-01-22T17:00:00Z"})
    assert sim.send(question("Hello", "claude-opus-4-5")).status_code == 404


def test_opus_4_8_lost_its_fast_mode_on_a_day(sim: Simulated) -> None:
    fast = question("Hello", "claude-opus-4-8", speed="fast")
    sim.tell("clock", {"now": "2026-11-29T23:59:00Z"})
    assert sim.ask(fast)["usage"]["speed"] == "fast"
    sim.tell("clock", {"now": "2026-11-30T00:00:00Z"})
    refused = sim.send(fast)
    assert refused.status_code == 400
    assert (
        refused.json()["error"]["message"] == "speed: 'fast' is not supported for claude-opus-4-8"
    )
    assert sim.send(question("Hello", "claude-opus-5", speed="fast")).status_code == 200


def test_it_runs_as_a_program_of_its_own() -> None:
    command = [sys.executable, "-m", "app.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert httpx2.get(f"{url}/_sim/health").json()["status"] == "ok"
        finally:
            process.terminate()
            process.wait(timeout=10)


def test_a_taken_port_is_said_in_one_line(sim: Simulated) -> None:
    port = sim.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "app.simulator", "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"cannot listen on 127.0.0.1 port {port}: ")
    assert len(ended.stderr.splitlines()) == 1
