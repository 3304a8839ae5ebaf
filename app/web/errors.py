"""The one place where an exception becomes an HTTP answer, in the dialect of the route it hit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any, TypeAlias, TypeGuard

import orjson

from app.calls.retry_after import retry_after_s
from app.core import errors
from app.core.blotted import blot
from app.core.budgets import Shortfall
from app.core.ended import Refused
from app.core.money import usd_text
from app.web.exchange import JSON, Dialect, Exchange
from app.web.headers import receipt_headers
from app.web.running import Header

Endpoint: TypeAlias = Callable[[Exchange], Awaitable[None]]

_log = logging.getLogger("tollkeeper.api")


@dataclass(frozen=True, slots=True)
class Row:
    """Status, OpenAI's type, our code, and Anthropic's type of one error."""

    status: int
    kind: str
    code: str
    anthropic: str


INVALID = "invalid_request_error"
REFUSED_CREDENTIALS = Row(502, "api_error", "upstream_auth_error", "api_error")
ROWS: dict[type[BaseException], Row] = {
    errors.BadRequest: Row(400, INVALID, "invalid_request", INVALID),
    errors.UnsupportedParameter: Row(400, INVALID, "unsupported_parameter", INVALID),
    errors.UnboundedCost: Row(400, INVALID, "unbounded_cost", INVALID),
    errors.InvalidApiKey: Row(401, INVALID, "invalid_api_key", "authentication_error"),
    errors.BudgetExceeded: Row(402, "insufficient_quota", "budget_exceeded", "billing_error"),
    errors.ModelNotAllowed: Row(403, INVALID, "model_not_allowed", "permission_error"),
    errors.ModelNotFound: Row(404, INVALID, "model_not_found", "not_found_error"),
    errors.NotFound: Row(404, INVALID, "not_found", "not_found_error"),
    errors.NotSupported: Row(404, INVALID, "not_supported", "not_found_error"),
    errors.DuplicateRequest: Row(409, INVALID, "duplicate_request", "conflict_error"),
    errors.RequestTooLarge: Row(413, INVALID, "request_too_large", "request_too_large"),
    errors.RequestTimeout: Row(408, INVALID, "request_timeout", "timeout_error"),
    errors.GatewayOverloaded: Row(503, "api_error", "gateway_overloaded", "overloaded_error"),
    errors.RateLimitExceeded: Row(
        429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"
    ),
    errors.LedgerUnavailable: Row(503, "api_error", "ledger_unavailable", "api_error"),
    errors.CallerLeft: Row(499, "api_error", "client_disconnected", "api_error"),
    errors.GatewayStopped: Row(503, "api_error", "gateway_stopped", "api_error"),
    errors.AuthenticationError: REFUSED_CREDENTIALS,
    errors.PermissionDeniedError: REFUSED_CREDENTIALS,
    errors.PaymentRequiredError: Row(502, "api_error", "upstream_error", "api_error"),
    errors.RateLimitError: Row(
        429, "rate_limit_error", "upstream_rate_limited", "rate_limit_error"
    ),
    errors.OverloadedError: Row(503, "api_error", "upstream_overloaded", "overloaded_error"),
    errors.InternalServerError: Row(502, "api_error", "upstream_error", "api_error"),
    errors.APIConnectionError: Row(502, "api_error", "upstream_error", "api_error"),
    errors.APITimeoutError: Row(504, "api_error", "upstream_timeout", "timeout_error"),
    errors.DeadlineExceededError: Row(504, "api_error", "upstream_timeout", "timeout_error"),
    errors.APIResponseValidationError: Row(502, "api_error", "upstream_error", "api_error"),
    errors.UpstreamError: Row(502, "api_error", "upstream_error", "api_error"),
}
BUG = Row(500, "api_error", "internal_error", "api_error")
SECRETIVE = (errors.AuthenticationError, errors.PermissionDeniedError)
KEPT_CODES = {400: "invalid_request", 404: "model_not_found", 413: "request_too_large"}
FINAL = (errors.BudgetExceeded, errors.DuplicateRequest, errors.InvalidApiKey)
# What makes the vendor's SDKs go on without a thread, sending the whole history again.
THREADS_REFUSED = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
NATIVE = "anthropic_messages"
DIALECTS = {
    "/chat/completions": "openai_chat",
    "/responses": "openai_responses",
    "/messages": NATIVE,
    "/count_tokens": NATIVE,
}
RETRY_AFTER = "retry-after"
PASSED_ON = ("request-id", "x-should-retry", "retry-after-ms")


def row_of(error: BaseException) -> Row:
    """The nearest class of the tree decides; another 4xx of the upstream keeps its status."""
    for cls in type(error).__mro__:
        if cls in ROWS:
            return _kept_status(error, ROWS[cls]) if cls is errors.UpstreamError else ROWS[cls]
    return BUG


def refused(error: Exception, request_id: str, master_key: str) -> Refused:
    """What has no row, as the recorders are told it; without keys that stand in a wrong place."""
    row = row_of(error)
    short = error.shortfall if isinstance(error, errors.BudgetExceeded) else None
    return Refused(
        request_id,
        None,
        row.status,
        row.code,
        blot(_message(error), master_key),
        budget=None if short is None else _budget(short),
    )


def refused_call(error: Exception, exchange: Exchange) -> Refused:
    """The same for a call of the client API."""
    running, model = exchange.running, exchange.model
    return replace(
        refused(error, exchange.request_id, running.master_key),
        key_id=exchange.key_id,
        model=None if model is None else blot(model, running.master_key),
        dialect=_dialect_of(exchange),
    )


def _dialect_of(exchange: Exchange) -> str | None:
    """The dialect as a row names it, told by the path alone: a refused call may have said no more.

    None where no call is made.
    """
    path = exchange.scope["path"].rstrip("/")
    return next((name for end, name in DIALECTS.items() if path.endswith(end)), None)


def outcome_of(error: BaseException, dialect: str) -> tuple[int, str]:
    """What the ledger's row says of a call that ended with `error`: what its caller was told."""
    row = row_of(error)
    if dialect == NATIVE and isinstance(error, Exception) and _is_upstreams_own(error):
        return _passed_on(error, row), row.code
    return row.status, row.code


