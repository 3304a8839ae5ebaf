"""Each fault, seen from a client: what arrives, and what is billed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from app.simulator.app import create_simulator
from app.simulator.server import _H11, running_simulator
from tests.simulator.client import Json, Simulated, events_of, question

BODY = question("Tell me about rivers and bridges.")
# 33 bytes are 9 tokens and the message 4: 13 x 3,000 nano-USD
INPUT_NANO_USD = 39_000


def raw_exchange(sim: Simulated, body: Json, timeout_s: float = 0.4) -> tuple[bytes, str]:
    """Send over a plain socket; what came back, and how it ended."""
    host, port = sim.url.removeprefix("http://").split(":")
    payload = json.dumps(body).encode()
    head = (
        "POST /v1/messages HTTP/1.1\r\nhost: test\r\nx-api-key: k\r\n"
        f"anthropic-version: 2023-06-01\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.sendall(head.encode() + payload)
        got = b""
        try:
            while chunk := connection.recv(65536):
                got += chunk
        except ConnectionResetError:
            return got, "reset"
        except TimeoutError:
            return got, "silence"
        return got, "closed"


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ({"kind": "status", "status": 429, "retry_after": "7"}, 429, "rate_limit_error"),
        ({"kind": "status", "status": 402}, 402, "billing_error"),
        ({"kind": "overloaded"}, 529, "overloaded_error"),
        ({"kind": "error500"}, 500, "api_error"),
        ({"kind": "status", "status": 504}, 504, "timeout_error"),
        ({"kind": "sse_error"}, 529, "overloaded_error"),
    ],
)
def test_a_status_is_answered_once_and_costs_nothing(
    sim: Simulated, fault: Json, status: int, kind: str
) -> None:
    sim.faults(fault)
    answer = sim.send(BODY)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert answer.json()["request_id"] == answer.headers["request-id"]
    assert answer.headers.get("retry-after") == fault.get("retry_after")
    assert sim.last_entry()["billed_nano_usd"] == 0
    assert sim.last_entry()["fault"] == fault["kind"]
    assert sim.send(BODY).status_code == 200


def test_a_status_may_have_its_own_body_and_headers(sim: Simulated) -> None:
    headers = {"x-should-retry": "false", "content-type": "text/html"}
    sim.faults({"kind": "status", "status": 502, "body": "<html>bad</html>", "headers": headers})
    answer = sim.send(BODY)
    assert (answer.status_code, answer.text) == (502, "<html>bad</html>")
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["content-type"] == "text/html"


def test_faults_are_taken_in_order_one_a_request(sim: Simulated) -> None:
    sim.faults({"kind": "overloaded"}, {"kind": "ok"}, {"kind": "error500"})
    assert [sim.send(BODY).status_code for _ in range(5)] == [529, 200, 500, 200, 200]


def test_repeated_faults_go_round(sim: Simulated) -> None:
    sim.faults({"kind": "overloaded"}, {"kind": "ok"}, repeat=True)
    assert [sim.send(BODY).status_code for _ in range(5)] == [529, 200, 529, 200, 529]


def test_a_matched_fault_leaves_other_requests_alone(sim: Simulated) -> None:
    sim.faults({"kind": "overloaded"}, match={"model": "claude-opus-5"})
    sim.faults({"kind": "error500"}, match={"contains": "volcano"})
    assert sim.send(BODY).status_code == 200
    assert sim.send(BODY | {"model": "claude-opus-5"}).status_code == 529
    assert sim.send(question("A volcano!")).status_code == 500


@pytest.fixture(
    params=[("uvloop", None), ("uvloop", _H11), ("asyncio", None), ("asyncio", _H11)],
    ids=["uvloop-httptools", "uvloop-h11", "asyncio-httptools", "asyncio-h11"],
    scope="module",
)
def any_server(request: pytest.FixtureRequest) -> Iterator[Simulated]:
    loop, http = request.param
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    with running_simulator(create_simulator(), http=http, loop=loop) as url:
        simulated = Simulated(url)
        yield simulated
        simulated.http.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_reset_breaks_the_connection_before_any_byte(
    *, any_server: Simulated, stream: bool
) -> None:
    any_server.tell("reset", {})
    any_server.faults({"kind": "reset"})
    assert raw_exchange(any_server, BODY | {"stream": stream}) == (b"", "reset")
    entry = any_server.last_entry()
    assert (entry["status"], entry["billed_nano_usd"]) == (None, 0)


def test_a_reset_in_mid_stream_comes_after_what_was_sent(any_server: Simulated) -> None:
    any_server.tell("reset", {})
    any_server.faults({"kind": "reset_mid_stream", "after_deltas": 2})
    got, end = raw_exchange(any_server, BODY | {"stream": True})
    assert end == "reset"
    assert got.count(b"event: content_block_delta") == 2
    entry = any_server.last_entry()
    assert (entry["status"], entry["cut"], entry["deltas_sent"]) == (200, True, 2)
    output_tokens = entry["usage"]["output_tokens"]
    assert 2 <= output_tokens <= 12
    assert entry["billed_nano_usd"] == INPUT_NANO_USD + output_tokens * 15_000


ENDINGS: list[tuple[Json, bool, str, int, str]] = [
    # fault, streamed, in what came, how often, how it ended
    ({"kind": "hang"}, False, "HTTP", 0, "silence"),
    ({"kind": "hang_mid_stream", "after_deltas": 4}, True, "_delta\ndata", 4, "silence"),
    ({"kind": "hang_mid_stream"}, False, '"stop_reason"', 0, "silence"),
    ({"kind": "drop_after_generation"}, False, "HTTP", 0, "closed"),
    ({"kind": "drop_after_generation"}, True, "HTTP", 0, "closed"),
    ({"kind": "truncated_body"}, False, '"usage"', 0, "closed"),
]


@pytest.mark.parametrize(("fault", "stream", "part", "times", "ending"), ENDINGS)
def test_an_answer_can_stay_out_or_stop_half_way(
    *, any_server: Simulated, fault: Json, stream: bool, part: str, times: int, ending: str
) -> None:
    any_server.tell("reset", {})
    any_server.faults(fault)
    got, end = raw_exchange(any_server, BODY | {"stream": stream})
    assert end == ending
    assert got.count(part.encode()) == times
    entry = any_server.last_entry()
    assert entry["cut"] is True
    assert (entry["billed_nano_usd"] > 0) is (fault["kind"] != "hang")


@pytest.mark.parametrize(
    ("kind", "billed", "expected"),
    [
        ("drop_after_generation", True, True),
        ("drop_after_generation", False, False),
        ("reset", True, True),
        ("reset", False, False),
        ("reset_mid_stream", False, False),
        ("truncated_body", True, True),
    ],
)
def test_the_script_says_whether_a_broken_answer_is_billed(
    *, sim: Simulated, kind: str, billed: bool, expected: bool
) -> None:
    sim.faults({"kind": kind, "billed": billed})
    with pytest.raises(httpx2.TransportError):
        sim.send(BODY)
    entry = sim.last_entry()
    output = (entry["usage"] or {}).get("output_tokens", 0)
    assert entry["billed_nano_usd"] == (INPUT_NANO_USD + output * 15_000 if expected else 0)


def test_garbage_is_a_good_status_with_bad_json(sim: Simulated) -> None:
    sim.faults({"kind": "garbage"}, {"kind": "garbage"})
    whole = sim.send(BODY)
    assert whole.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        whole.json()
    streamed = sim.send(BODY | {"stream": True})
    with pytest.raises(json.JSONDecodeError):
        events_of(streamed.text)


def test_an_error_event_ends_the_stream(sim: Simulated) -> None:
    sim.faults({"kind": "sse_error", "after_deltas": 2})
    events = sim.stream(BODY)
    names = [name for name, _ in events]
    assert names.count("content_block_delta") == 2
    assert names[-1] == "error"
    assert events[-1][1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}


def test_a_truncated_stream_ends_without_its_last_events(sim: Simulated) -> None:
    sim.faults({"kind": "truncated_body", "after_deltas": 1})
    names = [name for name, _ in sim.stream(BODY)]
    assert names == ["message_start", "ping", "content_block_start", "content_block_delta"]


def test_a_fault_past_the_last_delta_strikes_before_the_final_usage(sim: Simulated) -> None:
    sim.faults({"kind": "truncated_body", "after_deltas": 10_000})
    names = [name for name, _ in sim.stream(BODY)]
    assert names[-1] == "content_block_stop"
    entry = sim.last_entry()
    assert entry["cut"] is True
    whole = sim.ask(BODY)["usage"]
    assert entry["usage"] == whole


@pytest.mark.parametrize(
    "order",
    [
        {"faults": [{"kind": "explode"}]},
        {"faults": [{"kind": "status", "code": 500}]},
        {"faults": [{"kind": "status", "status": "500"}]},
        {"faults": "reset"},
        {},
    ],
)
def test_a_senseless_order_is_refused(sim: Simulated, order: dict[str, Any]) -> None:
    answer = sim.http.post("/_sim/faults", json=order)
    assert answer.status_code == 400
    assert answer.json()["error"]
