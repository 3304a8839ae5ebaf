"""`tollkeeper spend`: what was spent, grouped as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.commands.database import on_database
from app.commands.environment import database_url
from app.commands.output import Column, say, show_json, show_table, width
from app.store.records.spend import Reports

PROMPT_TOKENS = (
    "input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
)
SAVINGS = ("Saved by\ncache", "Saved by\nrouting")
WIDE = 100  # from this width on, savings fit beside several groups
MILLIONTH = Decimal("0.000001")
NOT_KNOWN = "-"


def spend(by: str, since: str | None, until: str | None, *, as_json: bool) -> None:
    """Raises WrongUsage and CommandFailed."""
    groups = list(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    report = on_database(
        database_url(), lambda database: Reports(database).spend(groups, since, until)
    )
    if as_json:
        show_json(report)
        return
    if not report["data"]:
        say("Nothing was spent in that time." if since or until else "Nothing was spent yet.")
        return
    savings = len(groups) <= 1 or width() >= WIDE
    titles = ("Calls", "Tokens\nin", "Tokens\nout", "Cost\nUSD", *(SAVINGS if savings else ()))
    show_table(
        (
            *(Column(group.capitalize()) for group in groups),
            *(Column(title, "right", whole=title not in SAVINGS) for title in titles),
        ),
        [[*_names(row, groups), *_figures(row)[: len(titles)]] for row in report["data"]],
    )
    say(f"Total: {report['total_cost_usd']} USD")


def _names(row: Mapping[str, Any], groups: Sequence[str]) -> list[str]:
    return [str(row.get(f"{group}_name") or row[group] or NOT_KNOWN) for group in groups]


def _figures(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['requests']:,}",
        f"{sum(row[name] for name in PROMPT_TOKENS):,}",
        f"{row['output_tokens']:,}",
        *(_rounded(row[name]) for name in ("cost_usd", "cache_savings_usd", "routing_savings_usd")),
    ]


def _rounded(usd: str) -> str:
    """To a millionth: the exact figures are for scripts."""
    return f"{Decimal(usd).quantize(MILLIONTH):,f}"
