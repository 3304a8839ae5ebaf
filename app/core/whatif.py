"""What a past range would have cost under other rules.  Pure: stored calls x rules -> sums.

What can't be known from what is stored is assumed, and every assumption is told with the calls that
it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from app.core.pricing import prices_on
from app.core.replay import at_prices, cost_of, replayed, without_cache, written_anew
from app.core.routing import Reason
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from app.core.models import Catalog
    from app.core.pricing import Prices
    from app.core.replay import Line, Stored

BY_SCORE = frozenset({Reason.SCORE, Reason.DEFAULT, Reason.LONG_TEXT, Reason.MANY_ITEMS})
"""The reasons that say: the score was held against the threshold, and nothing else decided."""


@dataclass(frozen=True, slots=True)
class OtherRules:
    """The rules in place of those of the day; None and empty: as they were.

    `tiers` maps a tier to a model id, `cost_per_token` a model id to pico-USD by category.
    `catalog` is what is offered now: it knows the prices of models that would answer instead.
    """

    catalog: Catalog
    tiers: Mapping[str, str] = field(default_factory=dict)
    threshold: float | None = None
    cost_per_token: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cache: Literal["off", "auto"] | None = None


@value
class Outcome:
    """What one call would have come to, at least and at most; `notes` say what was assumed."""

    model: str
    nano_usd: int
    least_nano_usd: int
    most_nano_usd: int
    notes: tuple[str, ...] = ()


NAMED = "named_model"
OTHERWISE = "otherwise_decided"
NO_PRICE = "no_price"
TOO_LONG = "too_long"
REWRITTEN = "rewritten"
OTHER_TOKENS = "other_tokens"
UNBILLED = "unbilled"
BILLED = "billed"
BY_HAND = "by_hand"
UNPRICED = "unpriced"
CALLERS = "callers_marks"
UNMARKED = "unmarked"
FELL_BACK = "fell_back"
SAYS: Mapping[str, str] = {
    OTHER_TOKENS: "another model would have answered; it is taken to use the same tokens",
    REWRITTEN: (
        "another model would have had to write the cached tokens anew: they are charged as "
        "five-minute writes, and at the least as reads"
    ),
    NAMED: "the caller named a model, which stays",
    OTHERWISE: "something else than the score decided: the tier stays",
    FELL_BACK: "another model answered in the place of the one that was sent for: it stays",
    NO_PRICE: "the other model has no price on that day: nothing is changed",
    TOO_LONG: "the prompt is longer than the other model takes: nothing is changed",
    UNBILLED: "the vendor's own bill is replaced by the other model's list price",
    BILLED: "the vendor's own bill stays, whatever its prices are here",
    BY_HAND: "an admin has set the cost, which stays",
    UNPRICED: "there was no known answer: what was charged stays",
    CALLERS: "there are marks of the caller's own, so that its cache stays",
    UNMARKED: "the gateway placed no marks: what they would have saved is not known, and left out",
}


def outcome(call: Stored, rules: OtherRules) -> Outcome:
    """What the call would have come to."""
    if call.by_hand or not call.lines:
        note = (BY_HAND if call.by_hand else UNPRICED,) if _asks(rules) else ()
        total = replayed(call)
        return Outcome(call.model, total, total, total, note)
    notes: list[str] = []
    model = _model_meant(call, rules, notes)
    prices = None
    if model != call.sent_model:
        prices = _prices(call, model, rules, notes)
    lines, moves = call.lines, prices is not None
    if prices is not None:
        lines = tuple(_moved(line, call, model, prices) for line in lines)
        notes.append(OTHER_TOKENS)
    else:
        model = call.sent_model
    more = call.billed_more_nano_usd
    if call.billed and moves:
        notes.append(UNBILLED)
        more = 0
    lines = _repriced(lines, call, rules, notes, moves=moves)
    lines = _uncached(lines, call, rules, notes)
    kept = call.kept_nano_usd + more
    warm = cost_of(lines).total + kept
    cold = warm
    if moves and call.tier is not None and model != rules.tiers.get(call.tier):
        cold = cost_of(_cold(lines, model)).total + kept
    if cold != warm:
        notes.append(REWRITTEN)
    answered = model if call.model == call.sent_model else call.model
    return Outcome(answered, cold, min(warm, cold), max(warm, cold), tuple(notes))


def _asks(rules: OtherRules) -> bool:
    return bool(rules.tiers or rules.cost_per_token or rules.cache or rules.threshold is not None)


def _model_meant(call: Stored, rules: OtherRules, notes: list[str]) -> str:
    """The model that the rules send the call to."""
    if not rules.tiers and rules.threshold is None:
        return call.sent_model
    if call.tier is None:
        notes.append(NAMED)
        return call.sent_model
    tier = call.tier
    if rules.threshold is not None:
        if call.score is not None and call.reason in BY_SCORE:
            names = tuple(rules.catalog.tiers)
            tier = names[-1] if call.score >= rules.threshold else names[0]
        elif call.reason != Reason.FORCED_TIER:
            notes.append(OTHERWISE)
    if tier in rules.tiers:
        return rules.tiers[tier]
    return call.sent_model if tier == call.tier else rules.catalog.tiers[tier]


def _prices(call: Stored, model: str, rules: OtherRules, notes: list[str]) -> Prices | None:
    """The other model's prices on the day of the call; None where it can't have answered."""
    if not any(line.model == call.sent_model for line in call.lines):
        notes.append(FELL_BACK)
        return None
    prompt = max((line.usage.prompt_tokens for line in call.lines), default=0)
    offered = rules.catalog.models.get(model)
    if offered is not None and prompt > offered.limits.context_window_tokens:
        notes.append(TOO_LONG)
        return None
    listed = rules.catalog.price_list.find(model)
    schedule = offered.schedule if offered is not None else listed and listed.schedule
    try:
        return prices_on(schedule or (), call.day)
    except LookupError:
        notes.append(NO_PRICE)
        return None


def _moved(line: Line, call: Stored, model: str, prices: Prices) -> Line:
    """The line by the other model, if it was by the one that the call was sent to."""
    return at_prices(line, model, prices) if line.model == call.sent_model else line


def _repriced(
    lines: tuple[Line, ...],
    call: Stored,
    rules: OtherRules,
    notes: list[str],
    *,
    moves: bool,
) -> tuple[Line, ...]:
    """The lines with the prices that the rules give in place of others."""
    given = rules.cost_per_token
    if not given or not any(line.model in given for line in lines):
        return lines
    if call.billed and not moves:
        notes.append(BILLED)
        return lines
    return tuple(
        replace(line, rates=replace(line.rates, **given[line.model]))
        if line.model in given
        else line
        for line in lines
    )


def _uncached(
    lines: tuple[Line, ...], call: Stored, rules: OtherRules, notes: list[str]
) -> tuple[Line, ...]:
    """The lines without a cache, where only the gateway asked for one and that is switched off."""
    cached = any(line.usage.prompt_tokens != line.usage.input_tokens for line in lines)
    if rules.cache == "auto" and not call.placed and not call.callers_marks:
        notes.append(UNMARKED)
    if rules.cache != "off" or not cached:
        return lines
    if call.callers_marks or not call.placed:
        notes.append(CALLERS)
        return lines
    return tuple(without_cache(line) for line in lines)


def _cold(lines: tuple[Line, ...], model: str) -> tuple[Line, ...]:
    return tuple(written_anew(line) if line.model == model else line for line in lines)


@dataclass(slots=True)
class Pair:
    """Calls and nano-USD as it was, and as it would have been."""

    calls: int = 0
    nano_usd: int = 0
    whatif_calls: int = 0
    whatif_nano_usd: int = 0


@dataclass(slots=True)
class Report:
    """The sums over many calls."""

    total: Pair = field(default_factory=Pair)
    least_nano_usd: int = 0
    most_nano_usd: int = 0
    changed: int = 0
    by_model: dict[str, Pair] = field(default_factory=dict)
    by_day: dict[date, Pair] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def add(self, call: Stored, found: Outcome) -> None:
        """Count one call."""
        was = self.by_model.setdefault(call.model, Pair())
        becomes = self.by_model.setdefault(found.model, Pair())
        day = self.by_day.setdefault(call.day, Pair())
        for pair in (self.total, was, day):
            pair.calls += 1
            pair.nano_usd += call.cost_nano_usd
        for pair in (self.total, becomes, day):
            pair.whatif_calls += 1
            pair.whatif_nano_usd += found.nano_usd
        self.least_nano_usd += found.least_nano_usd
        self.most_nano_usd += found.most_nano_usd
        self.changed += found.nano_usd != call.cost_nano_usd
        for note in found.notes:
            self.notes[note] = self.notes.get(note, 0) + 1

    @property
    def assumptions(self) -> list[str]:
        """What was assumed, and of how many calls."""
        return [
            f"{says} ({_calls(count)})"
            for name, says in SAYS.items()
            if (count := self.notes.get(name))
        ]


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"
