"""What comes in by raw sockets: trailers, bodies that never end, other protocols, odd paths."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.running import MASTER_KEY, Gateway, Simulated, gateway

CONFIG = "server: {body_timeout_s: 1, max_pending_bytes: 300000}\n"
HELLO = {"model": "haiku", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
BODY = json.dumps(HELLO).encode()
ROUTES = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens")


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("doors")
    with gateway(folder, upstream.url, config=CONFIG) as running:
        yield running


def connected(served: Gateway) -> socket.socket:
    address = urlsplit(served.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=20)


def head(path: str, *lines: str, method: str = "POST", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "host: x", *lines, "", ""]).encode()


def chunked(body: bytes, *trailers: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, b"".join(t + b"\r\n" for t in trailers))


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer that tells its length, or ends with the connection."""
    with connection.makefile("rb") as reader:
        status = int(reader.readline().split()[1])
        headers: dict[str, str] = {}
        while line := reader.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        length = headers.get("content-length")
        return status, headers, reader.read() if length is None else reader.read(int(length))


def asked(served: Gateway, *sent: bytes) -> tuple[int, dict[str, str], bytes]:
    with connected(served) as connection:
        for part in sent:
            connection.sendall(part)
        return answer_of(connection)


def hello(path: str, **more: Any) -> dict[str, Any]:
    """A body that the route behind `path` takes."""
    if "count_tokens" in path:
        return {name: value for name, value in HELLO.items() if name != "max_tokens"}
    if "responses" in path:
        return {"model": "haiku", "input": "Hello", **more}
    return {**HELLO, **more}


def bearer(secret: str) -> str:
    return f"authorization: Bearer {secret}"


CHUNKED = "transfer-encoding: chunked"


@pytest.mark.parametrize("path", ROUTES)
def test_a_key_in_a_trailer_opens_nothing(served: Gateway, path: str) -> None:
    secret = served.key().encode()
    for trailer in (b"authorization: Bearer " + secret, b"x-api-key: " + secret):
        status, _, body = asked(served, head(path, CHUNKED), chunked(BODY, trailer))
        assert status == 401, body


def test_the_master_key_in_a_trailer_opens_nothing(served: Gateway) -> None:
    sent = chunked(b'{"name": "smuggled"}', f"authorization: Bearer {MASTER_KEY}".encode())
    status, _, _ = asked(
        served, head("/admin/keys", CHUNKED, "content-type: application/json"), sent
    )
    assert status == 401


def test_an_idempotency_key_in_a_trailer_counts_for_nothing(
    served: Gateway, upstream: Simulated
) -> None:
    secret = served.key()
    for _ in range(2):
        start = head("/v1/chat/completions", CHUNKED, bearer(secret))
        status, _, body = asked(served, start, chunked(BODY, b"idempotency-key: once"))
        assert status == 200, body
    assert len(upstream.messages()) == 2


@pytest.mark.parametrize(
    "flood",
    [
        b"x-trailer: " + b"a" * 4_000_000,
        b"".join(b"x-%d: a\r\n" % number for number in range(400_000)),
    ],
    ids=["one_long", "many_short"],
)
def test_trailers_without_end_are_cut_off_and_stall_nobody(served: Gateway, flood: bytes) -> None:
    with connected(served) as connection:
        connection.sendall(head("/v1/chat/completions", CHUNKED, bearer(served.key())))
        connection.sendall(b"5\r\nhello\r\n0\r\n")
        try:
            connection.sendall(flood)
            answered = connection.recv(65_536)
        except OSError:
            answered = b""  # cut off while still sending
    assert answered == b"" or answered.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 "))
    assert httpx2.get(f"{served.url}/health/live", timeout=5).status_code == 200


def test_chunk_extensions_without_end_are_cut_off(served: Gateway) -> None:
    with connected(served) as connection:
        connection.sendall(head("/v1/chat/completions", CHUNKED, bearer(served.key())))
        try:
            connection.sendall(b"5;" + b"a" * 4_000_000)
            answered = connection.recv(65_536)
        except OSError:
            answered = b""
    assert answered == b"" or answered.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", [*ROUTES, "/admin/keys"])
