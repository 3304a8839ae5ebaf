"""The shape of every refusal, by the place that can refuse: in the caller's dialect, with an id."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.api.document import document
from tests.running import MASTER_KEY, Gateway, Simulated, gateway

QUESTION = [{"role": "user", "content": "Why is the sky blue?"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "haiku", "max_tokens": 100, "messages": QUESTION},
    "/v1/responses": {"model": "haiku", "max_output_tokens": 100, "input": "Why?"},
    "/v1/messages": {"model": "haiku", "max_tokens": 100, "messages": QUESTION},
    "/v1/messages/count_tokens": {"model": "haiku", "messages": QUESTION},
}
CALLS = pytest.mark.parametrize("path", BODIES)
BILLED = pytest.mark.parametrize("path", [path for path in BODIES if "count" not in path])
SMALL = "server: {max_body_bytes: 2000}\nretries: {max_attempts: 1}\n"


@pytest.fixture(scope="module")
def served(upstream: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("small"), upstream.url, config=SMALL) as running:
        yield running


@pytest.fixture(scope="module")
def secret(served: Gateway) -> str:
    return served.key()


def assert_shape(answer: httpx2.Response, path: str, status: int, code: str, kind: str) -> None:
    """`code` where the shape is OpenAI's, `kind` where it is Anthropic's."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    body = answer.json()
    if path.startswith("/v1/messages"):
        assert body["type"] == "error"
        assert body["error"]["type"] == kind
        assert body["error"]["message"]
        assert body["request_id"]
        assert answer.headers["request-id"]
    else:
        assert body.keys() == {"error"}
        assert {"message", "type", "param", "code"} <= body["error"].keys()
        assert body["error"]["code"] == code
        assert body["error"]["message"]


def sent(served: Gateway, method: str, path: str, key: str | None, **more: Any) -> httpx2.Response:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return served.http.request(method, f"{served.url}{path}", headers=headers, **more)


# --- the door: no key, a wrong key, the other kind of key


CLOSED = [
    (method, path.replace("{", "").replace("}", ""))
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
    if operation["security"]
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_no_route_opens_without_its_own_key(
    served: Gateway, secret: str, method: str, path: str
) -> None:
    others = MASTER_KEY if path.startswith("/v1/") else secret
    told = (b"", b"Bearer", b"Basic YTpi", b"Bearer tk-nobody", b"Bearer tk-\xe9")
    for authorization in (*told, b"Bearer " + others.encode()):
        headers = {b"authorization": authorization}
        answer = served.http.request(method, f"{served.url}{path}", headers=headers, content=b"{}")
        assert_shape(answer, path, 401, "invalid_api_key", "authentication_error")
        assert answer.headers["x-should-retry"] == "false"


def test_a_key_that_ended_is_a_401_that_tells_its_holder_how(served: Gateway) -> None:
    ended = []
    made = served.admin("POST", "keys", {"name": "revoked"})
    served.admin("DELETE", f"keys/{made['id']}")
    ended.append((made["key"], "was revoked"))
    made = served.admin("POST", "keys", {"name": "rotated"})
    served.admin("POST", f"keys/{made['id']}/rotate", {})
    ended.append((made["key"], "was replaced by a newer one"))
    soon = datetime.now(UTC) + timedelta(seconds=1)
    expiring = served.key(expires_at=soon.isoformat())
    ended.append((expiring, f"expired at {soon:%Y-%m-%d %H:%M:%S} UTC"))
    ended.append((MASTER_KEY, "this is the master key"))
    ended.append(("sk-ant-api03-x", "a key of Anthropic's own"))
    ended.append((made["key"][:-1] + "!", "is not known here"))
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()))
    for path, body in BODIES.items():
        for secret, told in ended:
            answer = served.post(path, secret, body)
            assert_shape(answer, path, 401, "invalid_api_key", "authentication_error")
            assert told in answer.json()["error"]["message"]
    answer = sent(served, "GET", "/admin/keys", expiring)
    assert_shape(answer, "/admin/keys", 401, "invalid_api_key", "")
    assert answer.json()["error"]["message"].endswith("the master key, not a virtual key")


# --- the map: no such route, no such method


