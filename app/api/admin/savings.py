"""What `GET /admin/savings` answers: the report in USD, and which of it is an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.api.admin.answers import Answer, Tally, Usd
from app.core.money import usd_text
from app.store.records.savings import CacheSums, OfDay, OfRoute, Savings

ESTIMATES = (
    "caching: estimated_usd is the part of saved_usd on rows whose own cost is a guess",
    "caching: miss_usd is no part of saved_usd, but what reading would have saved on top",
    "routing: all of it, as the same tokens at the strongest tier's prices, with the same cache",
)


class CacheFigures(Answer):
    """`lost_usd` is what calls cost more for writing than they saved: a part of `saved_usd`."""

    requests: Tally
    prompt_tokens: Tally
    cache_read_tokens: Tally
    cache_write_tokens: Tally
    saved_usd: Usd
    lost_usd: Usd
    estimated_usd: Usd
    misses: Tally
    miss_usd: Usd


class MarksFigures(CacheFigures):
    marks: str


class PrefixFigures(CacheFigures):
    """Tools and system prompt that came more than once."""

    prefix: str
    example_request_id: str
    miss_usd_by_reason: dict[str, Usd]
    advice: list[str]


class ReasonFigures(Answer):
    reason: str
    misses: Tally
    miss_usd: Usd
    advice: str | None


class Caching(CacheFigures):
    by_marks: list[MarksFigures]
    by_prefix: list[PrefixFigures]
    by_reason: list[ReasonFigures]


class RouteFigures(Answer):
    model: str
    route_reason: str
    requests: Tally
    saved_usd: Usd
    lost_usd: Usd


class Routing(Answer):
    saved_usd: Usd
    lost_usd: Usd
    by_route: list[RouteFigures]


class DayFigures(Answer):
    day: str
    requests: Tally
    cache_saved_usd: Usd
    routing_saved_usd: Usd
    miss_usd: Usd


class SavingsReport(Answer):
    caching: Caching
    routing: Routing
    by_day: list[DayFigures]
    estimates: list[str]


def savings_answer(found: Savings) -> dict[str, Any]:
    """The report as JSON, its amounts as texts."""
    reasons = [
        {
            "reason": each.reason,
            "misses": each.misses,
            "miss_usd": usd_text(each.missed_nano_usd),
            "advice": each.advice,
        }
        for each in found.reasons
    ]
    prefixes = [
        {
            "prefix": each.prefix,
            "example_request_id": each.example,
            **_figures(each.sums),
            "miss_usd_by_reason": _amounts(each.reasons),
            "advice": list(each.advice),
        }
        for each in found.prefixes
    ]
    return {
        "caching": {
            **_figures(found.caching),
            "by_marks": [{"marks": each.marks, **_figures(each.sums)} for each in found.marks],
            "by_prefix": prefixes,
            "by_reason": reasons,
        },
        "routing": {
            "saved_usd": usd_text(sum(each.saved_nano_usd for each in found.routes)),
            "lost_usd": usd_text(sum(each.lost_nano_usd for each in found.routes)),
            "by_route": [_route(each) for each in found.routes],
        },
        "by_day": [_day(each) for each in found.days],
        "estimates": list(ESTIMATES),
    }


def _figures(sums: CacheSums) -> dict[str, Any]:
    return {
        "requests": sums.requests,
        "prompt_tokens": sums.prompt_tokens,
        "cache_read_tokens": sums.read_tokens,
        "cache_write_tokens": sums.written_tokens,
        "saved_usd": usd_text(sums.saved_nano_usd),
        "lost_usd": usd_text(sums.lost_nano_usd),
        "estimated_usd": usd_text(sums.estimated_nano_usd),
        "misses": sums.misses,
        "miss_usd": usd_text(sums.missed_nano_usd),
    }


def _amounts(nano_usd: Mapping[str, int]) -> dict[str, str]:
    return {name: usd_text(amount) for name, amount in sorted(nano_usd.items())}


def _route(each: OfRoute) -> dict[str, Any]:
    return {
        "model": each.model,
        "route_reason": each.reason,
        "requests": each.requests,
        "saved_usd": usd_text(each.saved_nano_usd),
        "lost_usd": usd_text(each.lost_nano_usd),
    }


def _day(each: OfDay) -> dict[str, Any]:
    return {
        "day": each.day,
        "requests": each.requests,
        "cache_saved_usd": usd_text(each.cache_saved_nano_usd),
        "routing_saved_usd": usd_text(each.routing_saved_nano_usd),
        "miss_usd": usd_text(each.missed_nano_usd),
    }
