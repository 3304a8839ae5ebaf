"""The most that one attempt can cost.  Pure, and never below what the vendor can bill for it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from app.core.known_features import (
    ADVISOR,
    TOOL_USE_TOKENS,
    UNBOUNDED_USES,
    known_tool,
    max_uses,
    unbounded_fields,
)
from app.core.money import PICO_PER_NANO, NanoUsd, round_up
from app.core.other_models import unfit_fields
from app.core.pricing import ONE
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.caching import Ttl
    from app.core.measure import Measure
    from app.core.models import Model
    from app.core.other_models import OtherModel
    from app.core.pricing import Prices, Rates
    from app.core.request import Block, Request

TOKENS_PER_MESSAGE = 16
TOKENS_PER_BLOCK = 8
TOKENS_PER_DOCUMENT = 24  # or search result
BYTES_PER_JSON_BYTE = 2
ROUNDED_APART = 2  # four prompt categories, each rounded by at most half a nano-USD
EXACT_MARGIN = (102, 100, 64)  # a counted prompt is held with 2 % and 64 tokens on top
BEYOND_BODY = ("window", "unbounded")  # tools that the vendor runs itself
MOST_NAME_CHARS = 80
FAST_TIERS = ("fast", "priority")  # OpenRouter's words for `speed: fast`


@value
class Bound:
    """Bounds of one attempt: tokens on each side, and the rates they are held at.

    `fixed_nano_usd` does not depend on the answer's length; `input_pico_usd` and
    `output_pico_usd` are per token; `nano_usd` is the most that all can cost. `unbounded` names
    the features whose cost has no bound; `input_is_loose` says that the vendor's free token count
    may be far below `input_tokens`, and that the body alone decides it; `server_tools` that the
    vendor runs more than one call of the model asked: tools of its own, or other models.
    """

    input_tokens: int
    output_tokens: int
    fixed_nano_usd: int
    input_pico_usd: int
    output_pico_usd: int
    unbounded: tuple[str, ...] = ()
    input_is_loose: bool = False
    server_tools: bool = False
    nano_usd: NanoUsd = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nano_usd", self.with_output(self.output_tokens))

    def with_output(self, output_tokens: int) -> NanoUsd:
        """The most it can cost with another `max_tokens`."""
        output = round_up(output_tokens * self.output_pico_usd, PICO_PER_NANO)
        return NanoUsd(self.fixed_nano_usd + output)

    def output_that_fits(self, nano_usd: int) -> int:
        """The largest `max_tokens` whose bound is at most `nano_usd`; at least 0."""
        room = max(nano_usd - self.fixed_nano_usd, 0) * PICO_PER_NANO
        if not self.output_pico_usd:
            return self.output_tokens
        return min(room // self.output_pico_usd, self.output_tokens)


@value
class _Run:
    """One model's part of an attempt: most tokens on each side, and how they are multiplied."""

    model: Model
    prices: Prices
    input_tokens: int
    fast: bool
    searches: int = 0


@value
class _Runs:
    """What the runs of all models in an attempt share."""

    request: Request
    size: Measure
    tools: Sequence[Block]
    reads: int
    searches: int
    ttl: Ttl | None

    def cost(self, other: OtherModel, written_before: int) -> tuple[int, int, int]:
        """What it costs that `other` reads it all and what was written before: see `_cost`."""
        model = other.model
        prompt = _prompt_tokens(self.size, self.request, self.tools, model) + written_before
        tokens = _input_tokens(model, prompt, self.reads)
        fast = other.named.fast or is_fast(self.request)
        return _cost(_Run(model, other.prices, tokens, fast, self.searches), self.request, self.ttl)


