"""What one model's tokens cost: usage on the wire x the simulator's own price table, exact."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.simulator.cache import CachePlan
from app.simulator.facts import LONG_PROMPT_TOKENS, PICO_USD_PER_WEB_SEARCH, Model, Rates
from app.simulator.json_values import JsonObject, as_count, as_object

_PICO_PER_NANO: Final = 1000


@dataclass(frozen=True, slots=True)
class Bill:
    """Nano-USD per category: each is rounded half-even once, the total is their sum."""

    input: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int
    output: int
    server_tools: int

    @property
    def total_nano_usd(self) -> int:
        tokens = self.input + self.cache_write_5m + self.cache_write_1h + self.cache_read
        return tokens + self.output + self.server_tools


def usage_body(
    plan: CachePlan,
    body: JsonObject,
    model: Model,
    output_tokens: int,
) -> JsonObject:
    """`usage` as the vendor words it, without what only some answers have."""
    usage: JsonObject = {
        "input_tokens": plan.input_tokens,
        "cache_creation_input_tokens": plan.write_5m_tokens + plan.write_1h_tokens,
        "cache_read_input_tokens": plan.read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": plan.write_5m_tokens,
            "ephemeral_1h_input_tokens": plan.write_1h_tokens,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
        "inference_geo": _geo(body, model),
    }
    if body.get("speed") is not None:
        usage["speed"] = body["speed"] if model.fast == "billed" else "standard"
    return usage


def _geo(body: JsonObject, model: Model) -> str:
    if not model.us:
        return "not_available"
    return str(body.get("inference_geo") or "global")


def merged_usage(computed: JsonObject, scripted: JsonObject) -> JsonObject:
    """The computed usage under a scripted one; a scripted write without a split is a 5m one."""
    usage = computed | scripted
    if "cache_creation_input_tokens" in scripted and "cache_creation" not in scripted:
        usage["cache_creation"] = {
            "ephemeral_5m_input_tokens": as_count(scripted["cache_creation_input_tokens"]),
            "ephemeral_1h_input_tokens": 0,
        }
    if "cache_creation" in scripted and "cache_creation_input_tokens" not in scripted:
        split = as_object(scripted["cache_creation"])
        usage["cache_creation_input_tokens"] = sum(as_count(count) for count in split.values())
    return usage


def bill(model: Model, usage: JsonObject) -> Bill:
    """What an answer with this `usage` costs."""
    split = as_object(usage.get("cache_creation"))
    write_1h = as_count(split.get("ephemeral_1h_input_tokens"))
    write_5m = as_count(usage.get("cache_creation_input_tokens")) - write_1h
    read = as_count(usage.get("cache_read_input_tokens"))
    uncached = as_count(usage.get("input_tokens"))
    rates = _rates(model, uncached + write_5m + write_1h + read)
    factor = _factor_tenths(usage)
    searches = as_count(as_object(usage.get("server_tool_use")).get("web_search_requests"))
    return Bill(
        input=_nano_usd(uncached * rates.input * factor),
        cache_write_5m=_nano_usd(write_5m * rates.write_5m * factor),
        cache_write_1h=_nano_usd(write_1h * rates.write_1h * factor),
        cache_read=_nano_usd(read * rates.read * factor),
        output=_nano_usd(as_count(usage.get("output_tokens")) * rates.output * factor),
        server_tools=_nano_usd(searches * PICO_USD_PER_WEB_SEARCH * 10),
    )


def _rates(model: Model, prompt_tokens: int) -> Rates:
    if model.long_rates is not None and prompt_tokens > LONG_PROMPT_TOKENS:
        return model.long_rates
    return model.rates


_GEO_TENTHS: Final = MappingProxyType({"us": 11})
_SPEED_FACTOR: Final = MappingProxyType({"fast": 2})


def _factor_tenths(usage: JsonObject) -> int:
    """Tenths of the list price: 11 for the US, doubled when fast."""
    geo = _GEO_TENTHS.get(str(usage.get("inference_geo")), 10)
    return geo * _SPEED_FACTOR.get(str(usage.get("speed")), 1)


def _nano_usd(tenths_of_pico: int) -> int:
    """Half-even, in whole numbers."""
    whole, rest = divmod(tenths_of_pico, 10 * _PICO_PER_NANO)
    half = 5 * _PICO_PER_NANO
    return whole + (rest > half or (rest == half and whole % 2 == 1))
