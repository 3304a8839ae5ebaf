"""Each leaf of the error tree: its status, code and types, and its shape in both dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.core import errors
from app.core.budgets import Shortfall
from app.web.errors import BUG, ROWS, envelope, error_headers, row_of
from app.web.exchange import Dialect

# leaf: HTTP status, code, OpenAI's type, Anthropic's type
INVALID, API = "invalid_request_error", "api_error"
LEAVES = {
    "UnsupportedParameter": (400, "unsupported_parameter", INVALID, INVALID),
    "UnboundedCost": (400, "unbounded_cost", INVALID, INVALID),
    "InvalidApiKey": (401, "invalid_api_key", INVALID, "authentication_error"),
    "BudgetExceeded": (402, "budget_exceeded", "insufficient_quota", "billing_error"),
    "ModelNotAllowed": (403, "model_not_allowed", INVALID, "permission_error"),
    "ModelNotFound": (404, "model_not_found", INVALID, "not_found_error"),
    "NotFound": (404, "not_found", INVALID, "not_found_error"),
    "NotSupported": (404, "not_supported", INVALID, "not_found_error"),
    "DuplicateRequest": (409, "duplicate_request", INVALID, "conflict_error"),
    "RequestTooLarge": (413, "request_too_large", INVALID, "request_too_large"),
    "RequestTimeout": (408, "request_timeout", INVALID, "timeout_error"),
    "GatewayOverloaded": (503, "gateway_overloaded", "api_error", "overloaded_error"),
    "RateLimitExceeded": (429, "rate_limit_exceeded", "rate_limit_error", "rate_limit_error"),
    "LedgerUnavailable": (503, "ledger_unavailable", API, API),
    "CallerLeft": (499, "client_disconnected", API, API),
    "GatewayStopped": (503, "gateway_stopped", API, API),
    "BadRequestError": (400, "invalid_request", INVALID, INVALID),
    "AuthenticationError": (502, "upstream_auth_error", API, API),
    "PermissionDeniedError": (502, "upstream_auth_error", API, API),
    "PaymentRequiredError": (502, "upstream_error", API, API),
    "NotFoundError": (404, "model_not_found", INVALID, INVALID),
    "RequestTimeoutError": (408, "upstream_refused", INVALID, INVALID),
    "ConflictError": (409, "upstream_refused", INVALID, INVALID),
    "RequestTooLargeError": (413, "request_too_large", INVALID, INVALID),
    "UnprocessableEntityError": (422, "upstream_refused", INVALID, INVALID),
    "RateLimitError": (429, "upstream_rate_limited", "rate_limit_error", "rate_limit_error"),
    "ServiceUnavailableError": (502, "upstream_error", API, API),
    "DeadlineExceededError": (504, "upstream_timeout", API, "timeout_error"),
    "OverloadedError": (503, "upstream_overloaded", API, "overloaded_error"),
    "StaleConnectionError": (502, "upstream_error", API, API),
    "APITimeoutError": (504, "upstream_timeout", API, "timeout_error"),
    "APIResponseValidationError": (502, "upstream_error", API, API),
}
# classes that are raised themselves though they have subclasses
BRANCHES = {
    "APIConnectionError": (502, "upstream_error", API, API),
    "BadRequest": (400, "invalid_request", INVALID, INVALID),
    "InternalServerError": (502, "upstream_error", API, API),
}
UPSTREAMS = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PaymentRequiredError": 402,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "RequestTimeoutError": 408,
    "ConflictError": 409,
    "RequestTooLargeError": 413,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 500,
    "ServiceUnavailableError": 503,
    "DeadlineExceededError": 504,
    "OverloadedError": 529,
}
SHORTFALL = Shortfall("key", 1_000_000, 500_000, 100_000, 900_000_000)
ALL = {**LEAVES, **BRANCHES}
BOTH: tuple[Dialect, ...] = ("openai", "anthropic")


def leaves(cls: type[errors.GatewayError]) -> Iterator[type[errors.GatewayError]]:
    below = [sub for sub in cls.__subclasses__() if sub.__module__ == errors.__name__]
    if not below:
        yield cls
    for sub in below:
        yield from leaves(sub)


def raised(name: str) -> errors.GatewayError:
    if name in UPSTREAMS:
        refused: type[errors.APIStatusError] = getattr(errors, name)
        return refused("told", status=UPSTREAMS[name], headers={"retry-after": "7"})
    if name == "BudgetExceeded":
        return errors.BudgetExceeded(SHORTFALL)
    if name == "RateLimitExceeded":
        return errors.RateLimitExceeded("told", 3)
    plain: type[errors.GatewayError] = getattr(errors, name)
    return plain("told")


def test_the_tables_above_hold_every_leaf_and_no_other() -> None:
    assert {cls.__name__ for cls in leaves(errors.GatewayError)} == LEAVES.keys()


def test_every_leaf_has_a_row_in_its_ancestry() -> None:
    without = [c for c in leaves(errors.GatewayError) if not ROWS.keys() & set(c.__mro__)]
    assert without == []


@pytest.mark.parametrize("name", ALL)
def test_each_error_has_its_status_code_and_types(name: str) -> None:
    row = row_of(raised(name))
    assert (row.status, row.code, row.kind, row.anthropic) == ALL[name]


@pytest.mark.parametrize("name", ALL)
def test_each_error_has_openais_shape(name: str) -> None:
    status, body = envelope(raised(name), "openai", "req_1")
    shaped = json.loads(body)
    assert status == ALL[name][0]
    assert shaped.keys() == {"error"}
    budget = {"budget"} if name == "BudgetExceeded" else set()
    assert shaped["error"].keys() == {"message", "type", "param", "code"} | budget
    assert (shaped["error"]["code"], shaped["error"]["type"]) == ALL[name][1:3]


@pytest.mark.parametrize("name", ALL)
def test_each_error_has_anthropics_shape(name: str) -> None:
    status, body = envelope(raised(name), "anthropic", "req_1")
    shaped = json.loads(body)
    assert status == ALL[name][0]
    assert shaped.keys() == {"type", "error", "request_id"}
    assert (shaped["type"], shaped["request_id"]) == ("error", "req_1")
    budget = {"budget"} if name == "BudgetExceeded" else set()
    both = {"param", "code"} if name == "NotSupported" else set()
    assert shaped["error"].keys() == {"type", "message"} | budget | both
    assert shaped["error"]["type"] == ALL[name][3]


def test_a_shortfall_is_told_in_exact_texts() -> None:
    _, body = envelope(raised("BudgetExceeded"), "openai", "req_1")
    assert json.loads(body)["error"]["budget"] == {
        "scope": "key",
        "limit_usd": "0.001",
        "spent_usd": "0.0005",
        "held_usd": "0.0001",
        "running_calls": 0,
        "remaining_usd": "0.0004",
        "needed_usd": "0.90",
        "resets_at": None,
        "max_tokens_that_fit": None,
    }


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize("name", ["AuthenticationError", "PermissionDeniedError"])
def test_the_gateways_own_credentials_are_not_talked_about(name: str, dialect: Dialect) -> None:
    _, body = envelope(raised(name), dialect, "req_1")
    assert b"told" not in body


@pytest.mark.parametrize("dialect", BOTH)
def test_a_bug_tells_nothing_of_itself(dialect: Dialect) -> None:
    status, body = envelope(KeyError("a secret"), dialect, "req_1")
    assert status == 500
    assert b"secret" not in body
    assert row_of(KeyError()) is BUG


HEADERS: list[tuple[str, dict[bytes, bytes]]] = [
    ("InvalidApiKey", {b"x-should-retry": b"false"}),
    ("BudgetExceeded", {b"x-should-retry": b"false"}),
    ("DuplicateRequest", {b"x-should-retry": b"false"}),
    ("RateLimitExceeded", {b"retry-after": b"3"}),
    ("RateLimitError", {b"retry-after": b"7"}),
    ("OverloadedError", {b"retry-after": b"7"}),
    ("BadRequest", {}),
    ("LedgerUnavailable", {}),
]


@pytest.mark.parametrize(("name", "headers"), HEADERS)
def test_headers_say_whether_and_when_to_ask_again(name: str, headers: dict[Any, Any]) -> None:
    assert dict(error_headers(raised(name))) == headers


def test_a_rate_limit_without_a_time_asks_for_a_second() -> None:
    error = errors.RateLimitError("told", status=429)
    assert dict(error_headers(error)) == {b"retry-after": b"1"}


WAITS = [
    # the upstream's headers                           what its caller is told
    ({"retry-after": "7"}, "7"),
    ({"retry-after-ms": "1500"}, "2"),
    ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ({"retry-after": "0"}, None),
    ({"retry-after": "-1"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after-ms": "9" * 5_000}, "315360000"),
    ({"retry-after-ms": "٣"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "told"), WAITS)
def test_a_wait_that_makes_no_sense_is_not_passed_on(
    headers: dict[str, str], told: str | None
) -> None:
    overloaded = errors.OverloadedError("told", status=529, headers=headers)
    limited = errors.RateLimitError("told", status=429, headers=headers)
    assert dict(error_headers(overloaded)) == (
        {} if told is None else {b"retry-after": told.encode()}
    )
    assert dict(error_headers(limited)) == {b"retry-after": (told or "1").encode()}
