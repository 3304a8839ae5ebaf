"""Anthropic's `usage` in disjoint buckets.  A count that can't be read raises: it is never 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.errors import APIResponseValidationError
from app.core.usage import Usage

MOST_TOKENS = 1_000_000_000  # far above any context window: a larger count is not a count

_EMPTY: Mapping[str, Any] = {}


def usage_from(raw: object, *, unsplit_1h: bool = False) -> Usage:
    """What a whole reply used.  Raises APIResponseValidationError when a count is unreadable.

    `unsplit_1h`: the request had a mark of one hour, so cache writes that no split names count
    as such; else they count as writes of five minutes.
    Compaction is a model call of its own, left out of the totals by the vendor: it is added.
    """
    usage = _mapping(raw, "usage")
    for name in ("input_tokens", "output_tokens"):
        if usage.get(name) is None:
            raise APIResponseValidationError(f"the upstream's usage has no {name}")
    write_5m, write_1h = _cache_writes(usage, unsplit_1h=unsplit_1h)
    read = _count(usage, "cache_read_input_tokens")
    uncached = _count(usage, "input_tokens")
    output = _count(usage, "output_tokens")
    if usage.get("iterations"):
        for entry in _compactions(usage["iterations"]):
            more_5m, more_1h = _cache_writes(entry, unsplit_1h=unsplit_1h)
            write_5m += more_5m
            write_1h += more_1h
            read += _count(entry, "cache_read_input_tokens")
            uncached += _count(entry, "input_tokens")
            output += _count(entry, "output_tokens")
    details = _nested(usage, "output_tokens_details")
    server_tools = _nested(usage, "server_tool_use")
    thought = _count(details, "thinking_tokens") if details else 0
    return Usage(
        input_tokens=uncached,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        cache_read_tokens=read,
        output_tokens=output,
        reasoning_tokens=min(thought, output),
        web_search_requests=_count(server_tools, "web_search_requests") if server_tools else 0,
        fast=usage.get("speed") == "fast",
        us=usage.get("inference_geo") == "us",
        batch=usage.get("service_tier") == "batch",
    )


def merged_usage(before: Mapping[str, Any], later: object) -> dict[str, Any]:
    """`before` overlaid with the fields of `later` that are not null, nested ones too.

    A stream's figures are cumulative and may leave out what an earlier event said.
    """
    merged = dict(before)
    for name, value in _mapping(later, "usage").items():
        if value is None:
            continue
        known = merged.get(name)
        if isinstance(value, dict) and isinstance(known, Mapping):
            merged[name] = merged_usage(known, value)
        else:
            merged[name] = value
    return merged


def _cache_writes(usage: Mapping[str, Any], *, unsplit_1h: bool) -> tuple[int, int]:
    """Tokens written for 5 minutes and for 1 hour."""
    split = _nested(usage, "cache_creation")
    total = _count(usage, "cache_creation_input_tokens")
    if not split:
        return (0, total) if unsplit_1h else (total, 0)
    write_5m = _count(split, "ephemeral_5m_input_tokens")
    write_1h = _count(split, "ephemeral_1h_input_tokens")
    rest = max(total - write_5m - write_1h, 0)
    return (write_5m, write_1h + rest) if unsplit_1h else (write_5m + rest, write_1h)


def _compactions(entries: object) -> list[Mapping[str, Any]]:
    if not isinstance(entries, list):
        raise APIResponseValidationError("the upstream's usage.iterations is not a list")
    iterations = [_mapping(entry, "iteration") for entry in entries]
    return [entry for entry in iterations if entry.get("type") == "compaction"]


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise APIResponseValidationError(f"the upstream's usage.{name} is not a count: {value!r}")
    return value


def _nested(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = usage.get(name)
    return _EMPTY if value is None else _mapping(value, name)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise APIResponseValidationError(f"the upstream's {name} is not an object: {value!r:.80}")
    return value
