"""`tollkeeper whatif`, `reprice` and `spend change`: past ranges priced again and compared."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.commands.environment import database_url
from app.commands.failure import WrongUsage
from app.commands.output import show_json
from app.commands.replay_output import progress, show_change, show_repricing, show_whatif
from app.core.printable import printable

if TYPE_CHECKING:
    from app.store.database.engine import Database

ACTOR = "cli"

Json = Annotated[bool, typer.Option("--json", help="for scripts")]
Since = Annotated[str, typer.Option("--from", metavar="D", help="first day or moment, UTC")]
Until = Annotated[
    str, typer.Option("--to", metavar="D", help="the day or moment after the last, UTC")
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="instead of $TOLLKEEPER_CONFIG or ./config.yaml"),
]


def whatif(  # noqa: PLR0913 - every option is one
    *,
    since: Since,
    until: Until,
    tier: Annotated[
        list[str] | None,
        typer.Option(metavar="TIER=MODEL", help="a tier and who would answer; may be repeated"),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="what the score is held against")
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL.CATEGORY=USD",
            help="USD per token, such as sonnet.output=0.00001; may be repeated",
        ),
    ] = None,
    cache: Annotated[
        Literal["off", "auto"] | None, typer.Option(help="without the gateway's marks, or as it is")
    ] = None,
    key: Annotated[str | None, typer.Option(help="one key's: its id, name or prefix")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Price a past range by other rules. Nothing is changed."""
    from app.commands.catalog import catalog_with_all_on  # noqa: PLC0415
    from app.commands.database import on_database  # noqa: PLC0415
    from app.store.records.keys import Keys  # noqa: PLC0415
    from app.store.records.other_rules import other_rules  # noqa: PLC0415
    from app.store.records.ranges import range_of  # noqa: PLC0415
    from app.store.records.replay_json import whatif_json  # noqa: PLC0415
    from app.store.records.replays import Replays  # noqa: PLC0415

    catalog = catalog_with_all_on(config)
    tiers, prices = _tiers(tier or ()), _prices(price or ())

    async def read(database: Database) -> dict[str, Any]:
        rules = other_rules(
            catalog, tiers=tiers, threshold=threshold, cost_per_token=prices, cache=cache
        )
        within, replays = range_of(since, until), Replays(database)
        key_id = None if key is None else await Keys(database).named(key)
        report = await replays.whatif(within, rules, key_id, progress())
        return whatif_json(report, await replays.orphaned(within, key_id))

    told = on_database(database_url(), read)
    if as_json:
        show_json(told)
    else:
        show_whatif(told)


def reprice(
    *,
    since: Since,
    until: Until,
    apply: Annotated[
        bool, typer.Option("--apply", help="correct the ledger; without it nothing is changed")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Price a past range again. Its settled calls, at the prices known now for their day."""
    from app.commands.catalog import catalog_with_all_on  # noqa: PLC0415
    from app.commands.database import on_database  # noqa: PLC0415
    from app.store.records.ranges import range_of  # noqa: PLC0415
    from app.store.records.replay_json import reprice_json  # noqa: PLC0415
    from app.store.records.repricings import Repricings  # noqa: PLC0415

    catalog = catalog_with_all_on(config)

    async def run(database: Database) -> dict[str, Any]:
        within = range_of(since, until)
        repricings = Repricings(database)
        return reprice_json(
            await repricings.reprice(
                within, catalog, dry_run=not apply, actor=ACTOR, told=progress()
            )
        )

    told = on_database(database_url(), run)
    if as_json:
        show_json(told)
    else:
        show_repricing(told)


def spend_change(
    *,
    since: Since,
    until: Until,
    against_from: Annotated[str, typer.Option(metavar="D", help="where the other range begins")],
    against_to: Annotated[str, typer.Option(metavar="D", help="and the day or moment after it")],
    as_json: Json = False,
) -> None:
    """Tell why a range cost more or less than another, in factors that add up exactly."""
    from app.commands.database import on_database  # noqa: PLC0415
    from app.store.records.ranges import range_of  # noqa: PLC0415
    from app.store.records.replay_json import change_json  # noqa: PLC0415
    from app.store.records.spend_changes import SpendChanges  # noqa: PLC0415

    async def read(database: Database) -> dict[str, Any]:
        after = range_of(since, until, ("--from", "--to"))
        before = range_of(against_from, against_to, ("--against-from", "--against-to"))
        return change_json(*await SpendChanges(database).both(before, after))

    told = on_database(database_url(), read)
    if as_json:
        show_json(told)
    else:
        show_change(told)


def _tiers(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        tier, separator, model = each.partition("=")
        if not separator or not tier or not model:
            raise WrongUsage(f"--tier is TIER=MODEL, not {printable(each)!r}")
        found[tier] = model
    return found


def _prices(given: Sequence[str]) -> dict[str, dict[str, int]]:
    from app.config.fields import pico_usd  # noqa: PLC0415
    from app.core.pricing import CATEGORIES  # noqa: PLC0415

    found: dict[str, dict[str, int]] = {}
    for each in given:
        name, separator, usd = each.partition("=")
        model, _, category = name.rpartition(".")
        if not separator or not model or category not in CATEGORIES:
            raise WrongUsage(
                f"--price is MODEL.CATEGORY=USD, not {printable(each)!r}; "
                f"categories: {', '.join(CATEGORIES)}"
            )
        try:
            found.setdefault(model, {})[category] = pico_usd(Decimal(usd))
        except (InvalidOperation, ValueError) as error:
            raise WrongUsage(
                f"--price {printable(name)}: {printable(usd)!r} is no price: "
                "USD per token, from 0 to 0.01, in steps of 0.000000000001"
            ) from error
    return found
