"""The most that one attempt can cost.  Pure, and never below what the vendor can bill for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.money import PICO_PER_NANO, NanoUsd, round_up
from app.core.pricing import ONE
from app.core.values import value

if TYPE_CHECKING:
    from app.core.caching import Ttl
    from app.core.measure import Measure
    from app.core.models import Model
    from app.core.pricing import Prices, Rates
    from app.core.request import Block, Request

TOKENS_PER_MESSAGE = 16
TOKENS_FOR_TOOLS = 1_000
BYTES_PER_JSON_BYTE = 2
ROUNDED_APART = 2  # four prompt categories, each rounded by at most half a nano-USD
MOST_USES = 1_000  # of a server tool in one call; more is as good as no bound
UNBOUNDED_USES = 10
EXACT_MARGIN = (102, 100, 64)  # a counted prompt is held with 2 % and 64 tokens on top

CLIENT_TOOLS = ("custom", "bash_", "text_editor_", "memory_", "computer_", "browser_")
UNBOUNDED_OPTIONS = (
    "compaction",
    "container",
    "context_management",
    "fallbacks",
    "mcp_servers",
    "thread",
)


@value
class Bound:
    """Bounds of one attempt: tokens on each side, and the rates they are held at.

    `fixed_nano_usd` does not depend on the answer's length; `input_pico_usd` and
    `output_pico_usd` are per token. `unbounded` names the features whose cost has no bound;
    `input_is_loose` says that the vendor's free token count may be far below `input_tokens`.
    """

    input_tokens: int
    output_tokens: int
    fixed_nano_usd: int
    input_pico_usd: int
    output_pico_usd: int
    unbounded: tuple[str, ...] = ()
    input_is_loose: bool = False
    server_tools: bool = False
    searches: int = 0

    @property
    def nano_usd(self) -> NanoUsd:
        """The most this attempt can cost."""
        return self.with_output(self.output_tokens)

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


def bound(  # noqa: PLR0913 - every one of them decides the price
    request: Request,
    size: Measure,
    model: Model,
    prices: Prices,
    *,
    ttl: Ttl | None,
    counted_tokens: int | None = None,
) -> Bound:
    """The bound of one attempt with the breakpoints as planned (`ttl`: the longest of them).

    `counted_tokens` is the vendor's own count of the prompt, where it was asked for.
    """
    window = model.limits.context_window_tokens
    if counted_tokens is None:
        prompt = min(_prompt_tokens(size, request, model), window)
    else:
        times, per, plus = EXACT_MARGIN
        prompt = min(round_up(counted_tokens * times, per) + plus, window)
    server_tools = [tool for tool in request.tools if is_server_tool(tool)]
    searches, most_input = 0, prompt
    if server_tools:
        most_input = window * (1 + sum(_uses(tool) for tool in server_tools))
        searches = sum(_uses(t) for t in server_tools if str(t["type"]).startswith("web_search"))
    factor, divisor = _factor(request, prices)
    first = prices.steps[0].rates
    dearest_input, dearest_output = _input_rate(first, ttl), first.output
    for step in prices.steps[1:]:
        if most_input > step.above_prompt_tokens:
            dearest_input = max(dearest_input, _input_rate(step.rates, ttl))
            dearest_output = max(dearest_output, step.rates.output)
    per_nano = PICO_PER_NANO * divisor
    return Bound(
        input_tokens=most_input,
        output_tokens=min(request.max_tokens or 0, model.limits.max_output_tokens),
        fixed_nano_usd=round_up(most_input * dearest_input * factor, per_nano)
        + searches * prices.web_search_nano_usd
        + (ROUNDED_APART if ttl else 0),
        input_pico_usd=round_up(dearest_input * factor, divisor),
        output_pico_usd=round_up(dearest_output * factor, divisor),
        unbounded=_unbounded(request, server_tools),
        input_is_loose=counted_tokens is None and not server_tools,
        server_tools=bool(server_tools),
        searches=searches,
    )


def is_server_tool(tool: Block) -> bool:
    """Whether the vendor runs the tool itself, in a loop of its own."""
    kind = tool.get("type")
    return isinstance(kind, str) and not kind.startswith(CLIENT_TOOLS)


def _prompt_tokens(size: Measure, request: Request, model: Model) -> int:
    """At most one token per byte of text: no tokenizer makes more of them."""
    if size.pdfs or size.unsized or request.options.get("thread"):
        return model.limits.context_window_tokens
    extra = TOKENS_FOR_TOOLS if size.tools or request.options.get("output_config") else 0
    return (
        size.text_bytes
        + BYTES_PER_JSON_BYTE * size.json_bytes
        + TOKENS_PER_MESSAGE * (size.messages + 1)
        + size.images * model.limits.max_image_tokens
        + extra
    )


def _input_rate(rates: Rates, ttl: Ttl | None) -> int:
    if ttl is None:
        return rates.input
    writes = (rates.cache_write_5m, rates.cache_write_1h if ttl == "1h" else 0)
    return max(rates.input, rates.cache_read, *writes)


def _factor(request: Request, prices: Prices) -> tuple[int, int]:
    """The dearest multiplier that the response may report, as (numerator, denominator)."""
    options = request.options
    if not options:
        return 1, 1
    fast = max(prices.fast, ONE) if options.get("speed") == "fast" else ONE
    us = max(prices.us, ONE) if options.get("inference_geo") == "us" else ONE
    return fast * us, ONE * ONE


def _max_uses(tool: Block) -> int | None:
    """What the caller allows; None where that is no bound worth the name."""
    uses = tool.get("max_uses")
    if isinstance(uses, bool) or not isinstance(uses, int):
        return None
    return uses if 0 <= uses <= MOST_USES else None


def _uses(tool: Block) -> int:
    """The uses that are held; without a bound (a key without a limit) what is usual at most."""
    uses = _max_uses(tool)
    return UNBOUNDED_USES if uses is None else uses


def _unbounded(request: Request, server_tools: list[Block]) -> tuple[str, ...]:
    if not (request.options or server_tools):
        return ()
    options = tuple(
        name for name in UNBOUNDED_OPTIONS if request.options.get(name) and _spends(request, name)
    )
    return options + tuple(
        f"tools.{tool.get('name') or tool['type']}"
        for tool in server_tools
        if _max_uses(tool) is None
    )


def _spends(request: Request, name: str) -> bool:
    """Context management is free unless it compacts: that is a model call of its own."""
    if name != "context_management":
        return True
    edits = request.options[name].get("edits") or ()
    return any(str(edit.get("type", "")).startswith("compact") for edit in edits)