LOST = [
    ("GET", "/v1/chat/completions"),
    ("PUT", "/v1/messages"),
    ("DELETE", "/v1/models"),
    ("OPTIONS", "/v1/responses"),
    ("TRACE", "/v1/key"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/"),
    ("GET", "/v1"),
    ("GET", "/nothing"),
    ("POST", "/health/live"),
    ("PUT", "/admin/keys"),
    ("TRACE", "/admin/keys"),
    ("OPTIONS", "/admin/keys"),
    ("GET", "/admin/keys/"),
    ("GET", "/admin/nothing"),
    ("GET", "//admin/keys"),
    ("POST", "/openapi.json"),
    ("GET", "/%00"),
    ("GET", "/%ff%fe"),
]


@pytest.mark.parametrize(("method", "path"), LOST)
def test_there_is_nothing_else(served: Gateway, method: str, path: str) -> None:
    answer = sent(served, method, path, MASTER_KEY)
    assert_shape(answer, path, 404, "not_supported", "not_found_error")


@pytest.mark.parametrize("path", ["/v1/messages", "/admin/keys", "/nothing", "/v1/nothing"])
def test_head_is_answered_without_a_body(served: Gateway, path: str) -> None:
    answer = sent(served, "HEAD", path, MASTER_KEY)
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["x-request-id"].startswith("req_")


# --- the body: not JSON, not an object, too deep, too large


ODD_BODIES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"[]",
    b"null",
    b"1",
    b'{"model": "\\ud800"}',
    b"[" * 1_500,
    b'{"model": {}}',
    b'{"model": "haiku"}',
]


@CALLS
@pytest.mark.parametrize("body", ODD_BODIES)
def test_a_body_that_says_nothing_is_a_400(
    served: Gateway, secret: str, path: str, body: bytes
) -> None:
    answer = sent(served, "POST", path, secret, content=body)
    assert_shape(answer, path, 400, "invalid_request", "invalid_request_error")


@CALLS
def test_a_body_that_is_too_large_is_a_413(served: Gateway, secret: str, path: str) -> None:
    for content in (b"x" * 2_001, iter([b"x" * 1_001, b"x" * 1_000])):
        answer = sent(served, "POST", path, secret, content=content)
        assert_shape(answer, path, 413, "request_too_large", "request_too_large")


def test_an_admins_body_that_is_too_large_is_a_413(served: Gateway) -> None:
    answer = sent(served, "POST", "/admin/keys", MASTER_KEY, content=b" " * (2**20 + 1))
    assert_shape(answer, "/admin/keys", 413, "request_too_large", "")


@CALLS
@pytest.mark.parametrize("kind", ["text/plain", "", "application/xml", "\xff/\xfe"])
def test_the_content_type_is_not_looked_at(
    served: Gateway, secret: str, path: str, kind: str
) -> None:
    headers = {
        b"authorization": b"Bearer " + secret.encode(),
        b"content-type": kind.encode("latin-1"),
        b"x-tollkeeper-tags": b"\xff,\xe9,,",
        b"x-tollkeeper-cache": b"\xff",
    }
    content = json.dumps(BODIES[path])
    answer = served.http.post(f"{served.url}{path}", content=content, headers=headers)
    assert answer.status_code == 200, answer.text


# --- the dialect: a parameter that must not be ignored


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [("/v1/chat/completions", "n", 2), ("/v1/responses", "background", True)],
)
def test_what_cannot_be_honoured_is_named(
    served: Gateway, secret: str, path: str, field: str, value: object
) -> None:
    answer = served.post(path, secret, {**BODIES[path], field: value})
    assert_shape(answer, path, 400, "unsupported_parameter", "")
    assert answer.json()["error"]["param"] == field


# --- the catalog: no such model, not for this key


@CALLS
def test_an_unknown_model_is_a_404(served: Gateway, secret: str, path: str) -> None:
    for model in ("gpt-4o", "hai\0ku", "x" * 200):
        answer = served.post(path, secret, {**BODIES[path], "model": model})
        assert_shape(answer, path, 404, "model_not_found", "not_found_error")