def bound(  # noqa: PLR0913 - every one of them decides the price
    request: Request,
    size: Measure,
    model: Model,
    prices: Prices,
    *,
    ttl: Ttl | None,
    counted_tokens: int | None = None,
    others: tuple[OtherModel, ...] = (),
) -> Bound:
    """The bound of one attempt with the breakpoints as planned (`ttl`: the longest of them).

    `counted_tokens` is the vendor's own count of the prompt, where it was asked for; `others`
    are the models that the body names beside `model`.
    """
    tools = (*request.tools, *size.defined)
    served = _served(tools) if tools else ()
    reads = 1 + sum(_uses(tool) for tool in served) if served else 0
    searches = sum(_uses(t) for t in served if known_tool(t.get("type")).searches) if served else 0
    counted = None if counted_tokens is None else _with_margin(counted_tokens)
    prompt = _prompt_tokens(size, request, tools, model) if counted is None else counted
    own = _Run(model, prices, _input_tokens(model, prompt, reads), is_fast(request), searches)
    fixed, input_rate, rate = _cost(own, request, ttl)
    output = min(request.max_tokens or 0, model.limits.max_output_tokens)
    if others:
        runs = _Runs(request, size, tools, reads, searches, ttl)
        fixed, rate = _with_others(others, runs, output, fixed, rate)
    return Bound(
        own.input_tokens,
        output,
        fixed,
        input_rate,
        rate,
        unbounded=_unbounded(request, size, served)
        if request.options or served or size.unknown
        else (),
        input_is_loose=counted is None
        and not (served or others or size.by_reference or request.options.get("thread")),
        server_tools=bool(served or others),
    )


def _served(tools: Sequence[Block]) -> Sequence[Block]:
    """Those that the vendor runs."""
    return [tool for tool in tools if known_tool(tool.get("type")).bounded in BEYOND_BODY]


def is_us(request: Request, model: Model) -> bool:
    """Whether it may run where the US price applies: asked for, or by the workspace's default."""
    asked = request.options.get("inference_geo")
    return model.us_by_default if asked is None else asked != "global"


def is_fast(request: Request) -> bool:
    """Whether it may be served at the fast price; a word that nobody knows may mean that."""
    options = request.options
    if not options:
        return False
    return (
        options.get("speed") not in (None, "standard") or options.get("service_tier") in FAST_TIERS
    )


def _with_margin(counted_tokens: int) -> int:
    times, per, plus = EXACT_MARGIN
    return round_up(counted_tokens * times, per) + plus


def _input_tokens(model: Model, prompt_tokens: int, reads: int) -> int:
    """Where the vendor runs tools it reads all of it anew after each use: `reads` times."""
    window = model.limits.context_window_tokens
    return window * reads if reads else min(prompt_tokens, window)


def _prompt_tokens(size: Measure, request: Request, tools: Sequence[Block], model: Model) -> int:
    """At most one token per byte of text: no tokenizer makes more of them."""
    if size.pdfs or size.unsized or request.options.get("thread"):
        return model.limits.context_window_tokens
    extra = TOOL_USE_TOKENS if tools or request.options.get("output_config") else 0
    if tools:
        extra += sum(known_tool(tool.get("type")).tokens for tool in tools)
    return (
        size.text_bytes
        + BYTES_PER_JSON_BYTE * size.json_bytes
        + TOKENS_PER_MESSAGE * (size.messages + 1)
        + TOKENS_PER_BLOCK * size.blocks
        + TOKENS_PER_DOCUMENT * size.documents
        + size.images * model.limits.max_image_tokens
        + extra
    )


def _cost(run: _Run, request: Request, ttl: Ttl | None) -> tuple[int, int, int]:
    """Nano-USD whatever is answered, and pico-USD per token of the prompt and of the answer."""
    dearest_input, dearest_output = _rates(run.prices, run.input_tokens, ttl)
    held = run.model.held_thousandths
    fixed = ROUNDED_APART if ttl else 0
    if run.searches:
        fixed += round_up(run.searches * run.prices.web_search_nano_usd * held, ONE)
    us = max(run.prices.us, ONE) if is_us(request, run.model) else ONE
    if not run.fast and us == held == ONE:
        fixed += round_up(run.input_tokens * dearest_input, PICO_PER_NANO)
        return fixed, dearest_input, dearest_output
    fast = max(run.prices.fast, ONE) if run.fast else ONE
    factor, divisor = fast * us * held, ONE * ONE * ONE
    fixed += round_up(run.input_tokens * dearest_input * factor, PICO_PER_NANO * divisor)
    rates = round_up(dearest_input * factor, divisor), round_up(dearest_output * factor, divisor)
    return fixed, *rates


