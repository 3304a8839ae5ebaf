"""Which model answers.  Pure: the request's size and the rules -> Route with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.core.errors import ModelNotAllowed
from app.core.measure import has_list_of
from app.core.model_names import AUTO, check_allowed, model_not_found, usable_tiers
from app.core.needs import refusals
from app.core.values import value

if TYPE_CHECKING:
    from app.core.measure import Measure
    from app.core.models import Catalog, Model
    from app.core.request import Request


class Reason(StrEnum):
    """Every reason there is: one word for the header, the ledger, the metric and the dashboard."""

    FORCED_MODEL = "forced_model"
    FORCED_TIER = "forced_tier"
    LONG_TEXT = "long_text"
    MANY_ITEMS = "many_items"
    DEFAULT = "default"
    ONLY_ALLOWED = "only_allowed"
    NEEDS_TOOLS = "needs_tools"
    NEEDS_SYSTEM = "needs_system"
    NEEDS_THINKING = "needs_thinking"
    NEEDS_EFFORT = "needs_effort"
    NEEDS_PREFILL = "needs_prefill"
    NEEDS_GEO = "needs_geo"
    NEEDS_SPEED = "needs_speed"
    NEEDS_CONTEXT = "needs_context"


@dataclass(frozen=True, slots=True)
class Rules:
    """The threshold rule: from either size on, the strongest tier answers.

    `items` are turns of the conversation or list entries of the last user turn, whichever
    are more. A score at or above `threshold` goes to the strong tier.
    """

    strong_from_chars: int = 10_000
    strong_from_items: int = 30
    threshold: float = 0.5


@value
class Score:
    """How hard a request looks, 0 easy to 1 hard, and what says so."""

    value: float
    reason: Reason


@value
class Route:
    """The decision: no `tier` where the caller named a model; `score` is 0 easy to 1 hard."""

    tier: str | None
    score: float
    reason: Reason

    @property
    def label(self) -> str:
        """The tier as headers and tables show it: `-` for none."""
        return self.tier or "-"


def route(
    request: Request,
    size: Measure,
    catalog: Catalog,
    rules: Rules,
    allowed: tuple[str, ...] | None,
) -> tuple[Route, Model]:
    """A forced model or tier first, then the rules, within the models that the key may use.

    Raises ModelNotFound and ModelNotAllowed.
    """
    if request.model != AUTO:
        return _forced(request.model, catalog, allowed)
    usable = usable_tiers(catalog, allowed)
    if not usable:
        raise ModelNotAllowed(
            "this key may use none of the models that 'auto' routes between", param="model"
        )
    scored = score(request, size, rules)
    strong = scored.value >= rules.threshold
    tier = (_strongest if strong else _weakest)(catalog)
    if tier in usable:
        chosen = Route(tier, scored.value, scored.reason)
    else:
        chosen = Route((usable[-1] if strong else usable[0]), scored.value, Reason.ONLY_ALLOWED)
    return _taken(request, size, chosen, usable, catalog)


def score(request: Request, size: Measure, rules: Rules) -> Score:
    """The threshold rule as a score: 1 at or above either threshold, else 0."""
    if size.text_chars >= rules.strong_from_chars:
        return Score(1.0, Reason.LONG_TEXT)
    most = rules.strong_from_items
    if size.messages >= most or has_list_of(request.messages, most):
        return Score(1.0, Reason.MANY_ITEMS)
    return Score(0.0, Reason.DEFAULT)


def _forced(name: str, catalog: Catalog, allowed: tuple[str, ...] | None) -> tuple[Route, Model]:
    model = catalog.find(name)
    if model is None:
        raise model_not_found(name, catalog, allowed)
    check_allowed(model, catalog, allowed)
    if name in catalog.tiers:
        return Route(name, 0.0, Reason.FORCED_TIER), model
    return Route(None, 0.0, Reason.FORCED_MODEL), model


def _taken(
    request: Request, size: Measure, chosen: Route, usable: tuple[str, ...], catalog: Catalog
) -> tuple[Route, Model]:
    """Keep the choice unless its model refuses what the request asks for and another takes it."""
    models = {tier: catalog.models[catalog.tiers[tier]] for tier in usable}
    model = models[chosen.tier or usable[0]]
    refused = refusals(request, size, model)
    if not refused:
        return chosen, model
    for tier, other in models.items():
        if not refusals(request, size, other):
            return Route(tier, chosen.score, Reason(refused[0])), other
    return chosen, model


def _strongest(catalog: Catalog) -> str:
    return tuple(catalog.tiers)[-1]


def _weakest(catalog: Catalog) -> str:
    return next(iter(catalog.tiers))