@CALLS
def test_a_forbidden_model_is_a_403(served: Gateway, path: str) -> None:
    answer = served.post(path, served.key(models=["sonnet"]), BODIES[path])
    assert_shape(answer, path, 403, "model_not_allowed", "permission_error")


@pytest.mark.parametrize("model", ["gpt-4o", "%00", "%ff", "a/b"])
def test_a_model_that_is_not_listed_is_a_404(served: Gateway, secret: str, model: str) -> None:
    answer = sent(served, "GET", f"/v1/models/{model}", secret)
    assert_shape(answer, "/v1/models", 404, "model_not_found", "")


# --- the ledger: a budget that is too small, a call that was made already


@BILLED
def test_a_budget_that_is_too_small_is_a_402(
    served: Gateway, upstream: Simulated, path: str
) -> None:
    answer = served.post(path, served.key(max_budget_usd="0.000001"), BODIES[path])
    assert_shape(answer, path, 402, "budget_exceeded", "billing_error")
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["budget"]["limit_usd"] == "0.000001"
    assert upstream.log() == []


@BILLED
def test_a_call_that_was_billed_is_not_made_again(
    served: Gateway, upstream: Simulated, secret: str, path: str
) -> None:
    headers = {
        b"authorization": b"Bearer " + secret.encode(),
        b"idempotency-key": b"once for \xe9 " + path.encode(),
    }
    url = f"{served.url}{path}"
    first = served.http.post(url, json=BODIES[path], headers=headers)
    assert first.status_code == 200, first.text
    again = served.http.post(url, json=BODIES[path], headers=headers)
    assert_shape(again, path, 409, "duplicate_request", "conflict_error")
    assert len(upstream.messages()) == 1


# --- the upstream: it refuses, breaks off, is overloaded


REFUSED = [
    # it says; on OpenAI's routes: status, code; on Anthropic's: status, type
    (400, 400, "invalid_request", 400, "invalid_request_error"),
    (401, 502, "upstream_auth_error", 502, "api_error"),
    (403, 502, "upstream_auth_error", 502, "api_error"),
    (404, 404, "model_not_found", 404, "not_found_error"),
    (413, 413, "request_too_large", 413, "request_too_large"),
    (429, 429, "upstream_rate_limited", 429, "rate_limit_error"),
    (500, 502, "upstream_error", 500, "api_error"),
    (503, 502, "upstream_error", 503, "api_error"),
    (504, 504, "upstream_timeout", 504, "timeout_error"),
    (529, 503, "upstream_overloaded", 529, "overloaded_error"),
]


@BILLED
@pytest.mark.parametrize(("said", "status", "code", "native_status", "kind"), REFUSED)
def test_the_upstreams_refusal_is_told(  # noqa: PLR0917 - a table
    served: Gateway,
    upstream: Simulated,
    secret: str,
    path: str,
    said: int,
    status: int,
    code: str,
    native_status: int,
    kind: str,
) -> None:
    upstream.faults({"kind": "status", "status": said}, repeat=True)
    answer = served.post(path, secret, BODIES[path])
    native = path.startswith("/v1/messages")
    assert_shape(answer, path, native_status if native else status, code, kind)


@BILLED
@pytest.mark.parametrize("fault", ["reset", "garbage", "truncated_body", "drop_after_generation"])
def test_an_upstream_that_breaks_off_is_a_502(
    served: Gateway, upstream: Simulated, secret: str, path: str, fault: str
) -> None:
    upstream.faults({"kind": fault}, repeat=True)
    answer = served.post(path, secret, BODIES[path])
    assert_shape(answer, path, 502, "upstream_error", "api_error")


@BILLED
@pytest.mark.parametrize("fault", ["sse_error", "reset_mid_stream"])
def test_a_stream_that_breaks_ends_with_the_dialects_error_event(
    served: Gateway, upstream: Simulated, secret: str, path: str, fault: str
) -> None:
    upstream.faults({"kind": fault, "after_deltas": 2})
    answer = served.post(path, secret, {**BODIES[path], "stream": True})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].startswith("req_")
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    last = json.loads(data[-1])
    if path == "/v1/chat/completions":
        assert last.keys() == {"error"}
        assert last["error"]["code"]
    elif path == "/v1/responses":
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        assert last["response"]["error"]["code"]
    else:
        assert last["type"] == "error"
        assert last["error"]["type"]


