"""Which model answers.  Pure: a request, its size and the rules -> Route with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from app.core.errors import ModelNotAllowed
from app.core.measure import has_list_of
from app.core.model_names import AUTO, check_allowed, model_not_found, usable_tiers
from app.core.needs import NEEDS, NOT_ADAPTED, SURELY_REFUSED, likely_tokens, refusals
from app.core.pricing import prices_on
from app.core.scoring import Scored, Weights, scored
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from app.core.measure import Measure
    from app.core.models import Catalog, Model
    from app.core.request import Request


class Reason(StrEnum):
    """Every reason there is: one word for the header, the ledger, the metric and the dashboard."""

    FORCED_MODEL = "forced_model"
    FORCED_TIER = "forced_tier"
    LONG_TEXT = "long_text"
    MANY_ITEMS = "many_items"
    SCORE = "score"
    DEFAULT = "default"
    CHEAPER = "cheaper"
    KEPT_WARM = "kept_warm"
    HISTORY_THINKING = "history_thinking"
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
    """Hard rules first: from either size on, the strongest tier answers. Then the score.

    `items` are turns of the conversation or list entries of the last user turn, whichever
    are more. A score at or above `threshold` goes to the strong tier; with a `strong_share` the
    threshold follows the calls, so that about that share of them goes there.
    """

    strong_from_chars: int = 10_000
    strong_from_items: int = 30
    threshold: float = 0.5
    strong_share: float | None = None
    weights: Weights = field(default_factory=Weights)


@value
class Weighed:
    """What a call costs at the model that has `warm_tokens` of it cached, and at another one."""

    warm_model: str
    other_model: str
    warm_tokens: int
    stay_nano_usd: int
    switch_nano_usd: int


@value
class Route:
    """The decision: no `tier` where the caller named a model; `score` is 0 easy to 1 hard.

    Where `auto` decided, `threshold` is what the score was held against, `counts` what was counted
    in the request and `adds` what each of these added to the score; `weighed` says what going to
    another model than the conversation's last one came to, where that was cheaper or not.
    """

    tier: str | None
    score: float
    reason: Reason
    threshold: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    adds: Mapping[str, float] = field(default_factory=dict)
    weighed: Weighed | None = None

    @property
    def label(self) -> str:
        """The tier as headers and tables show it: `-` for none."""
        return self.tier or "-"

    @property
    def is_ours(self) -> bool:
        """Whether `auto` decided, and not the caller."""
        return self.threshold is not None


def route(  # noqa: PLR0913, PLR0917 - what decides a route
    request: Request,
    size: Measure,
    catalog: Catalog,
    rules: Rules,
    allowed: tuple[str, ...] | None,
    day: date,
    threshold: float | None = None,
) -> tuple[Route, Model]:
    """A forced model or tier first, then the rules, within the models that the key may use.

    `threshold` stands in for that of the rules; `day` decides which prices apply.
    Raises ModelNotFound and ModelNotAllowed.
    """
    if request.model != AUTO:
        return _forced(request.model, catalog, allowed)
    usable = usable_tiers(catalog, allowed)
    if not usable:
        raise ModelNotAllowed(
            "this key may use none of the models that 'auto' routes between", param="model"
        )
    limit = rules.threshold if threshold is None else threshold
    found, hard = _judged(request, size, rules)
    strong = found.value >= limit
    reason = hard or (Reason.SCORE if strong and rules.weights.features else Reason.DEFAULT)
    tier = (_strongest if strong else _weakest)(catalog)
    if tier not in usable:
        tier, reason = (usable[-1] if strong else usable[0]), Reason.ONLY_ALLOWED
    chosen = Route(tier, found.value, reason, limit, found.counts, found.adds)
    return _taken(request, size, chosen, usable, catalog, day)


def _judged(request: Request, size: Measure, rules: Rules) -> tuple[Scored, Reason | None]:
    """The score, and which hard rule made it 1."""
    if size.text_chars >= rules.strong_from_chars:
        return Scored(1.0), Reason.LONG_TEXT
    most = rules.strong_from_items
    if size.messages >= most or has_list_of(request.messages, most):
        return Scored(1.0), Reason.MANY_ITEMS
    return scored(request, size, rules.weights), None


def _forced(name: str, catalog: Catalog, allowed: tuple[str, ...] | None) -> tuple[Route, Model]:
    model = catalog.find(name)
    if model is None:
        raise model_not_found(name, catalog, allowed)
    check_allowed(model, catalog, allowed)
    if name in catalog.tiers:
        return Route(name, 0.0, Reason.FORCED_TIER), model
    return Route(None, 0.0, Reason.FORCED_MODEL), model


def _taken(  # noqa: PLR0913, PLR0917 - as above
    request: Request,
    size: Measure,
    chosen: Route,
    usable: tuple[str, ...],
    catalog: Catalog,
    day: date,
) -> tuple[Route, Model]:
    """Keep the choice unless its model refuses what the request asks for and another takes it.

    Where every one refuses something, one that the request can be reworded for is better than an
    error, and one that it may be too long for better than one that surely refuses it. Or unless a
    stronger one that takes it too is cheaper at that length.
    """
    first = chosen.tier or usable[0]
    model = catalog.models[catalog.tiers[first]]
    refused = refusals(request, size, model)
    if refused:
        models = {tier: catalog.models[catalog.tiers[tier]] for tier in usable}
        for refusing in (NEEDS, NOT_ADAPTED, SURELY_REFUSED):
            failing = [need for need in refused if need in refusing]
            for tier, other in models.items() if failing else ():
                if refusing.isdisjoint(refusals(request, size, other)):
                    return replace(chosen, tier=tier, reason=Reason(failing[0])), other
        return chosen, model
    if has_steps(model):
        for tier in usable[usable.index(first) + 1 :]:
            other = catalog.models[catalog.tiers[tier]]
            if not refusals(request, size, other) and is_dearer(model, other, size, day):
                return replace(chosen, tier=tier, reason=Reason.CHEAPER), other
    return chosen, model


def has_steps(model: Model) -> bool:
    """Whether long prompts cost more for each token than short ones."""
    return any(len(prices.steps) > 1 for prices in model.schedule)


def is_dearer(model: Model, other: Model, size: Measure, day: date) -> bool:
    """Whether the other model asks less for a token of such a prompt, and of its answer."""
    try:
        here, there = (prices_on(each.schedule, day) for each in (model, other))
    except LookupError:
        return False
    ours = here.step(likely_tokens(size, model)).rates
    theirs = there.step(likely_tokens(size, other)).rates
    return theirs.input < ours.input and theirs.output <= ours.output


def _strongest(catalog: Catalog) -> str:
    return tuple(catalog.tiers)[-1]


def _weakest(catalog: Catalog) -> str:
    return next(iter(catalog.tiers))
