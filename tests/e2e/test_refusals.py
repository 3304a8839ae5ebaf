"""Every id that a refused caller was shown is found again, with why, and without any secret."""

from __future__ import annotations

import socket
import time
from typing import Any

import httpx2
import pytest

from tests.running import MASTER_KEY, Gateway

CALL: dict[str, Any] = {
    "model": "haiku",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "hello"}],
}
RESPONSE = {"model": "haiku", "input": "hello", "max_output_tokens": 20}
ROUTES = [
    ("/v1/chat/completions", CALL, "openai_chat"),
    ("/v1/responses", RESPONSE, "openai_responses"),
    ("/v1/messages", CALL, "anthropic_messages"),
]


def kept(served: Gateway, answer: httpx2.Response) -> dict[str, Any]:
    """What is told of it under its id; in the list it is told the same."""
    row = served.row(answer.headers["x-request-id"])
    assert row["id"] == answer.headers["x-request-id"]
    assert (row["state"], row["status"], row["count"]) == ("refused", answer.status_code, 1)
    assert row["error_code"] == row["code"]
    listed = served.admin("GET", f"refusals?code={row['code']}&limit=1000")["data"]
    own = {name: value for name, value in row.items() if name not in ("error_code", "cost_usd")}
    assert own in listed
    return row


@pytest.mark.parametrize(("path", "body", "dialect"), ROUTES)
@pytest.mark.parametrize("stream", [False, True])
def test_each_kind_of_refusal_is_kept_on_every_route(
    served: Gateway, path: str, body: dict[str, Any], dialect: str, *, stream: bool
) -> None:
    time.sleep(0.3)  # not all within one second
    body = {**body, "stream": stream}
    plain = served.admin("POST", "keys", {"name": "plain"})
    poor = served.admin("POST", "keys", {"name": "poor", "max_budget_usd": "0.000001"})
    bound = served.admin("POST", "keys", {"name": "bound", "models": ["haiku"]})

    nobody = kept(served, served.post(path, "tk-nobody-knows-this-key-at-all", body))
    assert (nobody["code"], nobody["key_id"], nobody["model"]) == ("invalid_api_key", None, None)
    assert nobody["dialect"] == dialect

    broke = kept(served, served.post(path, poor["key"], body))
    assert (broke["code"], broke["key_id"]) == ("budget_exceeded", poor["id"])
    assert (broke["model"], broke["dialect"]) == ("haiku", dialect)
    assert (broke["budget"]["scope"], broke["budget"]["limit_usd"]) == ("key", "0.000001")
    assert broke["budget"]["needed_usd"] in broke["message"]

    barred = kept(served, served.post(path, bound["key"], {**body, "model": "sonnet"}))
    assert (barred["code"], barred["model"]) == ("model_not_allowed", "sonnet")

    missing = kept(served, served.post(path, plain["key"], {**body, "model": "gpt-5"}))
    assert (missing["code"], missing["model"]) == ("model_not_found", "gpt-5")

    odd = kept(served, served.post(path, plain["key"], {**body, "model": 7}))
    assert (odd["code"], odd["model"]) == ("invalid_request", None)

    first = served.post(path, plain["key"], body, **{"idempotency-key": f"{dialect}{stream}"})
    assert first.status_code == 200
    again = served.post(path, plain["key"], body, **{"idempotency-key": f"{dialect}{stream}"})
    assert kept(served, again)["code"] == "duplicate_request"


def test_what_no_route_served_is_kept_too(served: Gateway) -> None:
    key = served.key()
    own = kept(served, served.post("/v1/embeddings", key, {}))
    assert (own["code"], own["dialect"]) == ("not_supported", None)
    assert kept(served, served.post("/wrong/base", key, {}))["code"] == "not_supported"
    assert kept(served, served.http.get(f"{served.url}/v1/models"))["code"] == "invalid_api_key"
    large = {"content-length": str(64 * 1024 * 1024)}
    with socket.create_connection(("127.0.0.1", int(served.url.rsplit(":", 1)[1]))) as wire:
        head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n"
        head += f"content-length: {large['content-length']}\r\n\r\n"
        wire.sendall(head.encode())
        said = wire.recv(65_536).decode()
    too_large = served.row(header(said, "x-request-id"))
    assert (too_large["code"], too_large["status"]) == ("request_too_large", 413)
    assert too_large["key_id"] is not None


def test_what_was_no_http_is_kept(served: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rsplit(":", 1)[1]))) as wire:
        wire.sendall(b"this is no HTTP at all\r\n\r\n")
        said = wire.recv(65_536).decode()
    shown = served.row(header(said, "x-request-id"))
    assert (shown["status"], shown["code"], shown["key_id"]) == (400, "invalid_request", None)


def header(said: str, name: str) -> str:
    lines = said.split("\r\n\r\n", 1)[0].split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)[name]


def test_a_token_count_that_failed_is_kept(served: Gateway) -> None:
    prompt = {"model": "haiku", "messages": CALL["messages"], "tool_choice": {"type": "x"}}
    answer = served.post("/v1/messages/count_tokens", served.key(), prompt)
    assert answer.status_code == 400
    assert kept(served, answer)["dialect"] == "anthropic_messages"


def test_an_operators_own_mistakes_are_not_calls(served: Gateway) -> None:
    before = len(served.admin("GET", "refusals?limit=1000")["data"])
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    for path in ("requests/req_0", "keys/none", "refusals?colour=red", "refusals?limit=0"):
        answer = served.http.get(f"{served.url}/admin/{path}", headers=headers)
        assert answer.status_code in (400, 404)
    for path in ("favicon.ico", "robots.txt", "admin/nothing", "ui/nothing"):
        assert served.http.get(f"{served.url}/{path}").status_code in (303, 401, 404)
    assert len(served.admin("GET", "refusals?limit=1000")["data"]) == before


def test_a_key_in_a_wrong_place_is_kept_nowhere(served: Gateway) -> None:
    key = served.key()
    for wrong in (key, MASTER_KEY, "sk-ant-REDACTED"):
        missing = kept(served, served.chat(key, {**CALL, "model": wrong}))
        assert "[secret]" in missing["message"]
        assert "[secret]" in missing["model"]
        kept(served, served.http.get(f"{served.url}/v1/{wrong}", headers={"x-api-key": key}))
        kept(served, served.http.get(f"{served.url}/other/{wrong}"))
    served.stop()
    on_disk = b"".join(file.read_bytes() for file in served.folder.rglob("*") if file.is_file())
    for secret in (key, MASTER_KEY, "abcdefghijklmnopqrstuvwxyz"):
        assert secret.encode() not in on_disk
