"""What an answer is charged: each model call inside it at its own model's prices.  Pure.

One plain call by the model that was sent is nearly every answer, and takes the short way. All else
is told in parts: a vendor's fallback to another model, an advisor, a compaction, a refusal that
costs nothing, and whatever no price list knows: that is charged at the dearest figures, marked and
counted, so that it is never cheap and never silent.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.core.pricing import (
    ONE,
    Cost,
    Prices,
    figures,
    json_text,
    price,
    price_together,
    prices_on,
    snapshot,
    uncached,
)
from app.core.usage import PART_KINDS, Part, Unknown, Usage
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from app.core.price_list import PriceList
    from app.core.request import Reply

REFUSED = "refusal"
FALLBACK = "fallback_message"
ADVISOR = "advisor_message"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/~-]{0,199}", re.ASCII)
_TOKENS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")


@value
class Answer:
    """What an upstream said of its answer, as far as it decides the price.

    `category` is its refusal's; `declined` are those of the attempts that handed over to another
    model, in order. `billed_nano_usd`: what the upstream itself billed, where it said so.
    """

    model: str | None = None
    stop_reason: str | None = None
    category: str | None = None
    declined: Sequence[str | None] = ()
    billed_nano_usd: int | None = None


@value
class Sent:
    """What was sent, and at which prices: `strongest` are those of the strongest tier."""

    model_id: str
    prices: Prices
    strongest: Prices
    price_list: PriceList
    day: date


@value
class Bill:
    """What an answer came to. `model` answered; `rates` is all it takes to do the sum again.

    `uncached_nano_usd` is the same without caching, `strongest_nano_usd` the same usage on the
    strongest tier. `unknown`: what had no price, so that the cost is an estimate.
    """

    model: str
    cost: Cost
    rates: str
    uncached_nano_usd: int
    strongest_nano_usd: int
    unknown: tuple[Unknown, ...] = ()


def bill(usage: Usage, answer: Answer, sent: Sent) -> Bill:
    """Price an answer; exact unless `unknown` says otherwise."""
    plain = not usage.parts and not usage.unknown and answer.stop_reason != REFUSED
    if usage.fast and sent.prices.fast == ONE:
        plain = False
    if plain and sent.price_list.is_model(sent.model_id, answer.model):
        return _plain_bill(usage, sent)
    return _bill_of(_lines(usage, answer, sent), sent)


def _plain_bill(usage: Usage, sent: Sent) -> Bill:
    """One call by the model that was sent."""
    prices, strongest = sent.prices, sent.strongest
    cost = price(usage, prices)
    total = cost.total
    cached = usage.prompt_tokens != usage.input_tokens
    return Bill(
        sent.model_id,
        cost,
        snapshot(sent.model_id, usage, prices),
        price(uncached(usage), prices).total if cached else total,
        total if strongest is prices else price(usage, strongest).total,
    )


@value
class _Line:
    """One model call with its prices; `free` says why it costs nothing."""

    part: Part
    model: str
    prices: Prices
    unknown: tuple[Unknown, ...] = ()
    free: str | None = None


def _bill_of(lines: list[_Line], sent: Sent) -> Bill:
    answering = next(line for line in reversed(lines) if line.part.answers)
    billed = [line for line in lines if line.free is None]
    cost = price_together((line.part.usage, line.prices) for line in billed)
    without_cache = price_together((uncached(line.part.usage), line.prices) for line in billed)
    strongest = price_together(
        (line.part.usage, sent.strongest if line.prices is sent.prices else line.prices)
        for line in billed
    )
    unknown = sorted({word for line in lines for word in line.unknown})
    return Bill(
        answering.model,
        cost,
        json_text(_rates(lines, answering)),
        without_cache.total,
        strongest.total,
        tuple(unknown),
    )


def _rates(lines: list[_Line], answering: _Line) -> dict[str, Any]:
    """The figures of the part that wrote the answer; where there are several, each with its own."""
    if len(lines) == 1:
        return _told(lines[0])
    parts = [
        {
            "kind": line.part.kind,
            **_told(line),
            "tokens": {c: getattr(line.part.usage, f"{c}_tokens") for c in _TOKENS},
            "web_search_requests": line.part.usage.web_search_requests,
        }
        for line in lines
    ]
    return {**_told(answering), "parts": parts}


def _told(line: _Line) -> dict[str, Any]:
    told = figures(line.model, line.part.usage, line.prices)
    if line.free is not None:
        told |= {"multiplier": "0", "usd_per_web_search": "0", "free": line.free}
    if line.unknown:
        told["unknown"] = list(line.unknown)
    return told


def _lines(usage: Usage, answer: Answer, sent: Sent) -> list[_Line]:
    parts = usage.parts or (Part("message", usage),)
    fell_back = any(part.kind == FALLBACK for part in parts)
    lines = [
        _line(
            part,
            part.model or (None if fell_back and part.kind != FALLBACK else answer.model),
            sent,
        )
        for part in parts
    ]
    return _judged(lines, answer, sent, fell_back=fell_back)


def _line(part: Part, name: str | None, sent: Sent) -> _Line:
    """The part at its own model's prices, or at the dearest where a word in it is unknown."""
    unknown: list[Unknown] = list(part.usage.unknown)
    if part.kind not in PART_KINDS:
        unknown.append("iteration")
    model, prices = _priced(name, part, sent)
    if prices is None:
        unknown.append("model")
    elif part.usage.fast and prices.fast == ONE and "speed" not in unknown:
        unknown.append("speed")
    if unknown:
        dearest = sent.price_list.dearest(sent.day, sent.prices)
        if prices is None or set(unknown) != {"geo"}:
            prices = dearest
        else:
            prices = replace(prices, us=max(prices.us, dearest.us))
    return _Line(part, model, prices or sent.prices, tuple(unknown))