# --- the admin API: fields, queries, ids


DEEP = "[" * 900 + "]" * 900
ODD_FIELDS = [
    ('{"name": ""}', "name"),
    (f'{{"name": {DEEP}}}', "name"),
    (f'{{"name": "x", "models": [{DEEP}]}}', "models"),
    ('{"name": "x", "models": ["gpt-4o"]}', "models"),
    ('{"name": "x", "model_budgets": {"\\u0000": "1.00"}}', "model_budgets"),
    ('{"name": "x", "team": "\\u0000"}', "team"),
    ('{"name": "x", "rpm": 1e30}', "rpm"),
    ('{"name": "x", "budget_window": []}', "budget_window"),
    ('{"name": "x", "max_budget_usd": 1.5}', "max_budget_usd"),
    ('{"name": "x", "max_budget_usd": "\u0661"}', "max_budget_usd"),
    ('{"name": "x", "expires_at": "9999-12-31T23:59:59-14:00"}', "expires_at"),
    ('{"name": "x", "expires_at": "0001-01-01T00:00:00+14:00"}', "expires_at"),
    ('{"name": "x", "unknown": 1}', "unknown"),
]


SAID_TWICE = [
    # method, path, body, the name
    (
        "POST",
        "keys",
        '{"name": "a", "max_budget_usd": "1.00", "max_budget_usd": null}',
        "max_budget_usd",
    ),
    ("POST", "keys", '{"name": "a", "n\\u0061me": "b"}', "name"),
    ("POST", "keys", '{"name": "a", "model_budgets": {"haiku": "1.00", "haiku": "9.00"}}', "haiku"),
    ("POST", "keys", '{"name": "a", "metadata": {"k": "1", "k": "1"}}', "k"),
    ("PATCH", "keys/key_1", '{"rpm": 5, "rpm": null}', "rpm"),
    ("POST", "keys/key_1/rotate", '{"overlap_s": 0, "overlap_s": 9}', "overlap_s"),
    ("POST", "teams", '{"name": "a", "name": "a"}', "name"),
    ("PATCH", "teams/team_1", '{"budget_window": "day", "budget_window": "none"}', "budget_window"),
    ("POST", "requests/req_1/settle", '{"cost_usd": "1.00", "cost_usd": "2.00"}', "cost_usd"),
    ("POST", "requests/req_1/outcome", '{"ok": true, "ok": false}', "ok"),
]


@pytest.mark.parametrize(("method", "path", "body", "name"), SAID_TWICE)
def test_a_name_said_twice_in_a_body_is_refused(
    served: Gateway, method: str, path: str, body: str, name: str
) -> None:
    answer = sent(served, method, f"/admin/{path}", MASTER_KEY, content=body.encode())
    assert_shape(answer, f"/admin/{path}", 400, "invalid_request", "")
    error = answer.json()["error"]
    assert (error["param"], error["message"]) == (name, f"{name} is given 2 times")


@pytest.mark.parametrize(("body", "param"), ODD_FIELDS)
def test_an_odd_field_is_a_400_that_names_it(served: Gateway, body: str, param: str) -> None:
    answer = sent(served, "POST", "/admin/keys", MASTER_KEY, content=body.encode())
    assert_shape(answer, "/admin/keys", 400, "invalid_request", "")
    assert answer.json()["error"]["param"] == param


ODD_QUERIES = [
    "keys?limit=0",
    "keys?limit=" + "9" * 5_000,
    "keys?limit=%00",
    "keys?cursor=1",
    "keys?cursor=" + "9" * 18 + "-%00",
    "keys/%00",
    "audit?cursor=-1",
    "requests?model=%00",
    "requests?status=abc",
    "requests?from=today",
    "requests?from=0001-01-01T00:00:00%2B14:00",
    "spend?group_by=nothing",
    "spend?to=9999-12-31T23:59:59-14:00",
    "spend?from=2026-11-02&to=2026-11-01",
    "requests?from=2026-11-02&to=2026-11-01",
    "requests?min_cost_usd=1e3",
    "requests?state=done",
    "requests?sort=name",
    "keys?limit=",
    "keys?limit=5&limit=6",
]


