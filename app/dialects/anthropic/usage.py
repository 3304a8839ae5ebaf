"""Anthropic's `usage` in disjoint buckets.  A count that can't be read raises: it is never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from app.core.errors import APIResponseValidationError
from app.core.usage import ANSWERING, PART_KINDS, Part, Unknown, Usage

MOST_TOKENS = 1_000_000_000  # far above any context window: a larger count is not a count

_PLAIN_SPEEDS = (None, "standard")
_PLAIN_GEOS = (None, "global", "not_available")
_NEEDED = ("input_tokens", "output_tokens")
_TOTALS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)


def usage_from(raw: object, *, unsplit_1h: bool = False) -> Usage:
    """What a whole reply used.  Raises APIResponseValidationError when a count is unreadable.

    `unsplit_1h`: the request had a mark of one hour, so cache writes that no split names count
    as such; else they count as writes of five minutes. Where there are `iterations`, they are the
    bill: the totals hold neither other models' calls nor compactions.
    """
    usage = _mapping(raw, "usage")
    for name in _NEEDED:
        if usage.get(name) is None:
            raise APIResponseValidationError(f"the upstream's usage has no {name}")
    speed, geo = usage.get("speed"), usage.get("inference_geo")
    terms: dict[str, Any] = {}
    if speed not in _PLAIN_SPEEDS or geo not in _PLAIN_GEOS:
        terms = _terms(speed, geo)
    if usage.get("service_tier") == "batch":
        terms["batch"] = True
    thought = _count_in(usage, "output_tokens_details", "thinking_tokens")
    searches = _count_in(usage, "server_tool_use", "web_search_requests")
    if usage.get("iterations"):
        told = _parts(usage, terms, unsplit_1h=unsplit_1h)
        return _sum_of(told, thought, searches, terms)
    write_5m, write_1h = _cache_writes(usage, unsplit_1h=unsplit_1h)
    output = _count(usage, "output_tokens")
    return Usage(
        _count(usage, "input_tokens"),
        write_5m,
        write_1h,
        _count(usage, "cache_read_input_tokens"),
        output,
        reasoning_tokens=min(thought, output),
        web_search_requests=searches,
        **terms,
    )


def _terms(speed: object, geo: object) -> dict[str, Any]:
    """What the words for speed and place do to a price; one that is not known is the dearest."""
    unknown: list[Unknown] = []
    if speed not in (*_PLAIN_SPEEDS, "fast"):
        unknown.append("speed")
    if geo not in (*_PLAIN_GEOS, "us"):
        unknown.append("geo")
    return {
        "fast": speed not in _PLAIN_SPEEDS,
        "us": geo not in _PLAIN_GEOS,
        "unknown": tuple(unknown),
    }


def _parts(usage: Mapping[str, Any], terms: dict[str, Any], *, unsplit_1h: bool) -> list[Part]:
    entries = usage["iterations"]
    if not isinstance(entries, list):
        raise APIResponseValidationError("the upstream's usage.iterations is not a list")
    found = [_part(_mapping(e, "iteration"), terms, unsplit_1h=unsplit_1h) for e in entries]
    if not any(part.answers for part in found):
        answer = _part({**usage, "type": "message", "model": None}, terms, unsplit_1h=unsplit_1h)
        found.append(answer)
    return found


def _part(entry: Mapping[str, Any], terms: dict[str, Any], *, unsplit_1h: bool) -> Part:
    kind, model = entry.get("type"), entry.get("model")
    write_5m, write_1h = _cache_writes(entry, unsplit_1h=unsplit_1h)
    counted = Usage(
        _count(entry, "input_tokens"),
        write_5m,
        write_1h,
        _count(entry, "cache_read_input_tokens"),
        _count(entry, "output_tokens"),
        **terms,
    )
    if not isinstance(kind, str):
        kind = "unreadable"
    elif kind in PART_KINDS and any(entry.get(name) is None for name in _NEEDED):
        kind = "uncounted"
    if model is not None and not isinstance(model, str):
        model = "unreadable"
    return Part(kind, counted, model or None)


def _sum_of(parts: list[Part], thought: int, searches: int, terms: dict[str, Any]) -> Usage:
    """The reply that has these parts; a single plain one needs no telling."""
    uses = [part.usage for part in parts]
    output = sum(usage.output_tokens for usage in uses)
    if searches:
        last = max(n for n, part in enumerate(parts) if part.answers)
        searched = replace(uses[last], web_search_requests=searches)
        parts[last] = replace(parts[last], usage=searched)
    plain = len(parts) == 1 and parts[0].kind == "message" and parts[0].model is None
    return Usage(
        sum(usage.input_tokens for usage in uses),
        sum(usage.cache_write_5m_tokens for usage in uses),
        sum(usage.cache_write_1h_tokens for usage in uses),
        sum(usage.cache_read_tokens for usage in uses),
        output,
        reasoning_tokens=min(thought, output),
        web_search_requests=searches,
        parts=() if plain else tuple(parts),
        **terms,
    )


def caught_up(merged: dict[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """A stream's figures, `later` the newest, with iterations that are not behind the totals.

    Where an event raises the totals and leaves out the iterations that an earlier one told, the
    last of them that writes the answer gains what they do not account for.
    """
    entries = merged.get("iterations")
    if not entries or later.get("iterations") or not _are_objects(entries):
        return merged
    answering = [n for n, entry in enumerate(entries) if entry.get("type") in ANSWERING]
    if not answering:
        return merged
    last = entries[answering[-1]]
    gained = {
        name: _count(last, name) + _count(merged, name) - told
        for name in _TOTALS
        if (told := sum(_count(entries[n], name) for n in answering)) < _count(merged, name)
    }
    place = answering[-1]
    return {**merged, "iterations": [*entries[:place], {**last, **gained}, *entries[place + 1 :]]}


def in_one_form(*usages: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All of them with iterations, if any has them: what stands beside iterations is no bill."""
    if not any(usage.get("iterations") for usage in usages):
        return list(usages)
    return [
        usage
        if usage.get("iterations")
        else {**usage, "iterations": [{**usage, "type": "message", "model": None}]}
        for usage in usages
    ]


def _are_objects(entries: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)


def _cache_writes(usage: Mapping[str, Any], *, unsplit_1h: bool) -> tuple[int, int]:
    """Tokens written for 5 minutes and for 1 hour."""
    split = usage.get("cache_creation")
    total = _count(usage, "cache_creation_input_tokens")
    if not (split is not None and _mapping(split, "cache_creation")):
        return (0, total) if unsplit_1h else (total, 0)
    write_5m = _count(split, "ephemeral_5m_input_tokens")
    write_1h = _count(split, "ephemeral_1h_input_tokens")
    rest = max(total - write_5m - write_1h, 0)
    return (write_5m, write_1h + rest) if unsplit_1h else (write_5m + rest, write_1h)


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise APIResponseValidationError(f"the upstream's usage.{name} is not a count: {value!r}")
    return value


def _count_in(usage: Mapping[str, Any], place: str, name: str) -> int:
    """A count that stands one level deeper."""
    value = usage.get(place)
    return 0 if value is None else _count(_mapping(value, place), name)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise APIResponseValidationError(f"the upstream's {name} is not an object: {value!r:.80}")
    return value
