"""What `GET /admin/savings` answers: the report in USD, and which of it is an estimate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.api.admin.answers import Answer, Tally, Usd


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


class TierFigures(Answer):
    """Calls by the tier that they were sent to; `-`: their callers named a model."""

    tier: str
    requests: Tally
    by_auto: Annotated[Tally, Field(description="Of them, those that `auto` decided.")]
    cost_usd: Usd
    saved_usd: Usd
    ok: Annotated[Tally, Field(description="Answers that were reported as good.")]
    not_ok: Tally


class ScoreFigures(Answer):
    """Calls that `auto` decided with a score of at least `from` and below `to`."""

    since: Annotated[float, Field(alias="from")]
    until: Annotated[float, Field(alias="to")]
    requests_by_tier: dict[str, Tally]
    ok: Tally
    not_ok: Tally


class Routing(Answer):
    """The thresholds are the least and the most that a score of the range was held against."""

    saved_usd: Usd
    lost_usd: Usd
    by_route: list[RouteFigures]
    by_tier: list[TierFigures]
    by_score: list[ScoreFigures]
    least_threshold: float | None
    most_threshold: float | None


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
