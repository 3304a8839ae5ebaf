"""What `/admin/spend` answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from app.api.admin.answers import Answer, Tally, Tokens, Usd

Milliseconds = Annotated[int, Field(ge=0, description="Within 23 %; null: nothing was measured.")]


class SpendSums(Tokens):
    """Sums over finished calls; `estimated_usd` is the part of the cost that is not exact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: Tally
    errors: Tally
    cost_usd: Usd
    estimated_usd: Usd
    cache_savings_usd: Usd
    routing_savings_usd: Usd
    latency_ms_p50: Milliseconds | None
    latency_ms_p95: Milliseconds | None
    ttft_ms_p50: Milliseconds | None
    ttft_ms_p95: Milliseconds | None


class SpendRow(SpendSums):
    """Sums, and beside them the fields that were grouped by."""

    key: str | None = None
    key_name: str | None = None
    model: str | None = None
    team: str | None = None
    team_name: str | None = None
    hour: str | None = None
    day: str | None = None
    month: str | None = None
    user: str | None = None
    tag: str | None = None
    conversation: str | None = None


class SpendReport(Answer):
    """The totals count each call of the whole range once, whatever the grouping."""

    data: list[SpendRow]
    next_cursor: str | None
    total_cost_usd: Usd
    totals: SpendSums
