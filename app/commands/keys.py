"""`tollkeeper keys`: virtual keys made, shown, changed, rotated and revoked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.commands.environment import database_url
from app.commands.failure import WrongUsage
from app.commands.key_output import show_key, show_keys, show_secret
from app.commands.output import say, show_json
from app.core.budgets import WINDOWS
from app.core.model_names import AUTO

if TYPE_CHECKING:
    from app.store.records.keys import Keys

T = TypeVar("T")
ACTOR = "cli"
NOTHING = "none"
MOST_AT_ONCE = 1_000

keys_commands = typer.Typer(no_args_is_help=True, help="Make, show and change virtual keys.")

Json = Annotated[bool, typer.Option("--json", help="for scripts")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="the key's id, key_...")]
Budget = Annotated[str | None, typer.Option(metavar="USD", help="such as 10.00; none: no limit")]
WindowName = Annotated[str | None, typer.Option(metavar="|".join(WINDOWS), help="of the budget")]
Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="M", help="may be repeated; none: all models")
]
Count = Annotated[str | None, typer.Option(metavar="N", help="a whole number; none: no limit")]
Expires = Annotated[
    str | None, typer.Option(metavar="DATE", help="a day or an ISO 8601 time, UTC; none: never")
]
Team = Annotated[str | None, typer.Option(metavar="T", help="a team's id or name; none: no team")]


@keys_commands.command("create")
def create(  # noqa: PLR0913 - every option is one
    *,
    name: Annotated[str, typer.Option(help="what the key is for")],
    budget: Budget = None,
    window: WindowName = None,
    model: Models = None,
    rpm: Count = None,
    tpm: Count = None,
    max_parallel: Count = None,
    expires: Expires = None,
    team: Team = None,
    as_json: Json = False,
) -> None:
    """Make a key; its secret is shown once."""
    fields = _limits(
        budget=budget,
        window=window,
        models=model,
        rpm=rpm,
        tpm=tpm,
        max_parallel=max_parallel,
        expires=expires,
        team=team,
    )
    made, secret = _with_keys(lambda keys: keys.create({"name": name, **fields}, actor=ACTOR))
    if as_json:
        show_json({**made, "key": secret})
        return
    show_secret(secret)
    show_key(made)


@keys_commands.command("list")
def list_all(*, as_json: Json = False) -> None:
    """Every key, newest first."""

    async def read(keys: Keys) -> list[dict[str, Any]]:
        page = await keys.list(limit=MOST_AT_ONCE)
        found: list[dict[str, Any]] = page["data"]
        while page["next_cursor"] is not None:
            page = await keys.list(cursor=page["next_cursor"], limit=MOST_AT_ONCE)
            found += page["data"]
        return found

    found = _with_keys(read)
    if as_json:
        show_json({"data": found, "next_cursor": None})
    elif found:
        show_keys(found)
    else:
        say("There is no key yet. Make one: tollkeeper keys create --name NAME")


@keys_commands.command("show")
def show(key_id: KeyId, *, as_json: Json = False) -> None:
    """One key, its limits and what it spent."""
    _show(_with_keys(lambda keys: keys.get(key_id)), as_json=as_json)


@keys_commands.command("update")
def update(  # noqa: PLR0913 - every option is one
    key_id: KeyId,
    *,
    name: Annotated[str | None, typer.Option(help="what the key is for")] = None,
    budget: Budget = None,
    window: WindowName = None,
    model: Models = None,
    rpm: Count = None,
    tpm: Count = None,
    max_parallel: Count = None,
    expires: Expires = None,
    team: Team = None,
    as_json: Json = False,
) -> None:
    """Change what is given; `none` removes a limit."""
    fields = _limits(
        budget=budget,
        window=window,
        models=model,
        rpm=rpm,
        tpm=tpm,
        max_parallel=max_parallel,
        expires=expires,
        team=team,
    )
    if name is not None:
        fields["name"] = name
    if not fields:
        raise WrongUsage("nothing to change; see: tollkeeper keys update --help")
    _show(_with_keys(lambda keys: keys.update(key_id, fields, actor=ACTOR)), as_json=as_json)


@keys_commands.command("rotate")
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[
        int, typer.Option(metavar="SECONDS", help="how long the old secret goes on working")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Give the key a new secret, shown once; what it spent stays."""
    changed, secret = _with_keys(lambda keys: keys.rotate(key_id, overlap, actor=ACTOR))
    if as_json:
        show_json({**changed, "key": secret})
        return
    show_secret(secret)
    ends = f"works for {overlap} s more" if overlap else "no longer works"
    say(f"The old secret of {key_id} {ends}.")


@keys_commands.command("revoke")
def revoke(key_id: KeyId, *, as_json: Json = False) -> None:
    """End the key for good."""
    revoked = _with_keys(lambda keys: keys.revoke(key_id, actor=ACTOR))
    if as_json:
        show_json(revoked)
        return
    say(f"{key_id} ({revoked['name']}) is revoked.")


def _show(key: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(key)
    else:
        show_key(key)


def _with_keys(work: Callable[[Keys], Awaitable[T]]) -> T:
    # Imported here: asking for help must not load a database's drivers.
    from app.commands.database import on_database  # noqa: PLC0415
    from app.store.records.keys import Keys as StoredKeys  # noqa: PLC0415

    return on_database(database_url(), lambda database: work(StoredKeys(database)))


def _limits(  # noqa: PLR0913 - the options that `create` and `update` share
    *,
    budget: str | None,
    window: str | None,
    models: list[str] | None,
    rpm: str | None,
    tpm: str | None,
    max_parallel: str | None,
    expires: str | None,
    team: str | None,
) -> dict[str, object]:
    """The fields that were given, None where a limit goes.  Raises WrongUsage and ConfigError."""
    given: dict[str, object] = {
        "max_budget_usd": budget,
        "budget_window": window,
        "models": models and ([NOTHING] if models == [NOTHING] else _known(models)),
        "rpm": _whole("--rpm", rpm),
        "tpm": _whole("--tpm", tpm),
        "max_parallel": _whole("--max-parallel", max_parallel),
        "expires_at": expires,
        "team": team,
    }
    return {
        name: value if name == "budget_window" or value not in (NOTHING, [NOTHING]) else None
        for name, value in given.items()
        if value
    }


def _whole(option: str, text: str | None) -> int | str | None:
    if text is None or text == NOTHING:
        return text
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise WrongUsage(f"{option} {text!r}; allowed: a whole number from 1 on, or {NOTHING}")
    return int(text)


def _known(models: list[str]) -> list[str]:
    # Imported here: only a list of models needs the configuration.
    from app.commands.catalog import catalog_with_all_on  # noqa: PLC0415

    catalog = catalog_with_all_on(None)
    for name in models:
        if name != AUTO and catalog.find(name) is None:
            offered = ", ".join([AUTO, *catalog.tiers, *catalog.models])
            raise WrongUsage(f"--model {name!r}: no such model is offered; there are: {offered}")
    return models
