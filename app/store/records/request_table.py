"""The ledger's rows as a flat table, a column for each figure: for CSV."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from app.core.csv_text import csv_text
from app.core.money import usd_text
from app.store.database.tables import COST_CATEGORIES, TOKEN_COLUMNS
from app.store.records.request_views import RequestView, request_json

_COSTS: Final = tuple(f"cost_{category}_usd" for category in (*COST_CATEGORIES, "other"))
COLUMNS: Final = (
    *("id", "created_at", "key_id", "state", "status", "error_code", "dialect"),
    *("requested_model", "model", "route_reason", "upstream", "upstream_request_id"),
    *("upstream_message_id", "attempts", "stream", "latency_ms", "ttft_ms"),
    *(*TOKEN_COLUMNS, "cost_usd", "cost_source", *_COSTS, "reserved_usd"),
    *("cache_savings_usd", "routing_savings_usd", "cache_discount_usd"),
    *("cache_miss_reason", "cache_miss_usd", "end_user", "conversation", "tags"),
)


def cells(view: RequestView) -> list[Any]:
    """One row, as COLUMNS."""
    shown = request_json(view)
    costs = view.costs
    for category, name in zip((*COST_CATEGORIES, "other"), _COSTS, strict=True):
        shown[name] = usd_text(costs.get(category, 0))
    return [shown[name] for name in COLUMNS]


async def as_csv(chunks: AsyncIterator[Sequence[RequestView]]) -> AsyncIterator[str]:
    """The table piece by piece, with its head first."""
    yield csv_text([COLUMNS])
    async for views in chunks:
        if views:
            yield await asyncio.to_thread(_text, views)  # calls are served meanwhile


def _text(views: Sequence[RequestView]) -> str:
    return csv_text(map(cells, views))
