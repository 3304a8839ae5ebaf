"""The windows of one budget as a table: what each spent, held at most, and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.core.money import usd_text
from app.dashboard.figures import cells, formats
from app.dashboard.figures.tables import Column, Line, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from app.dashboard.page import Visit
    from app.store.records.window_history import PastWindow

WINDOW_COLUMNS: Final = (
    Column("Window"),
    Column("Began"),
    Column("Ends"),
    Column("Spent", numeric=True),
    Column("Of today’s limit", numeric=True),
    Column("Held", numeric=True, hint="By calls that run"),
    Column("Most held", numeric=True, hint="At once, reckoned from the holds of its calls"),
    Column("Refused", numeric=True, hint="Calls that this budget was too small for"),
)


def window_record(window: PastWindow) -> dict[str, Any]:
    """A window for programs."""
    most = window.most_held_nano_usd
    return {
        "window": window.window,
        "starts_at": window.starts_at and window.starts_at.isoformat(),
        "ends_at": window.ends_at and window.ends_at.isoformat(),
        "spent_usd": usd_text(window.spent_nano_usd),
        "held_usd": usd_text(window.held_nano_usd),
        "most_held_usd": None if most is None else usd_text(most),
        "refused": window.refused,
    }


def window_table(visit: Visit, windows: Sequence[PastWindow], limit: int | None) -> Table:
    """What was spent in each window of a budget."""
    largest = formats.largest(each.spent_nano_usd for each in windows)
    return Table(
        caption="Windows of the budget, newest first, UTC",
        columns=WINDOW_COLUMNS,
        lines=[
            Line(
                (
                    each.window if each.starts_at else "whole life",
                    formats.day(each.starts_at) if each.starts_at else formats.DASH,
                    _end(visit, each),
                    cells.total(each.spent_nano_usd, largest),
                    formats.share(each.spent_nano_usd, limit or 0),
                    cells.total(each.held_nano_usd),
                    cells.unknown("there are too many calls")
                    if each.most_held_nano_usd is None
                    else cells.total(each.most_held_nano_usd),
                    cells.number(each.refused, "refused calls are kept for 30 days"),
                )
            )
            for each in windows
        ],
        query=visit.query,
        empty="Nothing was spent yet.",
    )


def _end(visit: Visit, window: PastWindow) -> Markup | str:
    if window.ends_at is None:
        return formats.DASH
    if window.ends_at > visit.now:
        return cells.time(window.ends_at, visit.now, visit.zone)
    return formats.day(window.ends_at)
