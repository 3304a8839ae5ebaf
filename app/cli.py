"""The `tollkeeper` command line: how the commands are called.  Exit codes: 0, 1 failed, 2 usage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.commands import absent, connect, proof, replays
from app.commands.environment import database_url
from app.commands.failure import WRONG_USAGE, CommandFailed
from app.commands.help_order import InOrder
from app.commands.keys import keys_commands
from app.commands.output import complain, say, show_json
from app.commands.requests import requests_commands
from app.commands.teams import teams_commands
from app.config.problems import ConfigError

app = typer.Typer(
    name="tollkeeper",
    cls=InOrder,
    help="An OpenAI-compatible gateway to Claude that prices every call and enforces budgets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config_commands = typer.Typer(no_args_is_help=True, help="Look at the configuration.")
db_commands = typer.Typer(no_args_is_help=True, help="Look after the database.")
app.add_typer(keys_commands, name="keys")
app.add_typer(teams_commands, name="teams")
app.add_typer(requests_commands, name="requests")
app.add_typer(config_commands, name="config")
app.add_typer(db_commands, name="db")
routing_commands = typer.Typer(no_args_is_help=True, help="Weights of the score, and your labels.")
app.add_typer(routing_commands, name="routing")
app.command()(replays.whatif)
app.command()(replays.reprice)
for command in (proof.audit, proof.reconcile, connect.connect):
    app.command()(command)
for name in absent.COMMANDS:
    app.command(name, hidden=True, context_settings=absent.ANYTHING)(absent.tell)
spend_commands = typer.Typer(
    invoke_without_command=True, help="Show what was spent, or why it has changed."
)
spend_commands.command("change")(replays.spend_change)
app.add_typer(spend_commands, name="spend")


def _tell_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        say(f"tollkeeper {version('tollkeeper')}")
        raise typer.Exit


@app.callback()
def tollkeeper(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _tell_version(wanted=wanted),
            is_eager=True,
            help="tell the version",
        ),
    ] = False,
) -> None:
    """An OpenAI-compatible gateway to Claude that prices every call and enforces budgets."""


Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="instead of $TOLLKEEPER_CONFIG or ./config.yaml"),
]
LogLevel = Literal["debug", "info", "warning", "error"]
Json = Annotated[bool, typer.Option("--json", help="for scripts")]


def main() -> None:
    """Run the command line; no failure on purpose shows a traceback."""
    try:
        app(prog_name="tollkeeper")
    except CommandFailed as error:
        complain(f"Error: {error}")
        sys.exit(error.code)
    except ConfigError as error:
        complain(f"The configuration can't be used:\n{error}")
        sys.exit(WRONG_USAGE)


# Each command imports what it needs when it runs: a start must not pay for the others.


@app.command()
def serve(  # noqa: PLR0913 - every option is one
    *,
    config: Config = None,
    host: Annotated[str, typer.Option(help="what to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 4000,
    workers: Annotated[int, typer.Option(min=1, help="more than one needs PostgreSQL")] = 1,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="answer from the built-in simulated upstream")
    ] = False,
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", help="debug tells served calls too")
    ] = "info",
) -> None:
    """Serve the gateway. The first start makes the database and the keys."""
    from app.commands import serve as gateway  # noqa: PLC0415

    gateway.serve(gateway.Wanted(config, host, port, workers, simulate, log_level))


@spend_commands.callback()
def spend(  # noqa: PLR0913 - every option is one
    context: typer.Context,
    *,
    by: Annotated[
        str,
        typer.Option(
            metavar="GROUPS", help="of key,model,team,hour,day,month,user,tag, with commas"
        ),
    ] = "key",
    since: Annotated[
        str | None, typer.Option("--from", metavar="D", help="first day or moment")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="D", help="the day or moment after the last")
    ] = None,
    key: Annotated[str | None, typer.Option(help="one key's: its id, name or prefix")] = None,
    team: Annotated[str | None, typer.Option(help="one team's: its id or name")] = None,
    model: Annotated[str | None, typer.Option(help="one model's: a tier, an id or alias")] = None,
    user: Annotated[str | None, typer.Option(help="one end user's")] = None,
    tag: Annotated[str | None, typer.Option(help="calls with a tag, such as env=prod")] = None,
    zone: Annotated[
        str | None,
        typer.Option("--tz", metavar="ZONE", help="days of a zone such as Europe/Berlin; UTC else"),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="of the rows of --json; - before it: the greatest first"
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="so many rows at most")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="all columns, for a spreadsheet")] = False,
    as_json: Json = False,
) -> None:
    """Show what was spent, or why it has changed."""
    if context.invoked_subcommand is not None:
        return
    from app.commands import spend as spent  # noqa: PLC0415

    wanted = spent.Wanted(by, since, until, key, team, model, user, tag, zone, sort, limit)
    spent.spend(wanted, as_json=as_json, as_csv=as_csv)


@app.command()
def prices(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="compare the built-in price books with genai-prices")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the prices in force. In USD per million tokens."""
    from app.commands import prices as listed  # noqa: PLC0415

    if check:
        listed.check_prices(as_json=as_json)
    else:
        listed.prices(config, as_json=as_json)