@pytest.mark.parametrize("begun", [b"", b'{"model": '], ids=["nothing", "some"])
def test_a_body_that_never_ends_is_answered_408(served: Gateway, path: str, begun: bytes) -> None:
    key = MASTER_KEY if path.startswith("/admin") else served.key()
    started_s = time.monotonic()
    lines = (bearer(key), "content-length: 1000", "content-type: application/json")
    with connected(served) as connection:
        connection.sendall(head(path, *lines) + begun)
        status, headers, body = answer_of(connection)
        assert connection.recv(1) == b""
    assert 0.9 < time.monotonic() - started_s < 10
    assert (status, headers["connection"]) == (408, "close")
    assert headers["x-request-id"].startswith("req_")
    error = json.loads(body)["error"]
    assert error["message"] == "the request's body did not arrive in time"
    if path.startswith("/v1/messages"):
        assert error["type"] == "timeout_error"
    else:
        assert error["code"] == "request_timeout"


@pytest.mark.parametrize("path", ROUTES)
def test_bodies_that_hold_too_much_together_are_answered_503(served: Gateway, path: str) -> None:
    lines = (bearer(served.key()), "content-length: 1000000")
    with connected(served) as first, connected(served) as second:
        first.sendall(head(path, *lines) + b" " * 200_000)
        time.sleep(0.3)
        second.sendall(head(path, *lines) + b" " * 200_000)
        status, headers, body = answer_of(second)
    assert (status, headers["retry-after"]) == (503, "1")
    error = json.loads(body)["error"]
    assert error.get("code", error["type"]) in ("gateway_overloaded", "overloaded_error")
    assert served.post(path, served.key(), hello(path)).status_code == 200


def test_a_caller_that_leaves_gives_its_memory_back(served: Gateway) -> None:
    secret = served.key()
    for _ in range(4):
        with connected(served) as connection:
            lines = (bearer(secret), "content-length: 1000000")
            connection.sendall(head("/v1/chat/completions", *lines) + b" " * 250_000)
            time.sleep(0.2)
        time.sleep(0.2)
    assert served.chat(secret, HELLO).status_code == 200


