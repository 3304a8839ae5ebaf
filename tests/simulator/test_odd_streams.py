"""Streams that go wrong in the ways that upstreams and the boxes before them have."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from tests.simulator.client import Json, Simulated, events_of, question

BODY = question("Tell me about rivers and bridges.", stream=True)
# 33 bytes are 9 tokens and the message 4: 13 x 3,000 nano-USD
INPUT_NANO_USD = 39_000


def raw_exchange(
    sim: Simulated, *bodies: Json, timeout_s: float = 0.4
) -> list[tuple[list[bytes], str]]:
    """One request after the other on a connection; the reads of each answer and how it ended."""
    host, port = sim.url.removeprefix("http://").split(":")
    found = []
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        for body in bodies:
            payload = json.dumps(body).encode()
            head = (
                "POST /v1/messages HTTP/1.1\r\nhost: test\r\nx-api-key: sk-very-secret\r\n"
                f"anthropic-version: 2023-06-01\r\ncontent-length: {len(payload)}\r\n\r\n"
            )
            connection.sendall(head.encode() + payload)
            found.append(read_all(connection))
    return found


def read_all(connection: socket.socket) -> tuple[list[bytes], str]:
    got: list[bytes] = []
    try:
        while chunk := connection.recv(65536):
            got.append(chunk)
            if chunk.endswith(b"0\r\n\r\n"):
                return got, "whole"
    except ConnectionResetError:
        return got, "reset"
    except TimeoutError:
        return got, "silence"
    return got, "closed"


def names(text: str) -> list[str]:
    return [line.removeprefix("event: ") for line in text.split("\n") if line.startswith("event")]


@pytest.mark.parametrize("then", ["end", "close", "reset", "hang"])
def test_a_stream_can_be_cut_inside_an_event(sim: Simulated, then: str) -> None:
    sim.faults({"kind": "cut_in_event", "after_deltas": 2, "then": then})
    [(got, ending)] = raw_exchange(sim, BODY)
    assert ending == {"end": "whole", "close": "closed", "reset": "reset", "hang": "silence"}[then]
    text = b"".join(got)
    assert text.count(b"event: content_block_delta\ndata: {") == 3
    assert text.count(b"}\n\n") == 5  # message_start, ping, block_start and two deltas
    entry = sim.last_entry()
    assert (entry["cut"], entry["deltas_sent"]) == (True, 2)
    output = entry["usage"]["output_tokens"]
    assert 2 <= output <= 12
    assert entry["billed_nano_usd"] == INPUT_NANO_USD + output * 15_000


def test_an_error_can_come_first_in_pieces_after_comments_and_pings(sim: Simulated) -> None:
    order = {"kind": "error_first", "comments": 1, "pings": 2, "pieces": 5, "line_end": "\r\n"}
    sim.faults(order, order | {"error_type": "rate_limit_error", "line_end": "\n", "pieces": 1})
    [(got, ending)] = raw_exchange(sim, BODY)
    assert ending == "whole"
    # the head, a comment, two pings, five pieces and the last chunk; some may come together
    assert len(got) >= 7
    text = b"".join(got).split(b"\r\n\r\n", 1)[1]
    assert b": still here\r\n\r\n" in text
    assert text.count(b"event: ping\r\n") == 2
    second = sim.send(BODY)
    assert second.status_code == 200
    [*_, (name, data)] = events_of(second.text.removeprefix(": still here\n\n"))
    assert (name, data["error"]["type"]) == ("error", "rate_limit_error")
    assert [entry["billed_nano_usd"] for entry in sim.log()] == [0, 0]


@pytest.mark.parametrize(
    ("error_type", "status"),
    [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500)],
)
def test_an_error_first_has_its_status_where_nothing_is_streamed(
    sim: Simulated, error_type: str, status: int
) -> None:
    sim.faults({"kind": "error_first", "error_type": error_type})
    answer = sim.send(BODY | {"stream": False})
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, error_type)


AFTER: list[tuple[str, str, bytes]] = [
    # then, how it ends, what the stream ends with
    ("close", "closed", b'{"type":"message_stop"}\n\n\r\n'),
    ("reset", "reset", b'{"type":"message_stop"}\n\n\r\n'),
    ("hang", "silence", b'{"type":"message_stop"}\n\n\r\n'),
    ("no_blank_line", "whole", b'{"type":"message_stop"}\r\n0\r\n\r\n'),
    ("done", "whole", b"data: [DONE]\n\n\r\n0\r\n\r\n"),
    ("garbage", "whole", b'"content_block_de\n\n\r\n0\r\n\r\n'),
    ("end", "whole", b'{"type":"message_stop"}\n\n\r\n0\r\n\r\n'),
]


@pytest.mark.parametrize(("then", "ending", "last"), AFTER, ids=[row[0] for row in AFTER])
def test_what_comes_after_the_answer_changes_no_bill(
    sim: Simulated, then: str, ending: str, last: bytes
) -> None:
    sim.faults({"kind": "after_stop", "then": then})
    [(got, ended)] = raw_exchange(sim, BODY)
    assert ended == ending
    assert b"".join(got).endswith(last)
    usage = sim.ask(BODY | {"stream": False})["usage"]
    entry = sim.log()[0]
    assert entry["usage"] == usage
    assert entry["billed_nano_usd"] == INPUT_NANO_USD + usage["output_tokens"] * 15_000


def test_the_answer_may_be_followed_by_an_error_or_lack_its_end(sim: Simulated) -> None:
    sim.faults({"kind": "after_stop", "then": "error"}, {"kind": "after_stop", "then": "no_stop"})
    assert [name for name, _ in sim.stream(BODY)][-2:] == ["message_stop", "error"]
    assert [name for name, _ in sim.stream(BODY)][-1] == "message_delta"


@pytest.mark.parametrize(
    "fault", [{"kind": "endless_pings", "after_deltas": 2}, {"kind": "after_stop", "then": "pings"}]
)
def test_pings_can_go_on_until_the_caller_leaves(sim: Simulated, fault: Json) -> None:
    sim.faults(fault | {"delta_interval_s": 0.01})
    with sim.http.stream("POST", "/v1/messages", json=BODY, headers=sim.headers()) as answer:
        pings = 0
        for line in answer.iter_lines():
            pings += line == "event: ping"
            if pings > 10:
                break
    assert pings == 11
    assert sim.last_entry()["billed_nano_usd"] > INPUT_NANO_USD


def test_a_second_start_says_that_the_prompt_was_nearly_nothing(sim: Simulated) -> None:
    sim.faults({"kind": "second_start", "after_deltas": 2})
    starts = [data for name, data in sim.stream(BODY) if name == "message_start"]
    assert [start["message"]["usage"]["input_tokens"] for start in starts] == [13, 1]
    assert sim.last_entry()["usage"]["input_tokens"] == 13


def test_counts_can_fall_and_the_bill_does_not(sim: Simulated) -> None:
    sim.faults({"kind": "falling_counts"})
    deltas = [data["usage"] for name, data in sim.stream(BODY) if name == "message_delta"]
    assert deltas[1] == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    }
    output = deltas[0]["output_tokens"]
    assert output > 40
    assert sim.last_entry()["billed_nano_usd"] == INPUT_NANO_USD + output * 15_000


def test_text_can_go_on_after_the_first_figures(sim: Simulated) -> None:
    sim.faults({"kind": "early_delta", "after_deltas": 2}, {"kind": "early_delta"})
    events = sim.stream(BODY)
    at = [n for n, (name, _) in enumerate(events) if name == "message_delta"]
    assert len(at) == 2
    early, last = events[at[0]][1], events[at[1]][1]
    assert (early["delta"]["stop_reason"], last["delta"]["stop_reason"]) == (None, "end_turn")
    assert early["usage"]["output_tokens"] < last["usage"]["output_tokens"]
    assert sum(name == "content_block_delta" for name, _ in events[at[0] :]) > 5
    assert sim.last_entry()["usage"]["output_tokens"] == last["usage"]["output_tokens"]


def test_a_caller_that_leaves_after_the_first_figures_pays_for_what_was_sent(
    sim: Simulated,
) -> None:
    sim.faults({"kind": "early_delta", "after_deltas": 1, "delta_interval_s": 0.05})
    with sim.http.stream("POST", "/v1/messages", json=BODY, headers=sim.headers()) as answer:
        seen: list[str] = []
        for line in answer.iter_lines():
            seen.append(line)
            if seen.count("event: content_block_delta") == 3:
                break
    entry = sim.last_entry()
    assert (entry["client_gone"], entry["cut"]) == (True, True)
    whole = sim.ask(BODY | {"stream": False})["usage"]["output_tokens"]
    assert 0 < entry["usage"]["output_tokens"] < whole


def test_writes_can_come_late_and_unsplit(sim: Simulated) -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "s" * 8_000, "cache_control": mark}]
    sim.faults({"kind": "unsplit_writes"})
    events = sim.stream(BODY | {"system": system})
    assert not [name for name in events[0][1]["message"]["usage"] if "cache" in name]
    usage = next(data["usage"] for name, data in events if name == "message_delta")
    assert usage["cache_creation_input_tokens"] == 2_000
    assert "cache_creation" not in usage
    # 2,000 tokens for an hour at $6 per million, 13 more in, and the output
    output = usage["output_tokens"]
    assert sim.last_entry()["billed_nano_usd"] == 12_000_000 + 39_000 + output * 15_000


def test_an_error_page_is_html(sim: Simulated) -> None:
    sim.faults({"kind": "html_error"}, {"kind": "html_error", "status": 503, "body": "<p>"})
    first, second = sim.send(BODY), sim.send(BODY)
    assert (first.status_code, second.status_code, second.text) == (502, 503, "<p>")
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.text.startswith("<html>")


def test_an_error_can_give_the_key_away(sim: Simulated) -> None:
    sim.faults({"kind": "echo_key"}, {"kind": "echo_key", "status": 400})
    answer = sim.send(BODY, key="sk-very-secret")
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "invalid x-api-key: sk-very-secret"
    assert sim.send(BODY, key="sk-very-secret").status_code == 400
    assert "sk-very-secret" not in json.dumps(sim.log())


@pytest.mark.parametrize("stream", [False, True])
def test_a_200_can_have_an_error_in_it(*, sim: Simulated, stream: bool) -> None:
    sim.faults({"kind": "error_in_200", "error_type": "api_error"})
    answer = sim.send(BODY | {"stream": stream})
    assert (answer.status_code, answer.json()["error"]["type"]) == (200, "api_error")
    assert answer.headers["content-type"] == "application/json"
    assert sim.last_entry()["billed_nano_usd"] == 0


def test_only_a_connection_that_was_kept_alive_is_reset(sim: Simulated) -> None:
    sim.faults({"kind": "reset_kept_alive"})
    [(first, one), (second, other)] = raw_exchange(sim, BODY, BODY)
    assert (one, other, second) == ("whole", "reset", [])
    assert b"message_stop" in b"".join(first)
    entries = sim.log()
    assert [entry["fault"] for entry in entries] == [None, "reset_kept_alive"]
    assert [entry["billed_nano_usd"] > 0 for entry in entries] == [True, False]


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_can_come_slowly_in_pieces(*, sim: Simulated, stream: bool) -> None:
    sim.faults({"kind": "slow", "pieces": 4, "delta_interval_s": 0.01 if stream else 0.1})
    begun_s = time.monotonic()
    [(got, ending)] = raw_exchange(sim, BODY | {"stream": stream, "max_tokens": 12})
    assert ending == ("whole" if stream else "silence")
    assert time.monotonic() - begun_s >= 0.2  # pieces that come together were sent apart
    assert len(got) >= 3
    assert sim.last_entry()["cut"] is False


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_lines_can_end_as_the_standard_allows(sim: Simulated, line_end: str) -> None:
    sim.faults({"kind": "ok", "line_end": line_end})
    text = sim.send(BODY).text
    assert "\n" not in text.replace(line_end, "")
    assert names(text.replace(line_end, "\n"))[-1] == "message_stop"


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "cut_in_event", "then": "done"},
        {"kind": "after_stop", "then": "explode"},
        {"kind": "ok", "line_end": "x"},
        {"kind": "ok", "pieces": 0},
        {"kind": "error_first", "pings": -1},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(sim: Simulated, order: dict[str, Any]) -> None:
    assert sim.http.post("/_sim/faults", json={"faults": [order]}).status_code == 400


def test_the_help_names_every_kind_of_fault(sim: Simulated) -> None:
    told = sim.http.get("/_sim/help").text
    refusal = sim.http.post("/_sim/faults", json={"faults": [{"kind": "?"}]}).json()["error"]
    kinds = refusal.partition("is not one of ")[2].split(", ")
    assert len(kinds) == 25
    assert [kind for kind in kinds if kind not in told] == []