def test_a_budget_for_auto_is_refused_with_what_to_do(served: Gateway) -> None:
    fields = {"name": "a", "model_budgets": {"auto": "1.00"}}
    answer = sent(served, "POST", "/admin/keys", MASTER_KEY, json=fields)
    assert_shape(answer, "/admin/keys", 400, "invalid_request", "")
    assert answer.json()["error"] == {
        "message": "model_budgets: 'auto' is no model of its own: "
        "give each model or tier its budget",
        "type": "invalid_request_error",
        "param": "model_budgets",
        "code": "invalid_request",
    }


@pytest.mark.parametrize("offset", ["%2B01:00", "+01:00", "-01:00", "Z"])
def test_an_offset_may_be_written_as_a_shell_leaves_it(served: Gateway, offset: str) -> None:
    query = f"from=2026-11-01T00:00:00{offset}&to=2026-11-01T00:00:00{offset}"
    assert served.admin("GET", f"spend?{query}")["total_cost_usd"] == "0.00"
    assert served.admin("GET", f"requests?{query}")["data"] == []


def test_a_refusal_reads_as_a_sentence(served: Gateway) -> None:
    answer = sent(served, "GET", "/admin/keys?limit=1001", MASTER_KEY)
    told = "limit must be less than or equal to 1000"
    assert answer.json()["error"]["message"] == told


@pytest.mark.parametrize("query", ODD_QUERIES)
def test_an_odd_query_is_a_400(served: Gateway, query: str) -> None:
    answer = sent(served, "GET", f"/admin/{query}", MASTER_KEY)
    assert_shape(answer, "/admin", 400, "invalid_request", "")


UNKNOWN_QUERIES = [
    # asked, the parameter, the nearest that is known
    ("GET", "spend?key=key_1", "key", "key_id"),
    ("GET", "spend?key-id=key_1", "key-id", "key_id"),
    ("GET", "spend?KEY_ID=key_1", "KEY_ID", ""),
    ("GET", "spend?groupby=key", "groupby", "group_by"),
    ("GET", "spend?offset=1", "offset", ""),
    ("GET", "requests?frm=2026-11-01", "frm", "from"),
    ("GET", "requests?states=settled", "states", "state"),
    ("GET", "requests?since=2026-11-01", "since", ""),
    ("GET", "keys?name=mine", "name", ""),
    ("GET", "keys/key_1?limit=1", "limit", ""),
    ("GET", "teams?page=2", "page", ""),
    ("GET", "prices?model=haiku", "model", ""),
    ("GET", "audit?limits=1", "limits", "limit"),
    ("GET", "reconcile?a=", "a", ""),
    ("POST", "keys?dry_run=1", "dry_run", ""),
    ("DELETE", "keys/key_1?force=1", "force", ""),
    ("GET", "spend?%D9%A1=1", "\u0661", ""),
]


@pytest.mark.parametrize(("method", "path", "param", "near"), UNKNOWN_QUERIES)
def test_a_query_parameter_that_is_not_known_is_a_400_that_names_it(
    served: Gateway, method: str, path: str, param: str, near: str
) -> None:
    answer = sent(served, method, f"/admin/{path}", MASTER_KEY, content=b'{"name": "x"}')
    assert_shape(answer, "/admin", 400, "invalid_request", "")
    error = answer.json()["error"]
    assert error["param"] == param
    assert (f"did you mean {near!r}?" in error["message"]) is bool(near)
    assert "known: " in error["message"]


def test_other_routes_take_whatever_stands_in_the_query(served: Gateway, secret: str) -> None:
    for path in ("/health/live?a=1", "/health/ready?a=1", "/openapi.json?a=1", "/docs?a=1"):
        assert sent(served, "GET", path, None).status_code == 200
    for path in ("/v1/models?limit=1000", "/v1/key?a=1"):
        assert sent(served, "GET", path, secret).status_code == 200
    answer = sent(served, "POST", "/v1/messages?beta=true", secret, json=BODIES["/v1/messages"])
    assert answer.status_code == 200


