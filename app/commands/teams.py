"""`tollkeeper teams`: budgets over several keys, made, shown and changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.commands.environment import database_url
from app.commands.failure import WrongUsage
from app.commands.output import Column, say, show_facts, show_json, show_table
from app.core.budgets import WINDOWS

if TYPE_CHECKING:
    from app.store.records.teams import Teams

T = TypeVar("T")
ACTOR = "cli"
NOTHING = "none"
MOST_AT_ONCE = 1_000
NO_LIMIT = "-"
COLUMNS = (
    Column("ID", whole=True),
    Column("Name"),
    Column("Spent USD", "right", whole=True),
    Column("Limit USD", "right"),
    Column("Per"),
)

teams_commands = typer.Typer(no_args_is_help=True, help="Make, show and change teams of keys.")

Json = Annotated[bool, typer.Option("--json", help="for scripts")]
TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="a team's id or name")]
Budget = Annotated[str | None, typer.Option(metavar="USD", help="such as 100.00; none: no limit")]
WindowName = Annotated[str | None, typer.Option(metavar="|".join(WINDOWS), help="of the budget")]


@teams_commands.command("create")
def create(
    *,
    name: Annotated[str, typer.Option(help="who they are")],
    budget: Budget = None,
    window: WindowName = None,
    as_json: Json = False,
) -> None:
    """Make a team; keys join it by `tollkeeper keys update KEY --team TEAM`."""
    fields = {"name": name, **_fields(budget, window)}
    _show(_with_teams(lambda teams: teams.create(fields, actor=ACTOR)), as_json=as_json)


@teams_commands.command("list")
def list_all(*, as_json: Json = False) -> None:
    """Every team, newest first."""

    async def read(teams: Teams) -> list[dict[str, Any]]:
        page = await teams.list(limit=MOST_AT_ONCE)
        found: list[dict[str, Any]] = page["data"]
        while page["next_cursor"] is not None:
            page = await teams.list(cursor=page["next_cursor"], limit=MOST_AT_ONCE)
            found += page["data"]
        return found

    found = _with_teams(read)
    if as_json:
        show_json({"data": found, "next_cursor": None})
    elif found:
        show_table(COLUMNS, map(_cells, found))
    else:
        say("There is no team yet. Make one: tollkeeper teams create --name NAME")


@teams_commands.command("show")
def show(team: TeamName, *, as_json: Json = False) -> None:
    """One team, its budget and what its keys spent."""

    async def read(teams: Teams) -> dict[str, Any]:
        return await teams.get(await teams.named(team))

    _show(_with_teams(read), as_json=as_json)


@teams_commands.command("update")
def update(
    team: TeamName,
    *,
    name: Annotated[str | None, typer.Option(help="who they are")] = None,
    budget: Budget = None,
    window: WindowName = None,
    as_json: Json = False,
) -> None:
    """Change what is given; `none` removes the limit."""
    fields = _fields(budget, window)
    if name is not None:
        fields["name"] = name
    if not fields:
        raise WrongUsage("nothing to change; see: tollkeeper teams update --help")

    async def change(teams: Teams) -> dict[str, Any]:
        return await teams.update(await teams.named(team), fields, actor=ACTOR)

    _show(_with_teams(change), as_json=as_json)


def _fields(budget: str | None, window: str | None) -> dict[str, object]:
    """Those that were given, None for no limit.  Raises WrongUsage.

    An empty text is refused: it is a variable of a script that was not set.
    """
    for option, value in (("--budget", budget), ("--window", window)):
        if value is not None and not value.strip():
            raise WrongUsage(f"{option} is empty; allowed: a value, or {NOTHING}")
    fields: dict[str, object] = {}
    if budget is not None:
        fields["max_budget_usd"] = None if budget == NOTHING else budget
    if window is not None:
        fields["budget_window"] = window
    return fields


def _cells(team: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        team["id"],
        team["name"],
        team["spent_usd"],
        team["max_budget_usd"] or NO_LIMIT,
        NO_LIMIT if team["budget_window"] == NOTHING else team["budget_window"],
    )


def _show(team: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(team)
        return
    again = team["resets_at"]
    resets = f", starts again {again[:16].replace('T', ' ')} UTC" if again else ""
    show_facts(
        {
            "id": team["id"],
            "name": team["name"],
            "created": f"{team['created_at'][:16].replace('T', ' ')} UTC",
            "budget": _usd(team["max_budget_usd"]),
            "window": team["budget_window"] + resets,
            "spent": f"{team['spent_usd']} USD, {team['lifetime_spent_usd']} USD in all",
            "reserved": f"{team['reserved_usd']} USD",
            "remaining": _usd(team["remaining_usd"]),
        }
    )


def _usd(amount: str | None) -> str:
    return "no limit" if amount is None else f"{amount} USD"


def _with_teams(work: Callable[[Teams], Awaitable[T]]) -> T:
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415
    from app.store.records.teams import Teams as StoredTeams  # noqa: PLC0415

    return on_database(database_url(), lambda database: work(StoredTeams(database)))
