"""A call prepared: routed, adapted, marked and bounded.  Pure, and free to make twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from app.core.adaptation import adapt
from app.core.bounds import Bound, bound
from app.core.budgets import WHOLE_PPM
from app.core.caching import CachePlan, CacheRules, plan
from app.core.errors import ModelNotFound, Refusal, UnboundedCost
from app.core.known_features import without_bound
from app.core.measure import Measure, measure
from app.core.model_names import check_allowed, may_name, model_not_found
from app.core.needs import refusals
from app.core.other_models import OtherModel, named_models
from app.core.pricing import Prices, prices_on
from app.core.routing import Route, Rules
from app.core.staying import route_known
from app.core.values import value

if TYPE_CHECKING:
    from datetime import date, datetime

    from app.core.keys import Key
    from app.core.models import Catalog, Model
    from app.core.price_list import PriceList
    from app.core.remembered import Recalled
    from app.core.request import Request

Shrink = Literal["never", "unset", "always"]
BYTES_PER_TOKEN_AT_MOST = 6  # a prompt can't count fewer tokens than this makes of its text


@dataclass(frozen=True, slots=True)
class Policy:
    """What may change while the gateway runs; a call keeps the one it started with.

    `globally_limited` says that a budget stands over all keys together. `fallbacks` are the ids of
    the models to try after a model, in order; `vendors` says of each upstream whose API it speaks.
    """

    catalog: Catalog
    rules: Rules
    cache: CacheRules
    default_max_tokens: int = 16_384
    min_output_tokens: int = 256
    shrink: Shrink = "unset"
    shrink_share_ppm: int = 125_000
    globally_limited: bool = False
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vendors: Mapping[str, str] = field(default_factory=dict)


@value
class Prepared:
    """One call, ready for its hold.

    `max_tokens_set` says that the gateway chose or clamped the answer's length; `shrinkable`
    that it may still shorten it to what the budget allows; `share_ppm` how much of what the
    tightest budget has left the answer may take then, in millionths. `known` is what memory told.
    """

    request: Request
    route: Route
    model: Model
    prices: Prices
    strongest: Prices
    price_list: PriceList
    day: date
    size: Measure
    cache: CachePlan
    others: tuple[OtherModel, ...]
    bound: Bound
    max_tokens_set: bool
    shrinkable: bool
    min_output_tokens: int
    share_ppm: int = WHOLE_PPM
    known: Recalled | None = None

    @property
    def least_nano_usd(self) -> int:
        """The smallest hold that still leaves room for an answer worth having."""
        if not self.shrinkable:
            return self.bound.nano_usd
        return self.bound.with_output(min(self.min_output_tokens, self.bound.output_tokens))

    def recounted(self, counted_tokens: int) -> Prepared:
        """The same call, bounded by the vendor's own count of its prompt."""
        exact = bound(
            self.request,
            self.size,
            self.model,
            self.prices,
            ttl=self.cache.ttl,
            counted_tokens=counted_tokens,
            others=self.others,
        )
        return replace(self, bound=exact)

    def count_may_help(self, remaining_nano_usd: int) -> bool:
        """Whether the bound on the prompt is what keeps the call from fitting."""
        if not self.bound.input_is_loose:
            return False
        fewest = self.size.text_bytes // BYTES_PER_TOKEN_AT_MOST
        return self.recounted(fewest).least_nano_usd <= remaining_nano_usd

    def shortened(self, granted_nano_usd: int) -> Prepared:
        """The call with its answer cut to what was granted; itself when all of it was."""
        if granted_nano_usd >= self.bound.nano_usd:
            return self
        fits = self.bound.output_that_fits(granted_nano_usd)
        request = replace(self.request, max_tokens=fits, original=None)
        return replace(
            self,
            request=request,
            bound=replace(self.bound, output_tokens=fits),
            max_tokens_set=True,
        )


def prepare(  # noqa: PLR0913 - what decides over a call, `known` what memory tells of it
    request: Request,
    key: Key,
    policy: Policy,
    now: datetime,
    *,
    adapted: bool = True,
    known: Recalled | None = None,
    threshold: float | None = None,
) -> Prepared:
    """Route, adapt, mark and bound; a conversation may stay with the model of its last answer.

    `adapted` False leaves a request that names its own model as it is (the native lane);
    `threshold` stands in for that of the rules.
    Raises ModelNotFound, ModelNotAllowed and UnboundedCost.
    """
    size = measure(request)
    catalog = policy.catalog.at(now)
    day = now.date()
    chosen, model = route_known(
        request, size, catalog, policy.rules, key.models, day, threshold, known
    )
    asked = request.max_tokens
    if asked is None:
        most = min(policy.default_max_tokens, model.limits.max_output_tokens)
        request = replace(request, max_tokens=most, original=None)
    if adapted or chosen.tier is not None:
        taken = adapt(request, model)
        if taken is not request:  # it may have grown: a forced tool becomes a sentence
            request, size = taken, measure(taken)
    return _ready(request, size, key, policy, catalog, day, model, chosen, asked, known)


