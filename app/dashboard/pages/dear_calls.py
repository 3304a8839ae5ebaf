"""The dearest calls, each with what made it dear."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Table
from app.dashboard.pages import receipts
from app.store.database.moments import iso_text, moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.dashboard.page import Visit
    from app.store.records.request_views import RequestView

MOST: Final = 10
COLUMNS: Final = (
    Column("When"),
    Column("Cost", numeric=True),
    Column("Key"),
    Column("Model"),
    Column("Most of it"),
)
CAUSES: Final = {
    "input": "prompt that was not cached",
    "cache_write": "prompt written to the cache",
    "cache_read": "prompt read from the cache",
    "output": "answer",
    "server_tools": "searches",
    "other": "attempts without an answer, or a correction",
}


async def of_a_day(visit: Visit) -> Table:
    """Those of the last 24 hours."""
    since = iso_text(visit.now - timedelta(hours=24))
    found = await visit.store.requests.listed({"from": since}, sort="cost", limit=MOST)
    names = await visit.store.keys.names({row.key_id for row in found.rows})
    return Table(
        caption="Dearest calls of the last 24 hours",
        columns=COLUMNS,
        lines=[_line(visit, row, names) for row in found.rows if row.cost_nano_usd],
        query=visit.query,
        empty="No call cost anything in the last 24 hours.",
        twins=False,
    )


def _line(visit: Visit, row: RequestView, names: Mapping[str, str]) -> Line:
    href = visit.query.elsewhere(f"/ui/requests/{row.id}")
    return Line(
        href=href,
        cells=(
            cells.anchor(href, cells.time(moment(row.created_us), visit.now, visit.zone)),
            cells.call_cost(row.cost_nano_usd, guessed=receipts.is_guess(row)),
            cells.name(names.get(row.key_id, row.key_id)),
            cells.name(row.model),
            cause(row),
        ),
    )


def cause(row: RequestView) -> str:
    """The greatest part of the cost in words, with its share and how many tokens it was for."""
    written = row.cache_write_5m_nano_usd + row.cache_write_1h_nano_usd
    parts = {
        "input": row.input_nano_usd,
        "cache_write": written,
        "cache_read": row.cache_read_nano_usd,
        "output": row.output_nano_usd,
        "server_tools": row.server_tools_nano_usd,
        "other": row.other_nano_usd,
    }
    greatest = max(parts, key=lambda name: parts[name])
    tokens = {
        "input": row.input_tokens,
        "cache_write": row.cache_write_5m_tokens + row.cache_write_1h_tokens,
        "cache_read": row.cache_read_tokens,
        "output": row.output_tokens,
    }.get(greatest)
    told = f"{formats.share(parts[greatest], row.cost_nano_usd)}: {CAUSES[greatest]}"
    return told if tokens is None else f"{told}, {formats.count(tokens)} tokens"
