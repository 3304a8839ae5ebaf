"""Past ranges under other rules, at other prices, and compared with each other."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from app.api.admin.answers import Answer, Tally, Usd
from app.api.admin.door import AdminRoute, Running
from app.config.fields import PICO_ALLOWED, pico_usd
from app.store.records.fields import Asked, Name
from app.store.records.other_rules import other_rules
from app.store.records.ranges import range_of
from app.store.records.replay_json import change_json, reprice_json, whatif_json

_PRICE_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 0.01},
        {"type": "string", "pattern": r"^0(\.[0-9]{1,12})?$"},
    ],
    "description": "USD per token: a number, or its text.",
}

router = APIRouter(
    prefix="/admin",
    route_class=AdminRoute,
    generate_unique_id_function=lambda route: route.name,
)


def _price(value: object) -> int:
    """Pico-USD of a number as it is written, or of its text."""
    if isinstance(value, str):
        try:
            return pico_usd(Decimal(value))
        except ArithmeticError as error:
            raise ValueError(PICO_ALLOWED) from error
    return pico_usd(value)


def _fraction(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


Price = Annotated[int, BeforeValidator(_price), WithJsonSchema(_PRICE_SCHEMA)]
Category = Literal["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"]
Moment = Annotated[str, Field(description="A day, UTC, or a moment.")]


class WhatIf(Asked):
    """A past range, and the rules to price it by; what is left out stays as it was."""

    since: Annotated[Moment, Field(alias="from")]
    until: Annotated[Moment, Field(alias="to")]
    tiers: Annotated[
        dict[Name, Name] | None, Field(description="A tier, and the model that would answer.")
    ] = None
    threshold: (
        Annotated[float, BeforeValidator(_fraction), Field(ge=0, le=1, strict=True)] | None
    ) = None
    cost_per_token: (
        Annotated[dict[Name, dict[Category, Price]], Field(description="By model.")] | None
    ) = None
    cache: Literal["off", "auto"] | None = None
    key_id: Name | None = None

    def prices(self) -> dict[str, dict[str, int]]:
        """Pico-USD by model and category."""
        given = self.cost_per_token or {}
        return {model: {str(c): pico for c, pico in of.items()} for model, of in given.items()}


class WhatIfOfModel(Answer):
    model: str
    requests: Tally
    actual_usd: Usd
    whatif_requests: Tally
    whatif_usd: Usd


class WhatIfOfDay(Answer):
    day: str
    requests: Tally
    actual_usd: Usd
    whatif_usd: Usd


class WhatIfReport(Answer):
    """`least_usd` and `most_usd` are apart where caches of another model decide."""

    requests: Tally
    changed: Annotated[Tally, Field(description="Calls whose cost would have been another.")]
    actual_usd: Usd
    whatif_usd: Usd
    difference_usd: Usd
    least_usd: Usd
    most_usd: Usd
    by_model: list[WhatIfOfModel]
    by_day: list[WhatIfOfDay]
    assumptions: list[str]


class RangeSpent(Answer):
    requests: Tally
    cost_usd: Usd
    prompt_tokens: Tally
    output_tokens: Tally
    cache_read_tokens: Tally


class Effect(Answer):
    factor: Literal["calls", "size", "mix", "cache", "price", "other"]
    usd: Usd


class ModelChange(Answer):
    model: str
    requests_before: Tally
    requests_after: Tally
    before_usd: Usd
    after_usd: Usd
    change_usd: Usd


class SpendChange(Answer):
    """Why the range `after` cost more than `before`; the effects add up to the change."""

    before: RangeSpent
    after: RangeSpent
    change_usd: Usd
    effects: list[Effect]
    by_model: list[ModelChange]


class ChangeQuery(BaseModel):
    since: Annotated[Moment, Field(alias="from")]
    until: Annotated[Moment, Field(alias="to")]
    against_from: Moment
    against_to: Moment


@router.get("/spend/change", response_model=SpendChange)
async def spend_change(running: Running, asked: Annotated[ChangeQuery, Query()]) -> Response:
    """Why a range cost more or less than another: calls, size, mix, cache, price, and the rest."""
    after = range_of(asked.since, asked.until)
    names = ("against_from", "against_to")
    before = range_of(asked.against_from, asked.against_to, names)
    found = await running.store.spend_changes.both(before, after)
    return Response(orjson.dumps(change_json(*found)), media_type="application/json")


@router.post("/whatif", response_model=WhatIfReport)
async def whatif(running: Running, asked: WhatIf) -> Response:
    """Every settled call of a range priced again under other rules; nothing is changed."""
    rules = other_rules(
        running.gateway.policy.catalog,
        tiers=asked.tiers,
        threshold=asked.threshold,
        cost_per_token=asked.prices(),
        cache=asked.cache,
    )
    within = range_of(asked.since, asked.until)
    replays = running.store.replays
    report = await replays.whatif(within, rules, asked.key_id)
    orphaned = await replays.orphaned(within, asked.key_id)
    return Response(orjson.dumps(whatif_json(report, orphaned)), media_type="application/json")


class Reprice(Asked):
    """A past range; a dry run changes nothing."""

    since: Annotated[Moment, Field(alias="from")]
    until: Annotated[Moment, Field(alias="to")]
    dry_run: Annotated[bool, Field(strict=True)] = True


class RepricedModel(Answer):
    model: str
    requests: Tally
    changed: Tally
    before_usd: Usd
    after_usd: Usd


class Repricing(Answer):
    """What was changed, or would be; `left` counts the calls that stay, by why."""

    dry_run: bool
    run_id: str | None
    requests: Tally
    changed: Tally
    before_usd: Usd
    after_usd: Usd
    difference_usd: Usd
    by_model: list[RepricedModel]
    left: dict[str, Tally]


@router.post("/reprice", response_model=Repricing)
async def reprice(running: Running, asked: Reprice) -> Response:
    """Every settled call of a range at the prices that are known now for its day."""
    within = range_of(asked.since, asked.until)
    catalog = running.gateway.policy.catalog
    report = await running.store.repricings.reprice(within, catalog, dry_run=asked.dry_run)
    return Response(orjson.dumps(reprice_json(report)), media_type="application/json")
