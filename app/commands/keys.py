"""`tollkeeper keys`: virtual keys made, shown, changed, rotated and revoked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.commands.environment import database_url
from app.commands.failure import WrongUsage
from app.commands.key_output import OPTIONS, show_key, show_keys, show_secret, warn_of_unserved
from app.commands.output import say, show_json
from app.core.budgets import WINDOWS
from app.core.printable import printable

if TYPE_CHECKING:
    from app.core.pace import Pace
    from app.store.database.engine import Database
    from app.store.records.keys import Keys

T = TypeVar("T")
ACTOR = "cli"
NOTHING = "none"

keys_commands = typer.Typer(no_args_is_help=True, help="Make, show and change virtual keys.")

Json = Annotated[bool, typer.Option("--json", help="for scripts")]
KeyName = Annotated[
    str, typer.Argument(metavar="KEY", help="a key's id, its name, or how its secret begins")
]
Usd = typer.Option(metavar="USD", help="such as 10.00; none: no limit")
Budget = Annotated[str | None, Usd]
WindowName = Annotated[str | None, typer.Option(metavar="|".join(WINDOWS), help="of the budget")]
Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="M", help="may be repeated; none: all models")
]
ModelBudgets = Annotated[
    list[str] | None,
    typer.Option(
        "--model-budget",
        metavar="M=USD",
        help="may be repeated, replaces those there were; none: no limit",
    ),
]
Conversation = Annotated[str | None, typer.Option("--conversation-budget", metavar="USD")]
Count = Annotated[str | None, typer.Option(metavar="N", help="a whole number; none: no limit")]
Expires = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="the last day, or an ISO 8601 time, UTC; none: never"),
]
Team = Annotated[str | None, typer.Option(metavar="T", help="a team's id or name; none: no team")]


@keys_commands.command("create")
def create(  # noqa: PLR0913 - every option is one
    *,
    name: Annotated[str, typer.Option(help="what the key is for")],
    budget: Budget = None,
    window: WindowName = None,
    model: Models = None,
    model_budget: ModelBudgets = None,
    conversation_budget: Conversation = None,
    rpm: Count = None,
    tpm: Count = None,
    max_parallel: Count = None,
    expires: Expires = None,
    team: Team = None,
    as_json: Json = False,
) -> None:
    """Make a key; its secret is shown once."""
    fields = _fields(
        max_budget_usd=budget,
        budget_window=window,
        models=model,
        model_budgets=model_budget,
        conversation_budget_usd=conversation_budget,
        rpm=rpm,
        tpm=tpm,
        max_parallel=max_parallel,
        expires_at=expires,
        team=team,
    )
    made, secret = _with_keys(lambda keys: keys.create({"name": name, **fields}, actor=ACTOR))
    warn_of_unserved(fields)
    if as_json:
        show_json({**made, "key": secret})
        return
    show_secret(secret)
    show_key(made)


@keys_commands.command("list")
def list_all(*, as_json: Json = False) -> None:
    """Every key, newest first."""
    from app.commands.key_paces import every_key  # noqa: PLC0415 - as below

    found, paces = _on_database(every_key)
    if as_json:
        show_json({"data": found, "next_cursor": None})
    elif found:
        show_keys(found, paces)
    else:
        say("There is no key yet. Make one: tollkeeper keys create --name NAME")


@keys_commands.command("show")
def show(key: KeyName, *, as_json: Json = False) -> None:
    """One key, its limits, what it spent, and how long its budget lasts."""
    from app.commands.key_paces import one_key  # noqa: PLC0415 - as below

    found, pace = _on_database(lambda database: one_key(database, key))
    _show(found, pace, as_json=as_json)


@keys_commands.command("update")
def update(  # noqa: PLR0913 - every option is one
    key: KeyName,
    *,
    name: Annotated[str | None, typer.Option(help="what the key is for")] = None,
    budget: Budget = None,
    window: WindowName = None,
    model: Models = None,
    model_budget: ModelBudgets = None,
    conversation_budget: Conversation = None,
    rpm: Count = None,
    tpm: Count = None,
    max_parallel: Count = None,
    expires: Expires = None,
    team: Team = None,
    as_json: Json = False,
) -> None:
    """Change what is given; `none` removes a limit."""
    fields = _fields(
        max_budget_usd=budget,
        budget_window=window,
        models=model,
        model_budgets=model_budget,
        conversation_budget_usd=conversation_budget,
        rpm=rpm,
        tpm=tpm,
        max_parallel=max_parallel,
        expires_at=expires,
        team=team,
    )
    if name is not None:
        fields["name"] = name
    if not fields:
        raise WrongUsage("nothing to change; see: tollkeeper keys update --help")
    changed = _with_key(key, lambda keys, key_id: keys.update(key_id, fields, actor=ACTOR))
    warn_of_unserved(fields)
    _show(changed, as_json=as_json)


@keys_commands.command("rotate")
def rotate(
    key: KeyName,
    *,
    overlap: Annotated[
        int, typer.Option(metavar="SECONDS", help="how long the old secret goes on working")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Give the key a new secret, shown once; what it spent stays."""
    changed, secret = _with_key(key, lambda keys, key_id: keys.rotate(key_id, overlap, actor=ACTOR))
    if as_json:
        show_json({**changed, "key": secret})
        return
    show_secret(secret)
    ends = f"works for {overlap} s more" if overlap else "no longer works"
    say(f"The old secret of {changed['id']} {ends}.")


