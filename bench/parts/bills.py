"""What the same calls would have cost under other rules, by the simulator's rules and prices.

Amounts are nano-USD. All but `optimum` are what the simulated cache says; `optimum` is a bound from
below that no plan of marks passes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from app.simulator.bill import bill, usage_body
from app.simulator.cache import PromptCache
from app.simulator.facts import LONG_PROMPT_TOKENS, MODELS, TTL_S, Model, Rates
from app.simulator.prompt import Position, Prompt, read_prompt

PICO_PER_NANO = 1_000
NEVER_S = float("-inf")
MARK = "cache_control"
STRONG_FROM_CHARS = 10_000
STRONG_FROM_ITEMS = 30
LIST_ENTRY = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One call as it reached the vendor, its marks taken off."""

    at_s: float
    model: Model
    body: Json
    output_tokens: int

    @cached_property
    def prompt(self) -> Prompt:
        return read_prompt(self.body, self.model)

    @property
    def rates(self) -> Rates:
        long = self.model.long_rates
        if long is not None and self.prompt.total_tokens > LONG_PROMPT_TOKENS:
            return long
        return self.model.rates


def unmarked(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Without breakpoints; none of the workloads has that name in anything else."""
    if isinstance(value, dict):
        return {name: unmarked(held) for name, held in value.items() if name != MARK}
    return [unmarked(held) for held in value] if isinstance(value, list) else value


def total(calls: Iterable[Call]) -> int:
    """As they are, marks and all."""
    cache, nano_usd = PromptCache(), 0
    for call in calls:
        plan = cache.plan(call.prompt, "account", call.model, call.at_s)
        cache.write(plan, call.at_s)
        usage = usage_body(plan, call.body, call.model, call.output_tokens)
        nano_usd += bill(call.model, usage).total_nano_usd
    return nano_usd


def by_model(calls: Iterable[Call], choose: Callable[[Call], str]) -> Iterator[Call]:
    for call in calls:
        yield replace(call, model=MODELS[choose(call)])


def is_strong(call: Call) -> bool:
    """The plain threshold rule."""
    messages = call.body["messages"]
    texts = list(_texts([call.body.get("system"), messages]))
    last = "\n".join(_texts([m for m in messages if m["role"] == "user"][-1:]))
    items = max(len(messages), len(LIST_ENTRY.findall(last)))
    return sum(map(len, texts)) >= STRONG_FROM_CHARS or items >= STRONG_FROM_ITEMS


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        for held in value:
            yield from _texts(held)
    elif isinstance(value, dict):
        yield from _texts(value.get("text") or value.get("content"))
    elif isinstance(value, str):
        yield value


def always_marked(calls: Iterable[Call]) -> Iterator[Call]:
    """Five minutes, at the end of the system prompt and of the last message, whatever comes."""
    for call in calls:
        body, mark = dict(call.body), {MARK: {"type": "ephemeral"}}
        system = body.get("system")
        if system:
            blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
            body["system"] = [*blocks[:-1], {**blocks[-1], **mark}]
        *before, last = body["messages"]
        content = last["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        last = {**last, "content": [*blocks[:-1], {**blocks[-1], **mark}]}
        yield replace(call, body={**body, "messages": [*before, last]})


def optimum(calls: Sequence[Call]) -> int:
    """The least that these calls can cost on these models, marked with all of them known.

    Each block alone: over the calls whose prompt has it, in the order of time, it is sent plain,
    written for five minutes or an hour, or read where an entry is still alive that ends with it or
    behind it. A read keeps it for as long as the longest lifetime does, for the entry may have been
    made longer by a later mark. Blocks are taken as independent of each other and marks as many
    as are wanted, so that no real plan costs less; where four marks do for it, one costs as much.
    """
    pico_usd = sum(call.output_tokens * call.rates.output for call in calls)
    for model in {call.model.id for call in calls}:
        own = [call for call in calls if call.model.id == model]
        pico_usd += sum(
            tokens * cheapest([(own[n].at_s, own[n].rates) for n in visits])
            for tokens, visits in _shared(own)
        )
    return round(pico_usd / PICO_PER_NANO)


def cheapest(visits: Sequence[tuple[float, Rates]]) -> int:
    """Pico-USD of one token over its visits, by dynamic programming over how long it is kept."""
    if len(visits) == 1:
        return visits[0][1].input
    costs = {NEVER_S: 0}  # by the moment until which an entry lives
    for at_s, rates in visits:
        after: dict[float, int] = defaultdict(lambda: 1 << 62)
        for until_s, cost in costs.items():
            if at_s < until_s:
                kept_s = max(until_s, at_s + TTL_S["1h"])
                after[kept_s] = min(after[kept_s], cost + rates.read)
                continue
            for ends_s, rate in (
                (NEVER_S, rates.input),
                (at_s + TTL_S["5m"], rates.write_5m),
                (at_s + TTL_S["1h"], rates.write_1h),
            ):
                after[ends_s] = min(after[ends_s], cost + rate)
        costs = after
    return min(costs.values())


def _shared(calls: Sequence[Call]) -> Iterator[tuple[int, list[int]]]:
    """Tokens of a block, and the calls that can read it from each other.

    Two calls can where they have a block in common, this one or one behind it, that may end an
    entry: it can carry a mark, and the prompt up to there is not too short. What no such block
    closes is nobody's but the call's own.
    """
    least = calls[0].model.min_cacheable_tokens
    groups: dict[tuple[bytes, bytes | int], tuple[int, list[int]]] = {}
    for n, call in enumerate(calls):
        positions = call.prompt.positions
        before = 0
        closed_by = _closed_by(positions, least)
        for position, end in zip(positions, closed_by, strict=True):
            tokens = position.tokens - before
            before = position.tokens
            key = (position.digest, n if end is None else end)
            groups.setdefault(key, (tokens, []))[1].append(n)
        if call.prompt.total_tokens > before:
            groups[b"", n] = (call.prompt.total_tokens - before, [n])
    yield from groups.values()


def _closed_by(positions: Sequence[Position], least: int) -> list[bytes | None]:
    """Of each block, the first one at or behind it that may end an entry."""
    found: list[bytes | None] = []
    end: bytes | None = None
    for position in reversed(positions):
        if position.markable and position.tokens >= least:
            end = position.digest
        found.append(end)
    return found[::-1]
