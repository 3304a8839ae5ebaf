"""`tollkeeper spend`: what was spent, grouped as asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.commands.database import on_database
from app.commands.environment import database_url
from app.commands.output import Column, say, show_json, show_table, width
from app.store.database.engine import Database
from app.store.records.keys import Keys
from app.store.reports.query import SpendQuery
from app.store.reports.reports import Reports
from app.store.reports.spend_views import spend_json

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; `key` and `model` by any of their names."""

    by: str
    since: str | None = None
    until: str | None = None
    key: str | None = None
    team: str | None = None
    model: str | None = None
    user: str | None = None
    tag: str | None = None


def spend(wanted: Wanted, *, as_json: bool) -> None:
    """Raises WrongUsage and CommandFailed."""
    groups = list(dict.fromkeys(name.strip() for name in wanted.by.split(",") if name.strip()))
    filters = {
        name: value
        for name in ("team", "user", "tag")
        if (value := getattr(wanted, name)) is not None
    }
    if wanted.model is not None:
        filters["model"] = _model_id(wanted.model)

    async def read(database: Database) -> dict[str, Any]:
        if wanted.key is not None:
            filters["key_id"] = await Keys(database).named(wanted.key)
        query = SpendQuery(groups, from_=wanted.since, to=wanted.until, filters=filters)
        return spend_json(await Reports(database).spend(query))

    report = on_database(database_url(), read)
    if as_json:
        show_json(report)
        return
    if not report["data"]:
        say(_nothing(wanted, filters))
        return
    rows = report["data"]
    ambiguous = _ambiguous(rows)
    savings = len(groups) <= 1 or width() >= WIDE
    titles = ("Calls", "Tokens\nin", "Tokens\nout", "Cost\nUSD", *(SAVINGS if savings else ()))
    show_table(
        (
            *(Column(group.capitalize()) for group in groups),
            *(Column(title, "right", whole=title not in SAVINGS) for title in titles),
        ),
        [
            [*_names(row, groups, ambiguous), *_figures(row)[: len(titles)]]
            for row in report["data"]
        ],
    )
    say(f"Total: {report['total_cost_usd']} USD")


def _model_id(name: str) -> str:
    # Imported here: only a model's name needs the configuration.
    from app.commands.catalog import catalog_with_all_on  # noqa: PLC0415
    from app.store.records.model_names import meant_model  # noqa: PLC0415

    return meant_model(name, catalog_with_all_on(None))


def _nothing(wanted: Wanted, filters: Mapping[str, str]) -> str:
    if filters:
        return "Nothing that was spent fits the filters."
    in_time = wanted.since or wanted.until
    if wanted.since is not None and wanted.since == wanted.until:
        return f"Nothing lies between {wanted.since} and itself: --to is the day after the last."
    return "Nothing was spent in that time." if in_time else "Nothing was spent yet."


def _ambiguous(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names that more than one of the keys has."""
    ids: dict[str, set[str]] = {}
    for row in rows:
        if row.get("key_name"):
            ids.setdefault(row["key_name"], set()).add(row["key"])
    return {name for name, keys in ids.items() if len(keys) > 1}


def _names(row: Mapping[str, Any], groups: Sequence[str], ambiguous: Collection[str]) -> list[str]:
    names = {group: str(row.get(f"{group}_name") or row[group] or NOT_KNOWN) for group in groups}
    if names.get("key") in ambiguous:
        names["key"] += f" ({row['key']})"
    return list(names.values())


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
