"""A call prepared: routed, adapted, marked and bounded.  Pure, and free to make twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from app.core.adaptation import adapt
from app.core.bounds import Bound, bound
from app.core.caching import CachePlan, CacheRules, plan
from app.core.errors import ModelNotFound, UnboundedCost
from app.core.measure import Measure, measure
from app.core.pricing import Prices, prices_on
from app.core.routing import Route, Rules, route
from app.core.usage import Usage
from app.core.values import value

if TYPE_CHECKING:
    from datetime import date

    from app.core.keys import Key
    from app.core.models import Catalog, Model
    from app.core.request import Request

Shrink = Literal["never", "unset", "always"]
BYTES_PER_TOKEN_AT_MOST = 6  # a prompt can't count fewer tokens than this makes of its text


@dataclass(frozen=True, slots=True)
class Policy:
    """What may change while the gateway runs; a call keeps the one it started with.

    `globally_limited` says that a budget stands over all keys together.
    """

    catalog: Catalog
    rules: Rules
    cache: CacheRules
    default_max_tokens: int = 16_384
    min_output_tokens: int = 256
    shrink: Shrink = "unset"
    globally_limited: bool = False


@value
class Prepared:
    """One call, ready for its hold.

    `max_tokens_set` says that the gateway chose or clamped the answer's length; `shrinkable`
    that it may still shorten it to what the budget allows.
    """

    request: Request
    route: Route
    model: Model
    prices: Prices
    strongest: Prices
    size: Measure
    cache: CachePlan
    bound: Bound
    max_tokens_set: bool
    shrinkable: bool
    min_output_tokens: int

    @property
    def least_nano_usd(self) -> int:
        """The smallest hold that still leaves room for an answer worth having."""
        if not self.shrinkable:
            return self.bound.nano_usd
        return self.bound.with_output(min(self.min_output_tokens, self.bound.output_tokens))

    @property
    def worst_usage(self) -> Usage:
        """Usage that costs the whole bound: what is charged where nothing better is known."""
        prompt, options = self.bound.input_tokens, self.request.options
        return Usage(
            input_tokens=prompt if self.cache.ttl is None else 0,
            cache_write_5m_tokens=prompt if self.cache.ttl == "5m" else 0,
            cache_write_1h_tokens=prompt if self.cache.ttl == "1h" else 0,
            output_tokens=self.bound.output_tokens,
            web_search_requests=self.bound.searches,
            fast=options.get("speed") == "fast",
            us=options.get("inference_geo") == "us",
        )

    def recounted(self, counted_tokens: int) -> Prepared:
        """The same call, bounded by the vendor's own count of its prompt."""
        exact = bound(
            self.request,
            self.size,
            self.model,
            self.prices,
            ttl=self.cache.ttl,
            counted_tokens=counted_tokens,
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


def prepare(
    request: Request, key: Key, policy: Policy, day: date, *, adapted: bool = True
) -> Prepared:
    """Route, adapt, mark and bound.

    `adapted` False leaves a request that names its own model as it is (the native lane).
    Raises ModelNotFound, ModelNotAllowed and UnboundedCost.
    """
    size = measure(request)
    chosen, model = route(request, size, policy.catalog, policy.rules, key.models)
    prices = _prices(model, day)
    limits = model.limits
    asked = request.max_tokens
    if asked is None:
        most = min(policy.default_max_tokens, limits.max_output_tokens)
        request = replace(request, max_tokens=most, original=None)
    if adapted or chosen.tier != "-":
        taken = adapt(request, model)
        if taken is not request:  # it may have grown: a forced tool becomes a sentence
            request, size = taken, measure(taken)
    marked, cache = plan(request, size, model, policy.cache)
    most_cost = bound(marked, size, model, prices, ttl=cache.ttl)
    if most_cost.unbounded and (key.limited or policy.globally_limited):
        names = ", ".join(most_cost.unbounded)
        tools = all(name.startswith("tools.") for name in most_cost.unbounded)
        remedy = "set max_uses (at most 1000), or use" if tools else "leave it out, or use"
        raise UnboundedCost(
            f"no bound on the cost of {names}: {remedy} a key without a limit",
            param=most_cost.unbounded[0],
        )
    strongest = policy.catalog.strongest if chosen.tier != "-" else None
    return Prepared(
        request=marked,
        route=chosen,
        model=model,
        prices=prices,
        strongest=_prices(strongest or model, day),
        size=size,
        cache=cache,
        bound=most_cost,
        max_tokens_set=marked.max_tokens != asked,
        shrinkable=policy.shrink == "always" or (policy.shrink == "unset" and asked is None),
        min_output_tokens=policy.min_output_tokens,
    )


def _prices(model: Model, day: date) -> Prices:
    try:
        return prices_on(model.schedule, day)
    except LookupError as error:
        raise ModelNotFound(
            f"the model {model.id!r} has no price on {day}", param="model"
        ) from error
