"""Rows of a report as lines of the Spend page's table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.dashboard.figures import cells, charts, formats
from app.dashboard.figures.tables import Column, Line
from app.store.database.moments import iso_text
from app.store.reports.query import OTHERS_SHOWN, PLAIN_SUMS, Sums

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.dashboard.page import Visit
    from app.store.reports.query import SpendReport, SpendRow

SORTS: Final = {
    "Cost": "cost_usd",
    "Calls": "requests",
    "Input": "input_tokens",
    "Read": "cache_read_tokens",
    "Output": "output_tokens",
    "Cache": "cache_savings_usd",
    "Routing": "routing_savings_usd",
    "Errors": "errors",
}


def _sorted(label: str, hint: str = "") -> Column:
    name = SORTS[label]
    return Column(label, numeric=True, sorts=(f"-{name}", name), hint=hint)


NUMBERS: Final = (
    _sorted("Cost"),
    Column("Share", hint="Of the whole range"),
    _sorted("Calls"),
    _sorted("Errors", "Calls that ended with an error"),
    _sorted("Input", "Tokens of prompts that no cache had to do with"),
    Column("Written", numeric=True, hint="Tokens written to the cache, 5 min and 1 h together"),
    _sorted("Read", "Tokens read from the cache"),
    _sorted("Output", "Tokens of answers"),
    _sorted("Cache", "What reading saved, less what writing cost more"),
    _sorted("Routing", "Against the strongest tier: at most so much"),
    Column("Per call", numeric=True),
    Column("p95", numeric=True, hint="The time within which 95 of 100 calls were over"),
)


def spend_cells(sums: Sums, totals: Sums, largest: int, *, exact: bool = False) -> list[str]:
    """As NUMBERS."""
    cost = sums.cost_nano_usd
    guessed = sums.unsure_nano_usd > 0
    written = sums.cache_write_5m_tokens + sums.cache_write_1h_tokens
    return [
        cells.exact(cost) if exact else cells.total(cost, largest, guessed=guessed),
        cells.together(
            charts.share_bar(cost, totals.cost_nano_usd, 56),
            formats.share(cost, totals.cost_nano_usd),
        ),
        cells.number(sums.requests),
        cells.number(sums.errors),
        cells.number(sums.input_tokens),
        cells.number(written),
        cells.number(sums.cache_read_tokens),
        cells.number(sums.output_tokens),
        cells.gain(sums.cache_savings_nano_usd),
        cells.gain(sums.routing_savings_nano_usd),
        cells.call_cost(cost // sums.requests) if sums.requests else formats.DASH,
        formats.milliseconds(sums.latency_ms(0.95)),
    ]


def with_group(
    visit: Visit,
    row: SpendRow,
    figures: list[str],
    before: Mapping[tuple[str | None, ...], Sums],
    *,
    compared: bool,
) -> Line:
    """The row led by what it is grouped by, each a link to the calls behind it."""
    names = [_named(visit, row, group) for group in row.group]
    change = []
    if compared:
        earlier = before.get(tuple(row.group.values()), Sums())
        change = [formats.change(row.sums.cost_nano_usd, earlier.cost_nano_usd)]
    return Line((*names, *figures, *change), href=_calls(visit, row))


def others(report: SpendReport, *, first_page: bool) -> Sums | None:
    """What the rows that are not shown come to; None where all are, or where rows overlap."""
    if report.next_cursor is None or not first_page or "tag" in report.groups:
        return None
    rest = {
        name: getattr(report.totals, name) - sum(getattr(row.sums, name) for row in report.rows)
        for name in PLAIN_SUMS
    }
    return Sums(**rest)


def _named(visit: Visit, row: SpendRow, group: str) -> str:
    found = row.group[group]
    if found is None:
        return cells.unknown(f"calls without a {group}")
    if group in row.names:
        href = visit.query.elsewhere(f"/ui/{group}s/{found}")
        return cells.link(href, row.names[group] or found, "name")
    href = _calls(visit, row)
    return cells.link(href, found, "name") if href else cells.name(found)


def _calls(visit: Visit, row: SpendRow) -> str:
    """The calls of a row, where the list of calls can be asked for them."""
    asked: dict[str, str | None] = dict(
        visit.query.only(("key_id", "team", "model", "tag", "user"))
    )
    for group, found in row.group.items():
        if found is None or found == OTHERS_SHOWN:
            return ""
        if group == "hour":
            begins = datetime.fromisoformat(found).astimezone(UTC)
            ends = begins + timedelta(hours=1)
            asked |= {"from_": iso_text(begins), "to": iso_text(ends)}
        elif group in ("day", "month"):
            asked |= _ends(found)
        else:
            asked["key_id" if group == "key" else group] = found
    period = visit.query.period(visit.now, "30d")
    if not {"from_", "to"} & asked.keys():
        asked |= {"from_": period.text("from"), "to": period.text("to")}
    return visit.query.elsewhere("/ui/requests", **asked)


def _ends(text: str) -> dict[str, str | None]:
    """The first day of a day or month, and the first after it."""
    if len(text) == len("2026-11-30"):
        day = date.fromisoformat(text)
        return {"from_": text, "to": (day + timedelta(days=1)).isoformat()}
    first = date.fromisoformat(f"{text}-01")
    after = (first + timedelta(days=32)).replace(day=1)
    return {"from_": first.isoformat(), "to": after.isoformat()}
