"""What a report is asked, and what it answers: typed values, in nano-USD and microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final, Self

from app.core.latencies import BUCKETS, quantile_ms
from app.store.database.rollup_tables import LATENCY_COLUMNS, ROLLUP_SUMS, TTFT_COLUMNS

GROUPS: Final = (*("key", "model", "team", "hour", "day", "month", "user", "tag", "conversation"),)
SPEND_FILTERS: Final = ("key_id", "team", "model", "user", "tag")
TIMES: Final = ("hour", "day", "month")
PLAIN_SUMS: Final = ROLLUP_SUMS[: -2 * BUCKETS]
SORTED_SUMS: Final[Mapping[str, str]] = {
    name.replace("_nano_usd", "_usd"): name
    for name in PLAIN_SUMS
    if name not in ("orphaned_nano_usd", "estimated_nano_usd")
}
SORTS: Final = (*GROUPS, *SORTED_SUMS, "estimated_usd")
"""What a report may be sorted by, ascending; with a `-` before it, descending."""

OTHERS_SHOWN: Final = "(others)"
"""Stands for the end users or tags of a day beyond those that are counted by themselves."""


@dataclass(frozen=True, slots=True)
class SpendQuery:
    """`groups` of GROUPS; `filters` of SPEND_FILTERS, `team` a name or an id, `model` an id.

    `from_` and `to` are days, which begin at midnight in `zone`, or moments; `to` is excluded.
    What is left out is quicker: without `latencies` the quantiles are not known, without `totals`
    those are nothing, and of PLAIN_SUMS that are not among `sums` nothing is known either. `only`
    names what is wanted of a group that is no time, as a report's rows have it.
    """

    groups: Sequence[str] = ()
    from_: str | None = None
    to: str | None = None
    zone: tzinfo = UTC
    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str | None = None
    limit: int | None = None
    cursor: str | None = None
    latencies: bool = True
    totals: bool = True
    sums: Sequence[str] = PLAIN_SUMS
    only: Mapping[str, Sequence[str | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Over finished calls.  `cost_nano_usd` holds what is estimated, orphaned and billed too."""

    requests: int = 0
    errors: int = 0
    retried: int = 0
    estimated_nano_usd: int = 0
    orphaned_nano_usd: int = 0
    billed_nano_usd: int = 0
    cost_nano_usd: int = 0
    cache_savings_nano_usd: int = 0
    routing_savings_nano_usd: int = 0
    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    web_search_requests: int = 0
    input_nano_usd: int = 0
    cache_write_5m_nano_usd: int = 0
    cache_write_1h_nano_usd: int = 0
    cache_read_nano_usd: int = 0
    output_nano_usd: int = 0
    server_tools_nano_usd: int = 0
    latency: Sequence[int] = ()
    ttft: Sequence[int] = ()

    @classmethod
    def of_row(cls, fields: Mapping[Any, Any]) -> Self:
        """From a row with the columns that were summed; null is nothing."""
        plain: dict[str, Any] = {
            name: int(fields[name] or 0) for name in PLAIN_SUMS if name in fields
        }
        if LATENCY_COLUMNS[0] not in fields:
            return cls(**plain)
        return cls(
            **plain,
            latency=[int(fields[name] or 0) for name in LATENCY_COLUMNS],
            ttft=[int(fields[name] or 0) for name in TTFT_COLUMNS],
        )

    @property
    def unsure_nano_usd(self) -> int:
        """The part of the cost that is not exact."""
        return self.estimated_nano_usd + self.orphaned_nano_usd

    @property
    def exact_nano_usd(self) -> int:
        """The part that was computed from what an answer used, or corrected by hand."""
        return self.cost_nano_usd - self.unsure_nano_usd - self.billed_nano_usd

    def latency_ms(self, share: float) -> int | None:
        """The time within which a `share` of the calls were over; None: not known."""
        return quantile_ms(self.latency, share)

    def ttft_ms(self, share: float) -> int | None:
        """The same of the first token of streams."""
        return quantile_ms(self.ttft, share)


@dataclass(frozen=True, slots=True)
class SpendRow:
    """`group` by the query's groups: ids, or a time's text; None: none.

    `names` are those of keys and teams, by group.
    """

    group: Mapping[str, str | None]
    names: Mapping[str, str | None]
    sums: Sums


@dataclass(frozen=True, slots=True)
class SpendReport:
    """`totals` count each call of the whole range once, whatever the grouping and the limit."""

    groups: Sequence[str]
    rows: Sequence[SpendRow]
    totals: Sums
    next_cursor: str | None = None