def _priced(name: str | None, part: Part, sent: Sent) -> tuple[str, Prices | None]:
    """The model that a part's name stands for, and its prices; None where it has none."""
    known = sent.price_list
    if not name or name == sent.model_id:
        return sent.model_id, sent.prices
    named = known.find(name)
    is_sent = known.has_figures_of if part.kind == ADVISOR else known.is_model
    if is_sent(sent.model_id, name):
        return sent.model_id, sent.prices
    if named is None:
        return _shown(name), None
    if named.schedule[0].effective_from > sent.day:
        return named.id, None
    return named.id, prices_on(named.schedule, sent.day)


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else "unknown"


def _judged(lines: list[_Line], answer: Answer, sent: Sent, *, fell_back: bool) -> list[_Line]:
    """The lines, those free that come from attempts refused before any output."""
    hops = _hops(lines)
    refused = [
        (hop, _at(answer.declined, n))
        for n, hop in enumerate(hops[:-1])
        if fell_back or n < len(answer.declined)  # the last model may have declined, too
    ]
    if answer.stop_reason == REFUSED:
        refused.append((hops[-1], answer.category))
    judged = list(lines)
    for hop, category in refused:
        if any(_wrote(lines[place].part.usage) for place in hop):
            continue
        rule = sent.price_list.refusal(category, sent.day)
        for place in hop:
            line = lines[place]
            if rule == "free":
                why = f"refused before any output ({category or 'no category'})"
                judged[place] = replace(line, free=why, unknown=())
            elif rule is None:
                judged[place] = replace(line, unknown=(*line.unknown, "refusal"))
    return judged


def _hops(lines: Sequence[_Line]) -> list[list[int]]:
    """The places of the parts that write the answer, together as long as one model wrote them."""
    hops: list[list[int]] = []
    before: str | None = None
    for place, line in enumerate(lines):
        if line.part.answers:
            if line.model != before:
                hops.append([])
            hops[-1].append(place)
            before = line.model
    return hops


def _wrote(usage: Usage) -> bool:
    return bool(usage.output_tokens or usage.web_search_requests)


def _at(categories: Sequence[str | None], n: int) -> str | None:
    return categories[n] if n < len(categories) else None


def answer_of(reply: Reply) -> Answer:
    """What a whole reply said of itself."""
    declined = declined_in(reply.content) if reply.usage.parts else ()
    category = category_of(reply.stop_details)
    return Answer(reply.model, reply.stop_reason, category, declined, reply.billed_nano_usd)


def category_of(details: Mapping[str, Any] | None) -> str | None:
    """A refusal's category as the vendor tells it; what can't be read is one that no list has."""
    category = None if details is None else details.get("category")
    return category if category is None or isinstance(category, str) else "unreadable"


def declined_in(content: Iterable[Mapping[str, Any]]) -> tuple[str | None, ...]:
    """The categories of the attempts that handed over to another model within an answer."""
    return tuple(
        category_of(trigger if isinstance(trigger := block.get("trigger"), dict) else None)
        for block in content
        if block.get("type") == "fallback"
    )
