"""Which model answers.  Pure: the request's size and the rules -> Route with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.core.errors import ModelNotAllowed, ModelNotFound
from app.core.measure import has_late_system, has_list_of
from app.core.values import value

if TYPE_CHECKING:
    from app.core.measure import Measure
    from app.core.models import Catalog, Model
    from app.core.request import Request

AUTO = "auto"


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
class Route:
    """The decision: `tier` is `-` when the caller named a model; `score` is 0 easy to 1 hard."""

    tier: str
    score: float
    reason: Reason


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
        raise ModelNotAllowed("this key may use none of the models that 'auto' routes between")
    scored = score(request, size, rules)
    strong = scored.score >= rules.threshold
    tier = (_strongest if strong else _weakest)(catalog)
    if tier in usable:
        chosen = Route(tier, scored.score, scored.reason)
    else:
        chosen = Route((usable[-1] if strong else usable[0]), scored.score, Reason.ONLY_ALLOWED)
    return _without_adaptation(request, chosen, usable, catalog)


def score(request: Request, size: Measure, rules: Rules) -> Route:
    """The threshold rule as a score: 1 at or above either threshold, else 0."""
    if size.text_chars >= rules.strong_from_chars:
        return Route("", 1.0, Reason.LONG_TEXT)
    most = rules.strong_from_items
    if size.messages >= most or has_list_of(request.messages, most):
        return Route("", 1.0, Reason.MANY_ITEMS)
    return Route("", 0.0, Reason.DEFAULT)


def usable_tiers(catalog: Catalog, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    """The tiers, cheapest first, whose model is offered and allowed."""
    offered = catalog.offered_tiers
    if allowed is None:
        return offered
    return tuple(tier for tier in offered if may_use(catalog.tiers[tier], catalog, allowed))


def may_use(model_id: str, catalog: Catalog, allowed: tuple[str, ...] | None) -> bool:
    """Whether a key's list allows the model, after aliases and tier names are resolved.

    `auto` in the list stands for every tier's model.
    """
    if allowed is None:
        return True
    if AUTO in allowed and model_id in catalog.tiers.values():
        return True
    return any((found := catalog.find(name)) and found.id == model_id for name in allowed)


def forces_tools(request: Request) -> bool:
    """Whether the caller demands a tool call."""
    return (request.options.get("tool_choice") or {}).get("type") in ("any", "tool")


def _forced(name: str, catalog: Catalog, allowed: tuple[str, ...] | None) -> tuple[Route, Model]:
    model = catalog.find(name)
    if model is None:
        raise ModelNotFound(f"the model {name!r} does not exist here", param="model")
    if not may_use(model.id, catalog, allowed):
        raise ModelNotAllowed(f"this key may not use the model {name!r}", param="model")
    if name in catalog.tiers:
        return Route(name, 0.0, Reason.FORCED_TIER), model
    return Route("-", 0.0, Reason.FORCED_MODEL), model


def _without_adaptation(
    request: Request, chosen: Route, usable: tuple[str, ...], catalog: Catalog
) -> tuple[Route, Model]:
    """Keep the choice unless it would have to reword the request and another tier would not."""
    model = catalog.models[catalog.tiers[chosen.tier]]
    refused = _refused(request, model)
    if refused is None:
        return chosen, model
    for tier in usable:
        other = catalog.models[catalog.tiers[tier]]
        if _refused(request, other) is None:
            return Route(tier, chosen.score, refused), other
    return chosen, model


def _refused(request: Request, model: Model) -> Reason | None:
    """What the request asks for and the model refuses: a forced tool, a late system message."""
    if forces_tools(request) and not model.accepts.forced_tools:
        return Reason.NEEDS_TOOLS
    if not model.accepts.late_system and has_late_system(request):
        return Reason.NEEDS_SYSTEM
    return None


def _strongest(catalog: Catalog) -> str:
    return tuple(catalog.tiers)[-1]


def _weakest(catalog: Catalog) -> str:
    return next(iter(catalog.tiers))