@keys_commands.command("revoke")
def revoke(key: KeyName, *, as_json: Json = False) -> None:
    """End the key for good."""
    revoked = _with_key(key, lambda keys, key_id: keys.revoke(key_id, actor=ACTOR))
    if as_json:
        show_json(revoked)
        return
    say(f"{_called(revoked)} is revoked.")


def _called(key: Mapping[str, Any]) -> str:
    return f"{key['id']} ({printable(key['name'])})"


def _show(key: dict[str, Any], pace: Pace | None = None, *, as_json: bool) -> None:
    if as_json:
        show_json(key)
    else:
        show_key(key, pace)


def _with_key(name: str, work: Callable[[Keys, str], Awaitable[T]]) -> T:
    """Do `work` with the id of the key that is called so."""

    async def named(keys: Keys) -> T:
        return await work(keys, await keys.named(name))

    return _with_keys(named)


def _with_keys(work: Callable[[Keys], Awaitable[T]]) -> T:
    from app.store.records.keys import Keys as StoredKeys  # noqa: PLC0415 - as below

    return _on_database(lambda database: work(StoredKeys(database)))


def _on_database(work: Callable[[Database], Awaitable[T]]) -> T:
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415

    return on_database(database_url(), work)


def _fields(**given: str | list[str] | None) -> dict[str, object]:
    """The fields that were given, None where a limit goes.  Raises WrongUsage and ConfigError.

    An empty text is refused: it is a variable of a script that was not set, and no wish for a key
    without that limit.
    """
    fields: dict[str, object] = {}
    for name, value in given.items():
        if value is None or value == []:
            continue
        if not all(text.strip() for text in ([value] if isinstance(value, str) else value)):
            raise WrongUsage(f"{OPTIONS[name]} is empty; allowed: a value, or {NOTHING}")
        if name in ("rpm", "tpm", "max_parallel"):
            fields[name] = _whole(OPTIONS[name], str(value))
        elif name != "budget_window" and value in (NOTHING, [NOTHING]):
            fields[name] = None
        else:
            fields[name] = _budgets(value) if name == "model_budgets" else value
    return _with_known(fields)


def _whole(option: str, text: str) -> int | None:
    if text == NOTHING:
        return None
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise WrongUsage(f"{option} {text!r}; allowed: a whole number from 1 on, or {NOTHING}")
    return int(text)


def _budgets(given: str | list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        model, equals, usd = text.partition("=")
        if not (model and equals and usd):
            raise WrongUsage(f"--model-budget {text!r}; allowed: MODEL=USD, such as haiku=1.00")
        if model in found:
            raise WrongUsage(f"--model-budget {text!r}: there are two for {model!r}")
        found[model] = usd
    return found


def _with_known(fields: dict[str, object]) -> dict[str, object]:
    if not (fields.get("models") or fields.get("model_budgets")):
        return fields
    # Imported here: only names of models need the configuration.
    from app.commands.catalog import catalog_with_all_on  # noqa: PLC0415
    from app.core.errors import BadRequest  # noqa: PLC0415
    from app.store.records.model_names import with_known_models  # noqa: PLC0415

    try:
        return with_known_models(fields, catalog_with_all_on(None))
    except BadRequest as error:
        raise WrongUsage(error.message) from error
