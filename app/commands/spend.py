"""`tollkeeper spend`: what was spent, grouped as asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from app.commands.database import on_database
from app.commands.environment import database_url
from app.commands.failure import WrongUsage
from app.commands.output import Column, say, show_csv, show_json, show_table, width
from app.core.zones import zone_named
from app.store.database.engine import Database
from app.store.records.keys import Keys
from app.store.reports.query import SpendQuery, SpendReport
from app.store.reports.reports import Reports
from app.store.reports.spend_views import spend_csv, spend_json

PROMPT_TOKENS = (
    "input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_read_tokens",
)
SAVINGS = ("Saved by\ncache", "Saved by\nrouting")
WIDE = 100  # from this width on, savings fit beside several groups
NOT_NARROW = 72  # and beside one
MILLIONTH = Decimal("0.000001")
NOT_KNOWN = "-"
TIMES = ("hour", "day", "month")
FIGURES_WIDTH = 80  # what the other columns take
SHORTEST_BAR = 8
LONGEST_BAR = 60
BAR = "#"  # every terminal and encoding has it


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; `key` and `model` by any of their names.

    `sort` is a column of the JSON rows, with `-` before it for the greatest first.
    """

    by: str
    since: str | None = None
    until: str | None = None
    key: str | None = None
    team: str | None = None
    model: str | None = None
    user: str | None = None
    tag: str | None = None
    zone: str | None = None
    sort: str | None = None
    limit: int | None = None


def spend(wanted: Wanted, *, as_json: bool, as_csv: bool = False) -> None:
    """Raises WrongUsage and CommandFailed."""
    if as_csv and as_json:
        raise WrongUsage("--csv and --json are two ways to say it: give one of them")
    groups = list(dict.fromkeys(name.strip() for name in wanted.by.split(",") if name.strip()))
    filters = {
        name: value
        for name in ("team", "user", "tag")
        if (value := getattr(wanted, name)) is not None
    }
    if wanted.model is not None:
        filters["model"] = _model_id(wanted.model)

    async def read(database: Database) -> SpendReport:
        if wanted.key is not None:
            filters["key_id"] = await Keys(database).named(wanted.key)
        query = SpendQuery(
            groups,
            from_=wanted.since,
            to=wanted.until,
            zone=zone_named(wanted.zone),
            filters=filters,
            sort=wanted.sort or _usual_order(groups),
            limit=wanted.limit,
            latencies=as_json or as_csv,
        )
        return await Reports(database).spend(query)

    found = on_database(database_url(), read)
    if as_csv:
        for piece in spend_csv(found):
            show_csv(piece)
        return
    report = spend_json(found)
    if as_json:
        show_json(report)
        return
    _show(wanted, groups, report, is_filtered=bool(filters))


def _show(
    wanted: Wanted, groups: Sequence[str], report: Mapping[str, Any], *, is_filtered: bool
) -> None:
    if not report["data"]:
        say(_nothing(wanted, is_filtered=is_filtered))
        return
    rows = report["data"]
    ambiguous = _ambiguous(rows)
    savings = width() >= (NOT_NARROW if len(groups) <= 1 else WIDE)
    bars = _bars(rows, groups)
    titles = ("Calls", "Tokens\nin", "Tokens\nout", "Cost\nUSD", *(SAVINGS if savings else ()))
    show_table(
        (
            *(Column(group.capitalize(), whole=group in TIMES) for group in groups),
            *(Column(title, "right") for title in titles),
            *([Column("", whole=True)] if any(bars) else ()),
        ),
        [
            [*_names(row, groups, ambiguous), *_figures(row)[: len(titles)], *bars[place]]
            for place, row in enumerate(rows)
        ],
    )
    if report["next_cursor"] is not None:
        say(f"The first {len(rows)} rows of more: --limit shows more of them.")
    zone = f", days of {wanted.zone}" if wanted.zone else ""
    say(f"Total: {report['total_cost_usd']} USD{zone}")


def _usual_order(groups: Sequence[str]) -> str | None:
    """Times run backwards, everything else begins with the dearest."""
    if not groups:
        return None
    return f"-{groups[0]}" if groups[0] in TIMES else "-cost_usd"


def _bars(rows: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> Sequence[tuple[str, ...]]:
    """A bar for each row of a time, where the terminal has the room; else nothing."""
    room = min(width() - FIGURES_WIDTH, LONGEST_BAR)
    if len(groups) != 1 or groups[0] not in TIMES or room < SHORTEST_BAR:
        return [()] * len(rows)
    costs = [Decimal(row["cost_usd"]) for row in rows]
    top = max(costs)
    if not top:
        return [()] * len(rows)
    return [(BAR * int((cost * room / top).to_integral_value(ROUND_UP)),) for cost in costs]


def _model_id(name: str) -> str:
    # Imported here: only a model's name needs the configuration.
    from app.commands.catalog import catalog_with_all_on  # noqa: PLC0415
    from app.store.records.model_names import meant_model  # noqa: PLC0415

    return meant_model(name, catalog_with_all_on(None))


def _nothing(wanted: Wanted, *, is_filtered: bool) -> str:
    if is_filtered:
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