def envelope(error: BaseException, dialect: Dialect, request_id: str) -> tuple[int, bytes]:
    """Status and body for `error`."""
    row = row_of(error)
    message = _message(error)
    if dialect == "anthropic":
        shaped: dict[str, Any] = {
            "type": "error",
            "error": {"type": row.anthropic, "message": message},
            "request_id": request_id,
        }
        if isinstance(error, errors.UnboundedCost) and error.param == "thread":
            shaped["error"]["details"] = THREADS_REFUSED
        if isinstance(error, errors.NotSupported):  # paths that clients of both kinds ask for
            shaped["error"] |= {"param": None, "code": row.code}
    else:
        param = getattr(error, "param", None)
        shaped = {"error": {"message": message, "type": row.kind, "param": param, "code": row.code}}
    if isinstance(error, errors.BudgetExceeded):
        shaped["error"]["budget"] = _budget(error.shortfall)
    return row.status, orjson.dumps(shaped)


def error_headers(error: BaseException) -> list[Header]:
    """`retry-after` where waiting helps, `x-should-retry: false` where asking again can't."""
    headers: list[Header] = []
    if isinstance(error, errors.BudgetExceeded) and error.shortfall.holds_alone:
        headers += [(b"x-should-retry", b"true"), (b"retry-after", b"1")]
    elif isinstance(error, FINAL):
        headers.append((b"x-should-retry", b"false"))
    if isinstance(error, errors.RateLimitExceeded):
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    if isinstance(error, errors.GatewayOverloaded):
        headers.append((b"retry-after", b"1"))
    if isinstance(error, errors.APIStatusError):
        wait = _wait(error)
        if wait is None and isinstance(error, errors.RateLimitError):
            wait = "1"
        if wait is not None:
            headers.append((b"retry-after", wait.encode("latin-1", "replace")))
    return headers