def _with_others(
    others: tuple[OtherModel, ...], runs: _Runs, output: int, fixed: int, rate: int
) -> tuple[int, int]:
    """`fixed` and `rate` with what the other models add to them.

    A fallback comes on top: those before it may have been billed, and it may read what they had
    written. Of the models that answer in another's place one does, and the dearest is held.
    Each model that answers may ask the advisors anew.
    """
    written = output
    asking = 1 + sum(other.named.role == "fallback" for other in others)
    for other in others:
        if other.named.role == "advisor":
            fixed += asking * _advice(other, runs.request)
            continue
        instead = other.named.role == "instead"
        its_fixed, _, its_rate = runs.cost(other, 0 if instead else written)
        if instead:
            fixed, rate = max(fixed, its_fixed), max(rate, its_rate)
        elif other.named.max_tokens is None:
            fixed, rate = fixed + its_fixed, rate + its_rate
            written += output
        else:
            most = min(other.named.max_tokens, other.model.limits.max_output_tokens)
            fixed += its_fixed + round_up(most * its_rate, PICO_PER_NANO)
            written += most
    return fixed, rate


def _advice(other: OtherModel, request: Request) -> int:
    """Each use reads at most the advisor's whole window."""
    named, limits = other.named, other.model.limits
    most = limits.max_output_tokens
    if named.max_tokens is not None:
        most = min(named.max_tokens, most)
    run = _Run(other.model, other.prices, limits.context_window_tokens, is_fast(request))
    fixed, _, rate = _cost(run, request, "1h" if named.cached else None)
    return named.uses * (fixed + round_up(most * rate, PICO_PER_NANO))


def _rates(prices: Prices, prompt_tokens: int, ttl: Ttl | None) -> tuple[int, int]:
    """The dearest rates of input and output that a prompt of at most so many tokens can meet."""
    first = prices.steps[0].rates
    dearest_input, dearest_output = _input_rate(first, ttl), first.output
    for step in prices.steps[1:]:
        if prompt_tokens > step.above_prompt_tokens:
            dearest_input = max(dearest_input, _input_rate(step.rates, ttl))
            dearest_output = max(dearest_output, step.rates.output)
    return dearest_input, dearest_output


def _input_rate(rates: Rates, ttl: Ttl | None) -> int:
    if ttl is None:
        return rates.input
    writes = (rates.cache_write_5m, rates.cache_write_1h if ttl == "1h" else 0)
    return max(rates.input, rates.cache_read, *writes)


def _uses(tool: Block) -> int:
    """The uses that are held; without a bound (a key without a limit) what is usual at most."""
    uses = max_uses(tool) if known_tool(tool.get("type")).bounded == "window" else None
    return UNBOUNDED_USES if uses is None else uses


def _has_bound(tool: Block) -> bool:
    """Whether the body bounds a tool that the vendor runs; an advisor has to be named."""
    kind = tool.get("type")
    named = kind != ADVISOR or isinstance(tool.get("model"), str)
    return named and known_tool(kind).bounded == "window" and max_uses(tool) is not None


def _unbounded(request: Request, size: Measure, served: Sequence[Block]) -> tuple[str, ...]:
    """The names of what has no bound."""
    options = request.options
    tools = [
        f"tools.{tool.get('name') or tool.get('type')}"[:MOST_NAME_CHARS]
        for tool in served
        if not _has_bound(tool)
    ]
    return (*size.unknown, *unbounded_fields(options), *unfit_fields(options), *tools)
