"""`tollkeeper prices`: every price in force, and whether an independent list agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from app.commands.catalog import catalog_with_all_on
from app.commands.failure import CommandFailed
from app.commands.output import Column, say, show_json, show_table
from app.config.book_check import Difference, compare_with_genai_prices
from app.config.catalog import PriceRow, price_rows
from app.config.prices import FROM_CONFIG, bundled_books

TITLES = {
    "input": "Input",
    "output": "Output",
    "cache_write_5m": "Write 5m",
    "cache_write_1h": "Write 1h",
    "cache_read": "Read",
}
MILLION = 1_000_000
NOT_LISTED = "not listed"


def prices(config: Path | None, *, as_json: bool) -> None:
    """Every configured model's.  Raises ConfigError."""
    rows = price_rows(catalog_with_all_on(config), datetime.now(UTC).date())
    if as_json:
        show_json({"data": [asdict(row) for row in rows], "next_cursor": None})
        return
    lines = [_cells(list(group)) for _, group in groupby(rows, lambda row: (row.model, row.tier))]
    columns = (Column(title, "right", whole=True) for title in TITLES.values())
    show_table((Column("USD per million tokens"), *columns), lines)
    if any(row.origin == FROM_CONFIG for row in rows):
        say("* from cost_per_token in the configuration")


def check_prices(*, as_json: bool) -> None:
    """Hold the built-in price books against genai-prices.  Raises CommandFailed without it."""
    try:
        differences = compare_with_genai_prices(bundled_books(), datetime.now(UTC).date())
    except RuntimeError as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        show_json({"data": [asdict(difference) for difference in differences]})
        return
    if not differences:
        say("The price books and genai-prices agree on every figure.")
        return
    show_table(
        (
            Column("USD per million tokens"),
            Column("Category"),
            Column("Tier"),
            Column("Ours", "right", whole=True),
            Column("genai-prices", "right", whole=True),
        ),
        [_difference(found) for found in differences],
    )
    say(f"{len(differences)} differences from genai-prices.")


def _cells(rows: Sequence[PriceRow]) -> list[str]:
    first = rows[0]
    name = first.model if first.tier == "base" else f"  prompts {_threshold(first.tier)}"
    figures = {row.category: row for row in rows}
    return [name, *(_figure(figures[category]) for category in TITLES)]


def _threshold(tier: str) -> str:
    return f"> {int(tier.removeprefix('>')):,} tokens"


def _figure(row: PriceRow) -> str:
    """'0.000003' per token -> '3.00'; a star marks an override."""
    usd = f"{(Decimal(row.usd_per_token) * MILLION).normalize():f}"
    whole, _, decimals = usd.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}{'*' if row.origin == FROM_CONFIG else ''}"


def _difference(found: Difference) -> tuple[str, ...]:
    return (
        found.model,
        found.category,
        found.tier,
        found.ours or NOT_LISTED,
        found.theirs or NOT_LISTED,
    )