@pytest.mark.parametrize("split", [False, True], ids=["at_once", "in_pieces"])
@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
def test_a_request_that_asks_for_another_protocol_is_served_by_this_one(
    served: Gateway, upgrade: str, *, split: bool
) -> None:
    lines = (
        bearer(served.key()),
        f"content-length: {len(BODY)}",
        "Connection: Upgrade, HTTP2-Settings",
        f"Upgrade: {upgrade}",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    request = head("/v1/chat/completions", *lines) + BODY
    sent = [request[n : n + 7] for n in range(0, len(request), 7)] if split else [request]
    with connected(served) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for part in sent:
                connection.sendall(part)
            status, headers, body = answer_of(connection)
            assert status == 200, body
            assert "upgrade" not in headers
            assert json.loads(body)["object"] == "chat.completion"


def test_who_asks_for_a_tunnel_is_refused_at_once(served: Gateway) -> None:
    status, headers, body = asked(served, head("example.com:443", method="CONNECT"))
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["error"]["message"] == "CONNECT is not supported: this is no proxy"


@pytest.mark.parametrize("path", ROUTES[:3])
def test_a_caller_of_http_1_0_gets_no_chunks(served: Gateway, path: str) -> None:
    body = json.dumps(hello(path, stream=True)).encode()
    start = head(path, bearer(served.key()), f"content-length: {len(body)}", version="1.0")
    status, headers, streamed = asked(served, start + body)
    assert status == 200
    assert "transfer-encoding" not in headers
    assert headers["connection"] == "close"
    assert streamed.startswith((b"data: {", b"event: "))
    assert streamed.endswith(b"\n\n")
    assert all(
        line.partition(b": ")[0] in (b"data", b"event", b"") for line in streamed.split(b"\n")
    )


@pytest.mark.parametrize(
    "path",
    [
        prefix + plain + suffix
        for plain in ("/chat/completions", "/responses", "/messages", "/messages/count_tokens")
        for prefix, suffix in (
            *(("", ""), ("/v1/v1", ""), ("/v1", "/"), ("//v1", ""), ("/v1/", "")),
            *(("/", "/"), ("/v1//v1/", "//"), ("/v1", "?beta=true")),
        )
    ],
)
def test_every_idea_of_a_base_url_leads_there(served: Gateway, path: str) -> None:
    answer = served.post(path, served.key(), hello(path))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/models", "/v1/v1/models/", "//v1/models", "/v1//models"])
def test_the_list_of_models_is_found_as_well(served: Gateway, path: str) -> None:
    key = {"x-api-key": served.key()}
    assert served.http.get(f"{served.url}{path}", headers=key).json()["object"] == "list"
    one = served.http.get(f"{served.url}{path.rstrip('/')}/claude-sonnet-4-6/", headers=key)
    assert one.json()["id"] == "claude-sonnet-4-6"
    assert served.http.get(f"{served.url}/v1/v1/key/", headers=key).json()["name"] == "test"


@pytest.mark.parametrize(
    ("method", "path", "dialect"),
    [
        ("GET", "/v1/chat/completions", "openai"),
        ("GET", "/v1/messages", "anthropic"),
        ("POST", "/v1/messages/batches", "anthropic"),
        ("POST", "/v1/embeddings", "openai"),
        ("DELETE", "/v1/models/haiku", "openai"),
        ("POST", "/v1", "openai"),
        ("POST", "/v1/v1/", "openai"),
    ],
)
def test_what_is_not_served_is_told_with_what_is(
    served: Gateway, method: str, path: str, dialect: str
) -> None:
    answer = served.http.request(method, f"{served.url}{path}", headers={"x-api-key": served.key()})
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert "POST /v1/chat/completions" in error["message"]
    if dialect == "anthropic":
        assert error["type"] == "not_found_error"
    else:
        assert error["code"] == "not_supported"


def test_a_known_key_opens_whatever_stands_beside_it(served: Gateway) -> None:
    secret = served.key()
    for own in ("Bearer sk-ant-0123456789abcdef", "Bearer", "Basic dXNlcjpwYXNz"):
        sent = {"authorization": own, "x-api-key": secret}
        answer = served.http.post(f"{served.url}/v1/messages", json=HELLO, headers=sent)
        assert answer.status_code == 200, (own, answer.text)
    for foreign in ("sk-ant-0123456789abcdef", ""):
        sent = {"authorization": f"Bearer {secret}", "x-api-key": foreign}
        answer = served.http.post(f"{served.url}/v1/messages", json=HELLO, headers=sent)
        assert answer.status_code == 200, (foreign, answer.text)


def test_a_key_that_may_call_opens_beside_one_that_no_longer_may(served: Gateway) -> None:
    made = served.admin("POST", "keys", {"name": "revoked"})
    served.admin("DELETE", f"keys/{made['id']}")
    revoked, secret, url = made["key"], served.key(), f"{served.url}/v1/messages"
    for bearer, api_key in ((revoked, secret), (secret, revoked)):
        sent = {"authorization": f"Bearer {bearer}", "x-api-key": api_key}
        assert served.http.post(url, json=HELLO, headers=sent).status_code == 200
    for bearer, api_key in ((revoked, "tk-nobody"), ("tk-nobody", revoked)):
        sent = {"authorization": f"Bearer {bearer}", "x-api-key": api_key}
        answer = served.http.post(url, json=HELLO, headers=sent)
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == "this API key was revoked"


def test_two_lines_of_betas_go_up_as_one_list(served: Gateway, upstream: Simulated) -> None:
    sent = [
        ("x-api-key", served.key()),
        ("anthropic-beta", "effort-2025-11-24"),
        ("anthropic-beta", "context-management-2025-06-27"),
        ("anthropic-version", "2023-06-01"),
    ]
    answer = served.http.post(f"{served.url}/v1/messages", json=HELLO, headers=sent)
    assert answer.status_code == 200, answer.text
    [entry] = upstream.messages()
    assert entry["headers"]["anthropic-beta"] == "effort-2025-11-24,context-management-2025-06-27"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_probe_may_ask_for_the_head_alone(served: Gateway, path: str) -> None:
    answer = served.http.head(f"{served.url}{path}")
    assert (answer.status_code, answer.content) == (200, b"")


def test_only_operators_are_told_details_of_readiness(served: Gateway) -> None:
    url = f"{served.url}/health/ready"
    assert served.http.get(url).json() == {"status": "ready"}
    for headers in ({"x-api-key": served.key()}, {"authorization": "Bearer nonsense"}):
        assert served.http.get(url, headers=headers).json() == {"status": "ready"}
    told: dict[str, Any] = served.http.get(url, headers={"x-api-key": MASTER_KEY}).json()
    assert told["config_refused"] is None


@pytest.mark.parametrize("path", ROUTES)
def test_the_name_of_a_session_is_the_gateways_own(
    served: Gateway, upstream: Simulated, path: str
) -> None:
    body = {**hello(path), "session_id": "s-1"}
    answer = served.post(path, served.key(max_budget_usd="5.00"), body)
    assert answer.status_code == 200, answer.text
    assert "session_id" not in answer.headers.get("x-tollkeeper-dropped-params", "")
    (entry,) = [entry for entry in upstream.log() if entry["path"].startswith("/v1/messages")]
    assert "session_id" not in entry["body"]
