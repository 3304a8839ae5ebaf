"""The rules of a what-if report, by the names that an admin gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from app.core.errors import BadRequest
from app.core.model_names import nearest
from app.core.models import Catalog
from app.core.whatif import OtherRules
from app.store.records.model_names import meant_model


def other_rules(
    catalog: Catalog,
    *,
    tiers: Mapping[str, str] | None = None,
    threshold: float | None = None,
    cost_per_token: Mapping[str, Mapping[str, int]] | None = None,
    cache: Literal["off", "auto"] | None = None,
) -> OtherRules:
    """Models by id, alias or tier; `cost_per_token` in pico-USD.  Raises BadRequest."""
    return OtherRules(
        catalog=catalog,
        tiers=_tiers(tiers or {}, catalog),
        threshold=threshold,
        cost_per_token=_overrides(cost_per_token or {}, catalog),
        cache=cache,
    )


def _tiers(given: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    for tier in given:
        if tier not in catalog.tiers:
            known = ", ".join(catalog.tiers)
            raise BadRequest(f"tiers: no tier {tier[:100]!r}; there are: {known}", param="tiers")
    return {tier: _priced(name, catalog, "tiers") for tier, name in given.items()}


def _overrides(
    given: Mapping[str, Mapping[str, int]], catalog: Catalog
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, prices in given.items():
        model = _priced(name, catalog, "cost_per_token")
        if model in found:
            raise BadRequest(f"two prices for {model!r}", param="cost_per_token")
        found[model] = dict(prices)
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
