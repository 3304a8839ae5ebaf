"""`/admin/whatif`: what a past range would have cost under other rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from app.api.admin.answers import Answer, Tally, Usd
from app.api.admin.door import AdminRoute, Running
from app.config.fields import PICO_ALLOWED, pico_usd
from app.core.errors import BadRequest
from app.core.model_names import nearest
from app.core.models import Catalog
from app.core.money import usd_text
from app.core.whatif import OtherRules, Pair, Report
from app.store.records.fields import Asked, Name
from app.store.records.model_names import meant_model
from app.store.records.ranges import range_of

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
    """Pico-USD of a number, taken as it is written and not as a fraction of two."""
    if isinstance(value, float):
        return pico_usd(Decimal(repr(value)))
    if isinstance(value, str):
        try:
            return pico_usd(Decimal(value))
        except ArithmeticError as error:
            raise ValueError(PICO_ALLOWED) from error
    return pico_usd(value)


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
    threshold: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None
    cost_per_token: (
        Annotated[dict[Name, dict[Category, Price]], Field(description="By model.")] | None
    ) = None
    cache: Literal["off", "auto"] | None = None
    key_id: Name | None = None


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


@router.post("/whatif", response_model=WhatIfReport)
async def whatif(running: Running, asked: WhatIf) -> Response:
    """Every settled call of a range priced again under other rules; nothing is changed."""
    catalog = running.gateway.policy.catalog
    rules = OtherRules(
        catalog=catalog,
        tiers=_tiers(asked.tiers or {}, catalog),
        threshold=asked.threshold,
        cost_per_token=_overrides(asked.cost_per_token or {}, catalog),
        cache=asked.cache,
    )
    within = range_of(asked.since, asked.until)
    replays = running.store.replays
    report = await replays.whatif(within, rules, asked.key_id)
    orphaned = await replays.orphaned(within, asked.key_id)
    return Response(orjson.dumps(shown(report, orphaned)), media_type="application/json")


def _tiers(given: dict[str, str], catalog: Catalog) -> dict[str, str]:
    for tier in given:
        if tier not in catalog.tiers:
            known = ", ".join(catalog.tiers)
            raise BadRequest(f"tiers: no tier {tier[:100]!r}; there are: {known}", param="tiers")
    return {tier: _priced(name, catalog, "tiers") for tier, name in given.items()}


def _overrides(
    given: dict[str, dict[Category, int]], catalog: Catalog
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, prices in given.items():
        model = _priced(name, catalog, "cost_per_token")
        if model in found:
            raise BadRequest(f"two prices for {model!r}", param="cost_per_token")
        found[model] = {str(category): pico for category, pico in prices.items()}
    return found


def _priced(name: str, catalog: Catalog, param: str) -> str:
    """The id of a model that has prices, whether it is offered or not.  Raises BadRequest."""
    model = catalog.find(name)
    if model is not None:
        return model.id
    listed = catalog.price_list.find(meant_model(name, catalog))
    if listed is not None:
        return listed.id
    near, *_ = nearest(name, tuple(catalog.price_list.names))
    raise BadRequest(
        f"{param}: no price is known of {name[:100]!r}; did you mean {near!r}?", param=param
    )


def shown(report: Report, orphaned: tuple[int, int]) -> dict[str, Any]:
    """The report as JSON."""
    total = report.total
    calls, nano = orphaned
    left_out = (
        [f"calls of lost processes are left out ({calls:,} of {usd_text(nano)} USD)"]
        if calls
        else []
    )
    return {
        "requests": total.calls,
        "changed": report.changed,
        "actual_usd": usd_text(total.nano_usd),
        "whatif_usd": usd_text(total.whatif_nano_usd),
        "difference_usd": usd_text(total.whatif_nano_usd - total.nano_usd),
        "least_usd": usd_text(report.least_nano_usd),
        "most_usd": usd_text(report.most_nano_usd),
        "by_model": [
            {"model": model, **_pair(pair), "whatif_requests": pair.whatif_calls}
            for model, pair in sorted(report.by_model.items())
        ],
        "by_day": [
            {"day": day.isoformat(), **_pair(pair)} for day, pair in sorted(report.by_day.items())
        ],
        "assumptions": [*report.assumptions, *left_out],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "requests": pair.calls,
        "actual_usd": usd_text(pair.nano_usd),
        "whatif_usd": usd_text(pair.whatif_nano_usd),
    }