FIELDS = [
    ("POST", "keys", '{"name": "x", "max_budget": "1.00"}', "max_budget", "max_budget_usd"),
    ("POST", "keys", '{"name": "x", "model": ["haiku"]}', "model", "models"),
    ("PATCH", "keys/key_1", '{"RPM": 1}', "RPM", ""),
    ("POST", "keys/key_1/rotate", '{"overlap": 5}', "overlap", "overlap_s"),
    ("POST", "teams", '{"name": "x", "rpm": 5}', "rpm", ""),
    ("PATCH", "teams/team_1", '{"budget": "1.00"}', "budget", ""),
    ("POST", "requests/req_1/settle", '{"cost": "1.00"}', "cost", "cost_usd"),
    ("POST", "requests/req_1/settle", '{"cost_usd": "1.00", "why": ""}', "why", ""),
    ("POST", "requests/req_1/outcome", '{"ok": true, "notes": ""}', "notes", "note"),
]


@pytest.mark.parametrize(("method", "path", "body", "param", "near"), FIELDS)
def test_a_field_that_is_not_known_is_a_400_that_names_it(  # noqa: PLR0917 - a table
    served: Gateway, method: str, path: str, body: str, param: str, near: str
) -> None:
    answer = sent(served, method, f"/admin/{path}", MASTER_KEY, content=body)
    assert_shape(answer, "/admin", 400, "invalid_request", "")
    error = answer.json()["error"]
    assert error["param"] == param
    if near:
        assert f"did you mean {near!r}?" in error["message"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("keys", b"{}", "name"),
        ("keys", b"", "name"),
        ("teams", b"{}", "name"),
        ("keys", b'{"name": null}', "name"),
        ("keys", b'{"name": "x", "expires_at": "2020-01-01"}', "expires_at"),
        ("keys", b'{"name": "x", "models": ["hiaku"]}', "models"),
        ("keys", b'{"name": "x", "model_budgets": {"haiku": 1}}', "model_budgets.haiku"),
        (
            "keys",
            b'{"name": "x", "model_budgets": {"haiku": "1", "claude-haiku-4-5": "2"}}',
            "model_budgets",
        ),
        ("keys", b'{"name": "x", "metadata": {"a": 1}}', "metadata.a"),
        ("requests/req_1/settle", b"{}", "cost_usd"),
        ("requests/req_1/settle", b'{"cost_usd": 0.5}', "cost_usd"),
        ("requests/req_1/outcome", b"{}", "ok"),
        ("requests/req_1/outcome", b'{"ok": 1}', "ok"),
        ("requests/req_1/outcome", b'{"ok": true, "note": 5}', "note"),
        ("requests/req_1/outcome", b'{"ok": true, "note": "%s"}' % (b"x" * 2_001), "note"),
        ("keys/key_1/rotate", b'{"overlap_s": -1}', "overlap_s"),
        ("keys/key_1/rotate", b'{"overlap_s": true}', "overlap_s"),
        ("keys/key_1/rotate", b'{"overlap_s": 1.5}', "overlap_s"),
        ("keys/key_1/rotate", b'{"overlap_s": 2592001}', "overlap_s"),
    ],
)
def test_a_body_that_is_not_fit_is_a_400_that_names_the_field(
    served: Gateway, path: str, body: bytes, param: str
) -> None:
    answer = sent(served, "POST", f"/admin/{path}", MASTER_KEY, content=body)
    assert_shape(answer, "/admin", 400, "invalid_request", "")
    assert answer.json()["error"]["param"] == param


def test_whoever_has_no_master_key_is_told_nothing_of_fields_and_queries(served: Gateway) -> None:
    for path, body in (("keys?a=1", b"{}"), ("keys", b"{"), ("keys", b" " * (2**20 + 1))):
        answer = sent(served, "POST", f"/admin/{path}", "tk-nobody", content=body)
        assert_shape(answer, "/admin", 401, "invalid_api_key", "")


