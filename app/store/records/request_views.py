"""A row of the ledger as a value, and as the JSON object that the admin API shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import orjson
from sqlalchemy import Row

from app.core.ended import CostSource
from app.core.money import usd_text
from app.store.database.moments import iso
from app.store.database.tables import COST_CATEGORIES, requests
from app.store.ledger.entries import State


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A call that was held.  Each field is the column of its name; `tags` are read from JSON."""

    id: str
    key_id: str
    created_us: int
    state: State
    dialect: str
    requested_model: str
    model: str
    route_reason: str
    upstream: str
    upstream_request_id: str | None
    upstream_message_id: str | None
    attempts: int
    input_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    cache_read_tokens: int
    output_tokens: int
    reasoning_tokens: int
    web_search_requests: int
    cost_nano_usd: int
    input_nano_usd: int
    cache_write_5m_nano_usd: int
    cache_write_1h_nano_usd: int
    cache_read_nano_usd: int
    output_nano_usd: int
    server_tools_nano_usd: int
    other_nano_usd: int
    cost_source: CostSource | None
    cache_savings_nano_usd: int
    routing_savings_nano_usd: int
    cache_discount_nano_usd: int | None
    cache_miss_reason: str | None
    cache_miss_nano_usd: int | None
    reserved_nano_usd: int
    status: int | None
    error_code: str | None
    latency_ms: int | None
    ttft_ms: int | None
    stream: bool
    end_user: str | None
    conversation: str | None
    tags: tuple[str, ...]

    @property
    def costs(self) -> Mapping[str, int]:
        """Nano-USD by category; they add up to the cost.

        `other` holds bounds that stayed charged, or a correction, and is there if it is not 0.
        """
        found = {name: getattr(self, f"{name}_nano_usd") for name in COST_CATEGORIES}
        return found | ({"other": self.other_nano_usd} if self.other_nano_usd else {})

    @property
    def prompt_tokens(self) -> int:
        """Uncached, written and read."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + written + self.cache_read_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetails(RequestView):
    """The row with all it takes to recompute its cost, read from JSON; `outcome` as it is shown."""

    attempt_details: Sequence[Mapping[str, Any]] | None
    rates: Mapping[str, Any] | None
    routing: Mapping[str, Any] | None
    cache_plan: Mapping[str, Any] | None
    outcome: Mapping[str, Any] | None


DETAILS: Final = ("attempt_details", "rates", "routing", "cache_plan")
VIEWED: Final = tuple(requests.c[field.name] for field in fields(RequestView))
VIEWED_WHOLE: Final = (*VIEWED, *(requests.c[name] for name in DETAILS))
_AMOUNTS: Final = ("cost", "cache_savings", "routing_savings", "reserved")
_AMOUNTS_OR_NULL: Final = ("cache_discount", "cache_miss")
_SHOWN_OTHERWISE: Final = {
    *(f"{name}_nano_usd" for name in (*_AMOUNTS, *_AMOUNTS_OR_NULL, *COST_CATEGORIES, "other")),
    *("created_us", "tags"),
}
_AS_THEY_ARE: Final = tuple(
    field.name for field in fields(RequestView) if field.name not in _SHOWN_OTHERWISE
)


def viewed(row: Row[Any]) -> RequestView:
    """A row of the VIEWED columns."""
    return RequestView(**_values(row))


def viewed_whole(row: Row[Any], outcome: Mapping[str, Any] | None) -> RequestDetails:
    """A row of the VIEWED_WHOLE columns, and what was said of the call."""
    values = _values(row)
    for name in DETAILS:
        values[name] = None if values[name] is None else orjson.loads(values[name])
    return RequestDetails(**values, outcome=outcome)


def _values(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's documented name
    values["tags"] = () if values["tags"] is None else tuple(orjson.loads(values["tags"]))
    return values


def request_json(view: RequestView) -> dict[str, Any]:
    """The JSON object: amounts as texts of USD."""
    shown = {name: getattr(view, name) for name in _AS_THEY_ARE}
    shown |= {f"{name}_usd": usd_text(getattr(view, f"{name}_nano_usd")) for name in _AMOUNTS}
    for name in _AMOUNTS_OR_NULL:
        amount = getattr(view, f"{name}_nano_usd")
        shown[f"{name}_usd"] = None if amount is None else usd_text(amount)
    shown |= {
        "created_at": iso(view.created_us),
        "cost_details": {name: usd_text(amount) for name, amount in view.costs.items()},
        "tags": list(view.tags),
    }
    if isinstance(view, RequestDetails):
        shown |= {name: getattr(view, name) for name in (*DETAILS, "outcome")}
    return shown
