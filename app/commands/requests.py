"""`tollkeeper requests`: the ledger's rows listed, shown with their sum, and settled by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.environment import database_url
from app.commands.failure import WrongUsage
from app.commands.output import say, show_csv, show_json

if TYPE_CHECKING:
    from app.store.database.engine import Database
    from app.store.records.pages import Listed
    from app.store.records.request_views import RequestDetails, RequestView

ACTOR = "cli"

requests_commands = typer.Typer(
    no_args_is_help=True, help="List calls, show one, settle a guessed cost."
)

Json = Annotated[bool, typer.Option("--json", help="for scripts")]
RequestId = Annotated[str, typer.Argument(metavar="ID", help="as in x-request-id")]


@requests_commands.command("list")
def list_some(  # noqa: PLR0913 - every option is one
    *,
    key: Annotated[str | None, typer.Option(help="one key's: its id, name or prefix")] = None,
    team: Annotated[str | None, typer.Option(help="one team's: its id or name")] = None,
    model: Annotated[str | None, typer.Option(help="one model's: a tier, an id or alias")] = None,
    status: Annotated[str | None, typer.Option(help="an HTTP status, or a state")] = None,
    state: Annotated[
        str | None, typer.Option(help="reserved, settled, released or orphaned")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--cost-source", help="computed, billed, estimated or corrected"),
    ] = None,
    user: Annotated[str | None, typer.Option(help="one end user's")] = None,
    tag: Annotated[str | None, typer.Option(help="calls with a tag, such as env=prod")] = None,
    conversation: Annotated[str | None, typer.Option(help="its 16 hex digits")] = None,
    min_cost: Annotated[
        str | None, typer.Option("--min-cost", metavar="USD", help="those that cost that or more")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="D", help="first day or moment, UTC")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="D", help="the day or moment after the last, UTC")
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="created|cost", help="newest or dearest")
    ] = "created",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many")] = 20,
    cursor: Annotated[str | None, typer.Option(help="`next_cursor` of the page before")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="all of them, with every column")] = False,
    as_json: Json = False,
) -> None:
    """List calls, newest or dearest first, by whose they were and what became of them."""
    if as_csv and as_json:
        raise WrongUsage("--csv and --json are two ways to say it: give one of them")
    given = {"team": team, "status": status, "state": state, "cost_source": source}
    given |= {"user": user, "tag": tag}
    given |= {"conversation": conversation, "min_cost_usd": min_cost, "from": since, "to": until}
    given["model"] = None if model is None else _model(model)
    filters = {name: value for name, value in given.items() if value is not None}
    if as_csv:
        _show_csv(filters, key, sort)
        return
    _show_list(filters, key, (sort, cursor, limit), as_json=as_json)


def _show_list(
    filters: Mapping[str, str],
    key: str | None,
    page: tuple[str, str | None, int],
    *,
    as_json: bool,
) -> None:
    sort, cursor, limit = page
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415
    from app.commands.receipt import show_calls  # noqa: PLC0415
    from app.store.records.keys import Keys  # noqa: PLC0415
    from app.store.records.request_views import request_json  # noqa: PLC0415
    from app.store.records.requests import Requests  # noqa: PLC0415

    async def read(database: Database) -> tuple[Listed[RequestView], Mapping[str, str]]:
        asked = await _with_key(database, filters, key)
        found = await Requests(database).listed(asked, sort=sort, cursor=cursor, limit=limit)
        return found, await Keys(database).names({row.key_id for row in found.rows})

    found, names = on_database(database_url(), read)
    if as_json:
        show_json(found.page(request_json))
    elif found.rows:
        show_calls(found.rows, names)
        if found.next_cursor is not None:
            say(f"There are more: add --cursor {found.next_cursor}, or --csv for all of them.")
    elif filters or key:
        say("No call fits the filters.")
    else:
        say("No call was made yet. The lines for a client: tollkeeper connect CLIENT")


@requests_commands.command("show")
def show(request: RequestId, *, as_json: Json = False) -> None:
    """One call: its cost as a sum to be done again by hand, or why it was refused."""
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415
    from app.commands.receipt import show_receipt, show_refusal  # noqa: PLC0415
    from app.store.records.keys import Keys  # noqa: PLC0415
    from app.store.records.refusals import RefusalView, refused_request_json  # noqa: PLC0415
    from app.store.records.request_views import request_json  # noqa: PLC0415
    from app.store.records.requests import Requests  # noqa: PLC0415

    async def read(database: Database) -> tuple[RequestDetails | RefusalView, str]:
        found = await Requests(database).found(request.strip())
        ids = {found.key_id} if found.key_id else set()
        names = await Keys(database).names(ids)
        return found, names.get(found.key_id or "", found.key_id or "none")

    found, key_name = on_database(database_url(), read)
    if isinstance(found, RefusalView):
        if as_json:
            show_json(refused_request_json(found))
        else:
            show_refusal(found, key_name)
    elif as_json:
        show_json(request_json(found))
    else:
        show_receipt(found, key_name)


@requests_commands.command("settle")
def settle(
    request: RequestId,
    cost: Annotated[str, typer.Argument(metavar="USD", help="what it cost by the bill")],
    *,
    note: Annotated[str, typer.Option(help="where the amount is from; for the audit log")],
    as_json: Json = False,
) -> None:
    """Replace a guessed cost; windows and sums follow, the audit log keeps both."""
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415
    from app.core.money import nano_usd  # noqa: PLC0415
    from app.store.records.requests import Requests  # noqa: PLC0415

    try:
        amount = nano_usd(cost)
    except ValueError as error:
        raise WrongUsage(f"USD {cost!r}: {error}") from error
    if not note.strip():
        raise WrongUsage("--note is empty; allowed: where the amount is from")

    async def correct(database: Database) -> tuple[str, dict[str, Any]]:
        rows = Requests(database)
        was = await rows.get(request.strip())
        corrected = await rows.correct(request.strip(), amount, note=note, actor=ACTOR)
        return was["cost_usd"], corrected

    was, settled = on_database(database_url(), correct)
    if as_json:
        show_json(settled)
    else:
        say(f"{settled['id']} is settled: {was} -> {settled['cost_usd']} USD.")


def _model(name: str) -> str:
    # Imported here: only a model's name needs the configuration.
    from app.commands.catalog import catalog_with_all_on  # noqa: PLC0415
    from app.store.records.model_names import meant_model  # noqa: PLC0415

    return meant_model(name, catalog_with_all_on(None))


async def _with_key(
    database: Database, filters: Mapping[str, str], key: str | None
) -> dict[str, str]:
    from app.store.records.keys import Keys  # noqa: PLC0415 - as above

    named = {} if key is None else {"key_id": await Keys(database).named(key)}
    return {**filters, **named}


def _show_csv(filters: Mapping[str, str], key: str | None, sort: str) -> None:
    """Every row as the admin API writes it, piece by piece."""
    from app.commands.database import on_database  # noqa: PLC0415 - as above
    from app.store.records.request_table import as_csv  # noqa: PLC0415
    from app.store.records.requests import Requests  # noqa: PLC0415

    async def write(database: Database) -> None:
        asked = await _with_key(database, filters, key)
        async for piece in as_csv(Requests(database).each(asked, sort=sort)):
            show_csv(piece)

    on_database(database_url(), write)