def _wait(error: errors.APIStatusError) -> str | None:
    """The upstream's own `retry-after`; its milliseconds, rounded up, where it has no other."""
    asked_s = retry_after_s(error.headers, datetime.now(UTC))
    if asked_s is None:
        return None
    return error.headers.get(RETRY_AFTER) or str(ceil(asked_s))


def _kept_status(error: BaseException, row: Row) -> Row:
    if isinstance(error, errors.APIStatusError) and 400 <= error.status < 500:
        return Row(error.status, INVALID, KEPT_CODES.get(error.status, "upstream_refused"), INVALID)
    return row


def _message(error: BaseException) -> str:
    if isinstance(error, SECRETIVE):
        return "the upstream refused the gateway's credentials"
    if isinstance(error, errors.PaymentRequiredError):
        return "the gateway's account at the upstream is out of balance or over its limit"
    if isinstance(error, errors.GatewayError):
        return error.message
    return "an error in the gateway; it was logged under this request's id"


def _budget(shortfall: Shortfall) -> dict[str, Any]:
    resets_at = shortfall.resets_at
    return {
        "scope": shortfall.scope,
        "limit_usd": usd_text(shortfall.limit_nano_usd),
        "spent_usd": usd_text(shortfall.spent_nano_usd),
        "held_usd": usd_text(shortfall.held_nano_usd),
        "running_calls": shortfall.running_calls,
        "remaining_usd": usd_text(shortfall.remaining_nano_usd),
        "needed_usd": usd_text(shortfall.needed_nano_usd),
        "resets_at": resets_at and resets_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "max_tokens_that_fit": shortfall.max_tokens_that_fit,
    }


async def guarded(endpoint: Endpoint, exchange: Exchange) -> None:
    """Run a route; whatever it raises becomes an answer, or the last event of its stream."""
    try:
        await endpoint(exchange)
    except asyncio.CancelledError:
        stopped = errors.GatewayStopped("the gateway shut down before the end")
        exchange.running.store.refusals.note(refused_call(stopped, exchange), unsure=True)
        await _answer(stopped, exchange)
        raise
    except errors.GatewayError as error:
        if isinstance(error, errors.Refusal):
            exchange.running.tell_refused(refused_call(error, exchange))
        await _answer(error, exchange)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug still answers
        _log.exception("unforeseen error", extra={"request_id": exchange.request_id})
        exchange.running.store.refusals.note(refused_call(error, exchange), unsure=True)
        await _answer(error, exchange)


async def _answer(error: Exception, exchange: Exchange) -> None:
    if exchange.fail is not None:
        await exchange.last(exchange.fail(error))
        return
    receipt = error.receipt if isinstance(error, errors.UpstreamError) else None
    about = [(b"x-request-id", exchange.request_id.encode())]
    if receipt is not None:
        about = receipt_headers(receipt)
    headers = [*about, *error_headers(error)]
    if exchange.dialect == "anthropic" and _is_upstreams_own(error):
        status = _passed_on(error, row_of(error))
        own = [*headers, *_upstream_headers(error)]
        await exchange.answer(status, own, error.body, _kind_of(error))
        return
    if exchange.dialect == "anthropic":
        headers.append((b"request-id", exchange.request_id.encode()))
    status, body = envelope(error, exchange.dialect, exchange.request_id)
    await exchange.answer(status, headers, body)


def _passed_on(error: errors.APIStatusError, row: Row) -> int:
    """The upstream's own status, if it is one of an error."""
    return error.status if 400 <= error.status < 600 else row.status


def _is_upstreams_own(error: Exception) -> TypeGuard[errors.APIStatusError]:
    """An answer that an Anthropic client should see as it came; refused credentials are ours."""
    return isinstance(error, errors.APIStatusError) and not isinstance(error, SECRETIVE)


def _kind_of(error: errors.APIStatusError) -> Header:
    """The upstream's own word for its error's body, which may be a page of HTML."""
    told = error.headers.get("content-type", "")
    return (b"content-type", told.encode("latin-1", "replace")) if told else JSON


def _upstream_headers(error: errors.APIStatusError) -> list[Header]:
    return [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in error.headers.items()
        if name in PASSED_ON or name.startswith("anthropic-ratelimit-")
    ]
