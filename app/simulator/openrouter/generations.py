"""What OpenRouter tells of an answer afterwards: its cost, and what the cache took off it."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.simulator.bill import bill
from app.simulator.facts import Model
from app.simulator.json_values import JsonObject, as_count, as_object

NANO_PER_USD = 1_000_000_000
READY_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer; amounts are nano-USD.  `cache_discount` is None where no cache was used."""

    id: str
    model: str
    cost: int
    cache_discount: int | None
    usage: JsonObject
    made_at_s: float


@dataclass(slots=True)
class Generations:
    """Every answer by its id; each can be asked for a while after it was given.

    `cost_in_streams`: whether a stream's last figures hold its cost.
    """

    ready_after_s: float = READY_AFTER_S
    cost_in_streams: bool = False
    found: dict[str, Generation] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def note(self, generation: Generation) -> None:
        """Keep what an answer came to; one that is told again replaces the first."""
        self.found[generation.id] = generation

    def ask(self, generation_id: str, now_s: float) -> JsonObject | None:
        """What is told of it now; None while it isn't there yet."""
        self.asked.append(generation_id)
        found = self.found.get(generation_id)
        return (
            None if found is None or now_s < found.made_at_s + self.ready_after_s else shown(found)
        )


def discount(model: Model, usage: JsonObject, cost: int) -> int | None:
    """What the prompt would have cost more without a cache; negative where a write cost more."""
    written = as_count(usage.get("cache_creation_input_tokens"))
    read = as_count(usage.get("cache_read_input_tokens"))
    if not written + read:
        return None
    plain = usage | {
        "input_tokens": as_count(usage.get("input_tokens")) + written + read,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": None,
    }
    return bill(model, plain).total_nano_usd - cost


def usd(amount: int | None) -> float | None:
    """A number of USD; its shortest text is exact, as long as it has fifteen digits."""
    return None if amount is None else amount / NANO_PER_USD


def costs(cost: int) -> JsonObject:
    """What a reply's usage says of its cost."""
    return {
        "cost": usd(cost),
        "is_byok": False,
        "cost_details": {"upstream_inference_cost": None},
    }


def shown(generation: Generation) -> JsonObject:
    usage = generation.usage
    prompt = sum(
        as_count(usage.get(name))
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    )
    thought = as_object(usage.get("output_tokens_details")).get("thinking_tokens")
    return {
        "id": generation.id,
        "model": generation.model,
        "provider_name": "Anthropic",
        "api_type": "messages",
        "total_cost": usd(generation.cost),
        "usage": usd(generation.cost),
        "cache_discount": usd(generation.cache_discount),
        "upstream_inference_cost": None,
        "is_byok": False,
        "native_tokens_prompt": prompt,
        "native_tokens_completion": as_count(usage.get("output_tokens")),
        "native_tokens_reasoning": as_count(thought),
        "native_tokens_cached": as_count(usage.get("cache_read_input_tokens")),
    }
