"""The report of savings as a JSON object: amounts as texts of USD, estimates named as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.core.money import usd_text
from app.store.records.routed import BUCKETS, OfScore, OfTier, Routed
from app.store.records.savings import CacheSums, OfDay, OfRoute, Savings

ESTIMATES: Final = (
    "caching: estimated_usd is the part of saved_usd on rows whose own cost is a guess",
    "caching: miss_usd is no part of saved_usd, but what reading would have saved on top",
    "routing: all of it, as the same tokens at the strongest tier's prices, with the same cache",
)


def savings_json(found: Savings, routed: Routed) -> dict[str, Any]:
    """The reports as JSON, their amounts as texts."""
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
            "by_tier": [tier_json(each) for each in routed.tiers],
            "by_score": [score_json(each) for each in routed.scores] if routed.by_auto else [],
            "least_threshold": routed.least_threshold,
            "most_threshold": routed.most_threshold,
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


def tier_json(each: OfTier) -> dict[str, Any]:
    """A tier, `-` for models that were named."""
    return {
        "tier": each.tier,
        "requests": each.requests,
        "by_auto": each.by_auto,
        "cost_usd": usd_text(each.cost_nano_usd),
        "saved_usd": usd_text(each.saved_nano_usd),
        "ok": each.ok,
        "not_ok": each.not_ok,
    }


def score_json(each: OfScore) -> dict[str, Any]:
    """Scores from `from` to below `to`."""
    return {
        "from": each.place / BUCKETS,
        "to": (each.place + 1) / BUCKETS,
        "requests_by_tier": dict(sorted(each.by_tier.items())),
        "ok": each.ok,
        "not_ok": each.not_ok,
    }