@app.command()
def route(
    prompt: Annotated[str, typer.Argument(help="the prompt; - reads it from stdin")],
    *,
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="with -: a chat request body per line of stdin")
    ] = False,
) -> None:
    """Explain which model would answer a prompt."""
    from app.commands.route import explain  # noqa: PLC0415

    explain(prompt, config, as_json=as_json)


Labels = Annotated[
    Path | None,
    typer.Argument(metavar="[LABELS.jsonl]", help="without it: what was said of calls"),
]


@routing_commands.command("fit")
def routing_fit(
    labels: Labels = None,
    *,
    output: Annotated[Path, typer.Option(metavar="FILE", help="a new file")] = Path(
        "routing.fitted.yaml"
    ),
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Fit weights to labels of your own, and say how well they do on labels they have not seen."""
    from app.commands.routing import fit_weights  # noqa: PLC0415

    fit_weights(labels, config, output, as_json=as_json)


@routing_commands.command("eval")
def routing_eval(
    labels: Labels = None,
    *,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="weights to be judged as well")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say how well the weights do on labels of your own."""
    from app.commands.routing import judge_weights  # noqa: PLC0415

    judge_weights(labels, weights, config, as_json=as_json)


@app.command()
def simulate(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 0,
    host: Annotated[str, typer.Option(help="what to listen on")] = "127.0.0.1",
    as_json: Json = False,
) -> None:
    """Serve the simulated upstream alone."""
    from app.commands.simulate import simulate as run  # noqa: PLC0415

    run(host, port, as_json=as_json)


@app.command()
def doctor(*, config: Config = None, as_json: Json = False) -> None:
    """See whether all is well. Config, database, keys, clock, Redis, disk; exit 1 if one fails."""
    from app.commands.doctor import doctor as look  # noqa: PLC0415

    look(config, as_json=as_json)


@config_commands.command("check")
def config_check(*, config: Config = None, as_json: Json = False) -> None:
    """Say whether the configuration can be used, or everything that is wrong with it."""
    from app.commands.config_check import check  # noqa: PLC0415

    check(config, as_json=as_json)


@db_commands.command("upgrade")
def db_upgrade(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="say nothing when all is well")] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to this version's tables."""
    from app.commands.database import shown, upgrade  # noqa: PLC0415
    from app.store.database.tables import REVISION  # noqa: PLC0415

    url = database_url()
    upgrade(url)
    if as_json:
        show_json({"database": shown(url), "revision": REVISION})
    elif not quiet:
        say(f"The database {shown(url)} is up to date.")


@db_commands.command("copy")
def db_copy(
    *,
    source: Annotated[str, typer.Option("--from", metavar="URL", help="the database to copy")],
    target: Annotated[str, typer.Option("--to", metavar="URL", help="an empty database")],
    as_json: Json = False,
) -> None:
    """Copy everything that is stored into an empty database, SQLite or PostgreSQL."""
    from app.commands.copy_database import copy  # noqa: PLC0415

    copy(source, target, as_json=as_json)


if __name__ == "__main__":
    main()
