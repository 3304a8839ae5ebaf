"""Whether a conversation stays with the model that has its prompt in the cache.  Pure.

Another model reads none of it: what the cheaper rates save must be more than what is thrown away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.core.measure import has_thinking
from app.core.model_names import usable_tiers
from app.core.money import PICO_PER_NANO
from app.core.needs import NOT_ADAPTED, refusals
from app.core.pricing import prices_on
from app.core.remembered import HOUR_S
from app.core.routing import Reason, Weighed, route
from app.core.values import value

if TYPE_CHECKING:
    from datetime import date

    from app.core.measure import Measure
    from app.core.models import Catalog, Model
    from app.core.remembered import Recalled
    from app.core.request import Request
    from app.core.routing import Route, Rules

BYTES_PER_TOKEN = 4  # English text
USUAL_OUTPUT_TOKENS = 400  # of an answer, where no earlier one tells


@value
class Turn:
    """One call's tokens as a model would bill them: found in its cache, not found, and written."""

    warm_tokens: int
    new_tokens: int
    output_tokens: int
    for_an_hour: bool = False

    def pico_usd(self, model: Model, day: date) -> int:
        """What it costs there: what is not found is written, where it is long enough for that.

        Raises LookupError without a price.
        """
        whole = self.warm_tokens + self.new_tokens
        rates = prices_on(model.schedule, day).step(whole).rates
        if whole < model.limits.min_cacheable_tokens:
            fresh = rates.input
        else:
            fresh = rates.cache_write_1h if self.for_an_hour else rates.cache_write_5m
        read, said = self.warm_tokens * rates.cache_read, self.output_tokens * rates.output
        return read + self.new_tokens * fresh + said


def route_known(  # noqa: PLR0913, PLR0917 - what decides over a route
    request: Request,
    size: Measure,
    catalog: Catalog,
    rules: Rules,
    allowed: tuple[str, ...] | None,
    day: date,
    threshold: float | None,
    known: Recalled | None,
) -> tuple[Route, Model]:
    """`route`, and what is remembered of the call's conversation.  Raises as `route`."""
    chosen, model = route(request, size, catalog, rules, allowed, day, threshold)
    if known is not None and known.thread is not None:
        if chosen.is_ours:
            chosen, model = stay(chosen, model, request, size, known, catalog, allowed, day)
        if len(model.upstreams) > 1:
            model = at_the_same_upstream(model, request, known)
    return chosen, model


def stay(  # noqa: PLR0913, PLR0917 - what decides over a route, and what is remembered
    chosen: Route,
    model: Model,
    request: Request,
    size: Measure,
    known: Recalled,
    catalog: Catalog,
    allowed: tuple[str, ...] | None,
    day: date,
) -> tuple[Route, Model]:
    """The route of `auto`, or the model that the thread's last answer came from.

    A history with thinking stays with the model that thought. Else a stronger model is gone to
    when it is chosen; a weaker one only where this very call is cheaper there.
    """
    thread = known.thread
    if thread is None or chosen.tier is None or thread.model == model.id:
        return chosen, model
    usable = usable_tiers(catalog, allowed)
    tier = next((tier for tier in usable if catalog.tiers[tier] == thread.model), None)
    if tier is None:
        return chosen, model
    current = catalog.models[thread.model]
    refused = refusals(request, size, current)
    if not NOT_ADAPTED.isdisjoint(refused):
        return chosen, model
    if has_thinking(request):
        return replace(chosen, tier=tier, reason=Reason.HISTORY_THINKING), current
    if refused:
        return chosen, model
    weighed = weigh(current, model, size, known, day)
    if weighed is None:
        return chosen, model
    for_money = usable.index(chosen.tier) < usable.index(tier) or chosen.reason is Reason.CHEAPER
    if for_money and weighed.stay_nano_usd <= weighed.switch_nano_usd:
        return replace(chosen, tier=tier, reason=Reason.KEPT_WARM, weighed=weighed), current
    return replace(chosen, weighed=weighed), model


def weigh(
    current: Model, other: Model, size: Measure, known: Recalled, day: date
) -> Weighed | None:
    """What the call costs at each; None where its prompt is not warm at the current one."""
    warm_tokens, thread = known.warm_tokens(current.id), known.thread
    if not warm_tokens or thread is None:
        return None
    tried = thread.tried
    said = USUAL_OUTPUT_TOKENS if tried is None else tried.output_tokens
    hour = thread.warm[current.id].ttl_s >= HOUR_S
    whole = max((size.text_bytes + size.json_bytes) // BYTES_PER_TOKEN, warm_tokens)
    there = min(known.warm_tokens(other.id), whole)
    try:
        stays = Turn(warm_tokens, whole - warm_tokens, said, hour).pico_usd(current, day)
        goes = Turn(there, whole - there, said, hour).pico_usd(other, day)
    except LookupError:
        return None
    return Weighed(current.id, other.id, warm_tokens, stays // PICO_PER_NANO, goes // PICO_PER_NANO)


def at_the_same_upstream(model: Model, request: Request, known: Recalled) -> Model:
    """The model with the upstream first whose thinking the history holds: another may refuse it."""
    warm = None if known.thread is None else known.thread.warm.get(model.id)
    if warm is None or warm.upstream not in model.upstreams[1:] or not has_thinking(request):
        return model
    others = tuple(each for each in model.upstreams if each != warm.upstream)
    return replace(model, upstreams=(warm.upstream, *others))
