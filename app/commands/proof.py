"""`tollkeeper audit` and `reconcile`: who changed what, and whether the sums can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
import typer

from app.commands.environment import database_url
from app.commands.failure import CommandFailed
from app.commands.output import Column, complain_on_terminal, say, show_facts, show_json, show_table
from app.commands.output import width as terminal_width
from app.core.printable import printable

STACKED = 100  # below this width an entry takes lines instead of columns
AUDIT_COLUMNS = (
    Column("When (UTC)", whole=True),
    Column("Who"),
    Column("What"),
    Column("Of"),
    Column("Before -> after"),
)
DIFFERENCE_COLUMNS = (
    Column("Of"),
    Column("Which"),
    Column("Figure"),
    Column("Counted", "right"),
    Column("Rows add up to", "right"),
)
NOTHING = "none"

Json = Annotated[bool, typer.Option("--json", help="for scripts")]


def audit(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many entries")] = 20,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of the page before")] = None,
    as_json: Json = False,
) -> None:
    """Show who changed what, newest first."""
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415
    from app.store.records.audit import Audit  # noqa: PLC0415

    page = on_database(
        database_url(), lambda database: Audit(database).list(cursor=cursor, limit=limit)
    )
    if as_json:
        show_json(page)
        return
    if not page["data"]:
        say("Nothing was changed yet. A key is made by: tollkeeper keys create --name NAME")
        return
    if terminal_width() < STACKED:
        for entry in page["data"]:
            when, who, what, of = _told(entry)
            say(f"{when}  {printable(what)} by {printable(who)}")
            for line in (printable(of), *_changes(entry["details"])):
                say(f"  {line}")
    else:
        rows = ((*_told(each), "; ".join(_changes(each["details"]))) for each in page["data"])
        show_table(AUDIT_COLUMNS, rows)
    if page["next_cursor"] is not None:
        say(f"Older ones: tollkeeper audit --limit {limit} --cursor {page['next_cursor']}")


def reconcile(*, as_json: Json = False) -> None:
    """Compare the ledger with its sums. Every window and sum of it; exit 1 if one differs."""
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415
    from app.store.reports.reports import Reports  # noqa: PLC0415

    complain_on_terminal("Reading the whole ledger ...")
    told = on_database(database_url(), lambda database: Reports(database).reconcile())
    differences = told["differences"]
    if as_json:
        show_json(told)
    elif told["consistent"]:
        calls = f"{told['requests']:,} call{'' if told['requests'] == 1 else 's'}"
        say(f"Consistent: every window and every sum is what {calls} add up to.")
    elif terminal_width() < STACKED:
        for each in differences:
            names = ("of", "which", "figure", "counted", "rows")
            show_facts(dict(zip(names, _difference(each), strict=True)))
            say()
    else:
        show_table(DIFFERENCE_COLUMNS, map(_difference, differences))
    if not told["consistent"]:
        raise CommandFailed(f"not consistent: {len(differences):,} figures differ")


def _difference(found: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(found[name]) for name in ("kind", "id", "field", "counted", "ledger"))


def _told(entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    when = entry["at"][:19].replace("T", " ")
    return when, entry["actor"], entry["action"], entry["target"]


def _changes(details: Mapping[str, Any]) -> Iterator[str]:
    """'name: a -> b' for each field; what has no before is told as it is."""
    before, after = details.get("before"), details.get("after") or {}
    for name in dict.fromkeys((*(before or {}), *after)):
        becomes = _value(after.get(name))
        if before is None:
            yield f"{name}: {becomes}"
        elif before.get(name) != after.get(name):
            yield f"{name}: {_value(before.get(name))} -> {becomes}"
    for name, value in details.items():
        if name not in ("before", "after"):
            yield f"{name}: {_value(value)}"


def _value(value: object) -> str:
    if value is None:
        return NOTHING
    return printable(value if isinstance(value, str) else orjson.dumps(value).decode())
