from __future__ import annotations

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.running import Gateway, Simulated

HELLO = {"model": "haiku", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


def connected(served: Gateway) -> socket.socket:
    address = urlsplit(served.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def chat_request(
    secret: str, *more: str, body: dict[str, Any] | None = None, version: str = "1.1"
) -> bytes:
    sent = json.dumps(body or HELLO)
    lines = [
        f"POST /v1/chat/completions HTTP/{version}",
        "host: x",
        f"authorization: Bearer {secret}",
        f"content-length: {len(sent)}",
        *more,
    ]
    return "\r\n".join([*lines, "", sent]).encode()


def test_what_is_no_http_gets_an_error_that_can_be_read(served: Gateway) -> None:
    with connected(served) as connection:
        connection.sendall(b"BREW /pot HTCPCP/1.0\r\n\r\n")
        head, body = read_all(connection).split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: req_" in head
    assert json.loads(body)["error"]["code"] == "invalid_request"


def test_a_head_without_end_is_cut_off(served: Gateway) -> None:
    with connected(served) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-long: ")
        answer = b""
        try:
            for _ in range(64):
                connection.sendall(b"a" * 16_384)
                time.sleep(0.005)
            answer = read_all(connection)
        except OSError:
            pass  # cut off while still sending
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_a_large_body_after_a_small_head_is_welcome(served: Gateway, upstream: Simulated) -> None:
    text = "word " * 60_000
    body = {**HELLO, "messages": [{"role": "user", "content": text}]}
    assert served.chat(served.key(), body).status_code == 200
    assert len(upstream.messages()) == 1


def test_an_answer_leaves_whole(served: Gateway) -> None:
    """The head waits for the body, and alone where none follows."""
    for request, ending in (
        (b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n", b"}"),
        (b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n", b"\r\n\r\n"),
        (b"GET /no/such HTTP/1.1\r\nhost: x\r\n\r\n", b"}"),
    ):
        with connected(served) as connection:
            connection.sendall(request)
            answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 ")
        assert answer.endswith(ending)


def test_a_body_that_waits_to_be_asked_for_is_asked_for(served: Gateway) -> None:
    asked = chat_request(served.key(), "expect: 100-continue")
    head, blank, sent = asked.partition(b"\r\n\r\n")
    with connected(served) as connection:
        connection.sendall(head + blank)
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(sent)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_one_connection_carries_many_calls(served: Gateway) -> None:
    asked = chat_request(served.key())
    with connected(served) as connection:
        for _ in range(3):
            connection.sendall(asked)
            answer = b""
            while b'"system_fingerprint"' not in answer:
                answer += connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_one_connection_carries_many_large_calls(served: Gateway) -> None:
    """A later one may have less of its body in a piece than the one before had altogether."""
    secret = served.key()
    asked = [
        chat_request(
            secret,
            body={**HELLO, "messages": [{"role": "user", "content": "word " * words}]},
        )
        for words in (90_000, 60_000, 40_000, 30_000)
    ]
    with connected(served) as connection:
        for request in asked:
            connection.sendall(request)
            answer = b""
            while b'"system_fingerprint"' not in answer:
                part = connection.recv(65_536)
                assert part, answer
                answer += part
            assert answer.startswith(b"HTTP/1.1 200 "), answer


def test_a_caller_that_asked_for_more_and_leaves_is_noticed_by_the_call_that_runs(
    served: Gateway, upstream: Simulated
) -> None:
    asked = chat_request(served.key(), body={**HELLO, "stream": True})
    upstream.pace(delta_interval_s=0.5)
    with connected(served) as connection:
        connection.sendall(2 * asked)
        begun = connection.recv(65_536)
    assert begun.startswith(b"HTTP/1.1 200 ")
    request_id = begun.partition(b"x-request-id: ")[2].partition(b"\r\n")[0].decode()
    deadline_s = time.monotonic() + 3
    while (row := served.row(request_id))["state"] == "reserved":
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert (row["status"], row["error_code"]) == (499, "client_disconnected")
    assert len(upstream.messages()) == 1  # what it asked for next was never begun
    assert "Traceback" not in served.log_text()


def test_answers_to_calls_that_were_asked_at_once_come_in_their_order(served: Gateway) -> None:
    secret = served.key()
    with connected(served) as connection:
        connection.sendall(chat_request(secret) + chat_request("tk-unknown") + chat_request(secret))
        answer = b""
        while answer.count(b'"system_fingerprint"') < 2:
            answer += connection.recv(65_536)
    statuses = [part.split(b" ", 1)[0] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"401", b"200"]


def test_who_wants_the_connection_closed_finds_it_closed(served: Gateway) -> None:
    secret = served.key()
    for request in (
        chat_request(secret, "connection: close"),
        chat_request(secret, version="1.0"),
    ):
        with connected(served) as connection:
            connection.sendall(request)
            head, body = read_all(connection).split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nconnection: close" in head
        assert json.loads(body)["object"] == "chat.completion"


def test_an_answer_has_each_of_the_servers_own_headers_once(served: Gateway) -> None:
    with connected(served) as connection:
        connection.sendall(chat_request(served.key()))
        head = connection.recv(65_536).partition(b"\r\n\r\n")[0]
    names = [line.partition(b": ")[0] for line in head.split(b"\r\n")[1:]]
    assert sorted(names) == sorted(set(names))
    assert {b"date", b"content-type", b"content-length", b"x-request-id"} <= set(names)
    assert b"server" not in names


def test_who_is_refused_is_not_asked_for_the_body_any_more(served: Gateway) -> None:
    head = chat_request("tk-unknown", "expect: 100-continue").partition(b"\r\n\r\n")[0]
    with connected(served) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 401 ")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(65_536)
