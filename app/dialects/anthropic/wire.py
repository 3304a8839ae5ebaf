"""Anthropic's Messages API as bytes: a canonical request out, a whole reply in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from app.core.adaptation import SAMPLING
from app.core.errors import APIResponseValidationError, BadRequest
from app.core.request import EMPTY, Reply, Request, with_wishes
from app.dialects.anthropic.usage import usage_from
from app.dialects.json_text import dumps, loads

# Under the newer version sampling parameters are refused for every model.
VERSION = "2026-10-21"
VERSION_WITH_SAMPLING = "2023-06-01"

USUAL_HEADERS: Mapping[str, str] = {"anthropic-version": VERSION}
_HEADERS_WITH_SAMPLING: Mapping[str, str] = {"anthropic-version": VERSION_WITH_SAMPLING}

# What a token count does not take, whatever else a caller sends with a message.
_NOT_COUNTED = frozenset(
    {
        *SAMPLING,
        "container",
        "diagnostics",
        "inference_geo",
        "metadata",
        "service_tier",
        "stop_sequences",
    }
)
_LONGEST_MESSAGE = 500

# The statuses that Anthropic gives its errors, for one that comes inside of a stream.
_STATUS_OF_ERROR: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_ANY_ERROR = 500
_ERROR_STATUSES = range(400, 600)  # that OpenRouter gives as a code


def encode(request: Request, model_id: str) -> bytes:
    """The body of `/v1/messages`; the caller's own bytes when nothing in them has changed.

    Raises BadRequest when it can't be written as JSON, and ValueError when nobody has set
    `max_tokens`: the vendor requires it.
    """
    if request.original is not None and request.model == model_id:
        return request.original
    if request.max_tokens is None:
        raise ValueError("max_tokens must be set before a request is encoded")
    body: dict[str, Any] = {"model": model_id, "max_tokens": request.max_tokens}
    if request.stream:
        body["stream"] = True
    return _encoded(body, request, request.options)


def count_tokens_body(request: Request, model_id: str) -> bytes:
    """The body of `/v1/messages/count_tokens` for the prompt of `request`."""
    written_to_be_counted = request.max_tokens is None and not request.stream
    if request.original is not None and written_to_be_counted and request.model == model_id:
        return request.original
    options = {k: v for k, v in request.options.items() if k not in _NOT_COUNTED}
    return _encoded({"model": model_id}, request, options)


def _encoded(body: dict[str, Any], request: Request, options: Mapping[str, Any]) -> bytes:
    body.update(options)
    if request.tools:
        body["tools"] = request.tools
    if request.system:
        body["system"] = request.system
    wishes = request.wishes
    body["messages"] = with_wishes(request.messages, wishes) if wishes else request.messages
    try:
        return dumps(body)
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"the request can't be written as JSON: {error}") from error


def wire_headers(request: Request) -> Mapping[str, str]:
    """The `anthropic-*` headers that the body of `request` needs."""
    plain = request.options.keys().isdisjoint(SAMPLING)
    return USUAL_HEADERS if plain else _HEADERS_WITH_SAMPLING


def has_unsplit_writes(usage: object) -> bool:
    """Whether `usage` tells of cache writes and not how long they live."""
    if not isinstance(usage, dict):
        return False
    iterations = usage.get("iterations")
    if isinstance(iterations, list) and any(map(has_unsplit_writes, iterations)):
        return True
    if not usage.get("cache_creation_input_tokens"):
        return False
    split = usage.get("cache_creation")
    if not isinstance(split, dict):
        return True
    told = sum(count for count in split.values() if type(count) is int)
    return bool(told != usage["cache_creation_input_tokens"])


def reply_from(
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    marked_1h: Callable[[], bool] = lambda: False,
) -> Reply:
    """A whole answer.  Raises APIResponseValidationError when it isn't one, or has no usage.

    `marked_1h` tells whether the request had a mark of one hour; it is asked only when cache
    writes are told without their lifetimes.
    """
    raw = _object(body)
    message_id, model, content = raw.get("id"), raw.get("model"), raw.get("content")
    if not isinstance(message_id, str) or not isinstance(model, str):
        raise APIResponseValidationError("the upstream's answer is not a message")
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise APIResponseValidationError("the upstream's content is not a list of blocks")
    details, usage = raw.get("stop_details"), raw.get("usage")
    unsplit_1h = has_unsplit_writes(usage) and marked_1h()
    return Reply(
        message_id,
        model,
        tuple(content),
        _text(raw, "stop_reason"),
        usage_from(usage, unsplit_1h=unsplit_1h),
        _text(raw, "stop_sequence"),
        details if isinstance(details, dict) else None,
        body,
        headers or EMPTY,
        cache_miss=told_of_miss(raw["diagnostics"]) if "diagnostics" in raw else None,
    )


def told_of_miss(diagnostics: object) -> str | None:
    """The vendor's word for why its cache missed; None where it names nothing."""
    reason = diagnostics.get("cache_miss_reason") if isinstance(diagnostics, dict) else None
    kind = reason.get("type") if isinstance(reason, dict) else None
    return kind if isinstance(kind, str) else None


def counted_tokens(body: bytes) -> int:
    """The answer of `/v1/messages/count_tokens`.  Raises APIResponseValidationError."""
    tokens = _object(body).get("input_tokens")
    if type(tokens) is not int or tokens < 0:
        raise APIResponseValidationError("the upstream's token count can't be read")
    return tokens


def error_message(body: bytes) -> str:
    """The vendor's own words from an error's body, or the body's beginning when it has none."""
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:_LONGEST_MESSAGE].decode("utf-8", "replace").strip()
    error = raw.get("error") if isinstance(raw, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    if isinstance(message, str) and message:
        return message
    return body[:_LONGEST_MESSAGE].decode("utf-8", "replace").strip()


def error_inside(body: bytes) -> Mapping[str, Any] | None:
    """The `error` object of a body that is an error, whatever its status says."""
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(raw, dict) or "content" in raw:
        return None
    error = raw.get("error")
    if isinstance(error, dict):
        return error
    return raw if raw.get("type") == "error" else None


def status_of_error(error: object) -> int:
    """The status that goes with the `error` object of an error event."""
    if not isinstance(error, Mapping):
        return _ANY_ERROR
    kind, code = error.get("type"), error.get("code")
    if isinstance(kind, str) and kind in _STATUS_OF_ERROR:
        return _STATUS_OF_ERROR[kind]
    return code if type(code) is int and code in _ERROR_STATUSES else _ANY_ERROR


def _object(body: bytes) -> dict[str, Any]:
    try:
        raw = loads(body)
    except orjson.JSONDecodeError as error:
        raise APIResponseValidationError(f"the upstream's answer is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise APIResponseValidationError("the upstream's answer is not a JSON object")
    return raw


def _text(raw: Mapping[str, Any], name: str) -> str | None:
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise APIResponseValidationError(f"the upstream's {name} is not a string")
    return value