def test_filters_of_reports_name_models_in_every_way_and_the_unknown_has_nothing(
    served: Gateway,
) -> None:
    made = served.admin("POST", "keys", {"name": "filtered"})
    answer = served.post("/v1/messages", made["key"], BODIES["/v1/messages"])
    request_id = answer.headers["x-request-id"]
    for model in ("haiku", "claude-haiku-4-5", "claude-haiku-4-5-20251001"):
        report = served.admin("GET", f"spend?key_id={made['id']}&model={model}&group_by=model")
        assert [row["model"] for row in report["data"]] == ["claude-haiku-4-5-20251001"]
        listed = served.admin("GET", f"requests?key_id={made['id']}&model={model}")
        assert [row["id"] for row in listed["data"]] == [request_id]
    for nobody in ("key_id=nope", "model=nope", "team=nope", "user=nope", "tag=nope"):
        assert is_empty(served.admin("GET", f"spend?{nobody}"))
        assert served.admin("GET", f"requests?{nobody}")["data"] == []


def test_tags_are_found_under_the_names_that_callers_gave_them(served: Gateway) -> None:
    made = served.admin("POST", "keys", {"name": "tagged"})
    body = {**BODIES["/v1/chat/completions"], "metadata": {"env": "prod"}}
    headers = {
        b"authorization": f"Bearer {made['key']}".encode(),
        b"x-tollkeeper-tags": "équipe,env=prod".encode(),
    }
    served.http.post(f"{served.url}/v1/chat/completions", json=body, headers=headers)
    query = f"spend?group_by=tag&key_id={made['id']}"
    rows = served.admin("GET", query)["data"]
    assert {(row["tag"], row["requests"]) for row in rows} == {("env=prod", 1), ("équipe", 1)}
    for tag in ("env=prod", "env%3Dprod", "équipe", "%C3%A9quipe"):
        assert len(served.admin("GET", f"{query}&tag={tag}")["data"]) == 2
        assert len(served.admin("GET", f"requests?tag={tag}&key_id={made['id']}")["data"]) == 1


def test_limits_that_are_not_enforced_yet_are_named_in_a_header(served: Gateway) -> None:
    def warned(method: str, path: str, fields: dict[str, Any]) -> str | None:
        answer = sent(served, method, f"/admin/{path}", MASTER_KEY, json=fields)
        assert answer.status_code in (200, 201), answer.text
        made.append(answer.json()["id"])
        return answer.headers.get("x-tollkeeper-warning")

    made: list[str] = []
    assert warned("POST", "keys", {"name": "x", "max_budget_usd": "1.00"}) is None
    told = warned("POST", "keys", {"name": "x", "rpm": 5, "conversation_budget_usd": "1.00"})
    assert told == "not enforced yet: rpm"
    assert warned("PATCH", f"keys/{made[0]}", {"tpm": 9}) == "not enforced yet: tpm"
    assert warned("PATCH", f"keys/{made[0]}", {"tpm": None}) is None


@pytest.mark.parametrize("group_by", ["key", "tag"])
def test_the_last_day_of_all_is_a_day_like_any_other(served: Gateway, group_by: str) -> None:
    query = f"spend?group_by={group_by}&from=9999-12-31&to=9999-12-31"
    assert is_empty(served.admin("GET", query))
    assert served.admin("GET", "requests?from=9999-12-31&to=9999-12-31")["data"] == []


UNKNOWN = [
    ("GET", "keys/key_nobody"),
    ("GET", "keys/%ff"),
    ("PATCH", "keys/key_nobody"),
    ("DELETE", "keys/key_nobody"),
    ("POST", "keys/key_nobody/rotate"),
    ("GET", "teams/team_nobody"),
    ("PATCH", "teams/team_nobody"),
    ("GET", "requests/req_nobody"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_an_unknown_id_is_a_404(served: Gateway, method: str, path: str) -> None:
    answer = sent(served, method, f"/admin/{path}", MASTER_KEY, content=b"{}")
    assert_shape(answer, "/admin", 404, "not_found", "")


def is_empty(report: dict[str, Any]) -> bool:
    """A report of spend that has found no call."""
    nothing = (report["data"], report["next_cursor"], report["total_cost_usd"])
    return nothing == ([], None, "0.00") and report["totals"]["requests"] == 0