def prepare_fallback(  # noqa: PLR0913, PLR0917 - as above, and what it stands in for
    first: Prepared, request: Request, key: Key, policy: Policy, name: str, now: datetime
) -> Prepared | None:
    """The same call for another model, its answer no longer than the first one's may be.

    None where it is not served any more, the key may not use it, or it would not take the request.
    """
    catalog = policy.catalog.at(now)
    model = catalog.models.get(name)
    if model is None or not may_name(model.id, catalog, key.models):
        return None
    asked = request.max_tokens
    taken = adapt(replace(request, max_tokens=first.request.max_tokens, original=None), model)
    size = measure(taken)
    if refusals(taken, size, model):
        return None
    try:
        return _ready(
            taken, size, key, policy, catalog, first.day, model, first.route, asked, first.known
        )
    except Refusal:
        return None


def _ready(  # noqa: PLR0913, PLR0917 - what a call is made of
    request: Request,
    size: Measure,
    key: Key,
    policy: Policy,
    catalog: Catalog,
    day: date,
    model: Model,
    chosen: Route,
    asked: int | None,
    known: Recalled | None,
) -> Prepared:
    """Mark and bound for a model; the caller asked for so many tokens.

    Raises ModelNotFound, ModelNotAllowed and UnboundedCost.
    """
    prices = _prices(model, day)
    marked, cache = plan(request, size, model, prices, policy.cache, known)
    limited = key.limited or policy.globally_limited
    others = _others(marked, size, key, catalog, day, limited=limited)
    if others:
        _check_budgets(others, model, key)
    most_cost = bound(marked, size, model, prices, ttl=cache.ttl, others=others)
    if most_cost.unbounded and limited:
        raise without_bound(most_cost.unbounded)
    strongest = (catalog.strongest if chosen.is_ours else None) or model
    return Prepared(
        marked,
        chosen,
        model,
        prices,
        prices if strongest is model else _prices(strongest, day),
        catalog.price_list,
        day,
        size,
        cache,
        others,
        most_cost,
        max_tokens_set=marked.max_tokens != asked,
        shrinkable=policy.shrink == "always" or (policy.shrink == "unset" and asked is None),
        min_output_tokens=max(policy.min_output_tokens, _least_tokens(marked))
        if marked.options
        else policy.min_output_tokens,
        share_ppm=policy.shrink_share_ppm
        if asked is None and policy.shrink != "never"
        else WHOLE_PPM,
        known=known,
    )


def _least_tokens(request: Request) -> int:
    """The shortest answer that the vendor takes: longer than the thinking that it allows for."""
    budget = (request.options.get("thinking") or {}).get("budget_tokens")
    return budget + 1 if type(budget) is int else 0


def _others(  # noqa: PLR0913 - a key's list, its limit and the catalog each have a say
    request: Request, size: Measure, key: Key, catalog: Catalog, day: date, *, limited: bool
) -> tuple[OtherModel, ...]:
    """The other models that the body names, with their prices.

    They go upstream by the names that the body gives them, so only such names count as are the
    vendor's own.  Raises ModelNotFound and ModelNotAllowed; a key without a limit and without a
    list of models may name what the catalog doesn't know.
    """
    if not (request.options or request.tools or size.defined):
        return ()
    named = named_models(request, (*request.tools, *size.defined))
    others = []
    for each in named:
        model = catalog.find(each.name)
        if model is None or not model.goes_by(each.name):
            if not limited and key.models is None:
                continue
            raise model_not_found(each.name, catalog, key.models, where=each.where)
        check_allowed(model, catalog, key.models, where=each.where)
        others.append(OtherModel(each, model, _prices(model, day)))
    return tuple(others)


def _check_budgets(others: tuple[OtherModel, ...], model: Model, key: Key) -> None:
    """A call is held and charged in the budget of the model that it asks, and in no other model's.

    Raises UnboundedCost for one that would spend what has a budget of its own.
    """
    for other in others:
        if other.model.id in key.model_budgets_nano_usd and other.model.id != model.id:
            where = other.named.where
            raise UnboundedCost(
                f"{where}: {other.model.id!r} has a budget of its own on this key, which calls of "
                "another model don't count in: leave it out, or ask it itself",
                param=where,
            )


def _prices(model: Model, day: date) -> Prices:
    try:
        return prices_on(model.schedule, day)
    except LookupError as error:
        raise ModelNotFound(
            f"the model {model.id!r} has no price on {day}", param="model"
        ) from error
