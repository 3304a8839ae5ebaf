"""What a whole answer costs: every attempt at its own model's rates, and refusals as agreed."""

from __future__ import annotations

from typing import Final

from app.simulator.bill import bill
from app.simulator.facts import MODELS, Model
from app.simulator.json_values import JsonObject, as_count, as_object, as_objects

FREE_REFUSALS: Final = frozenset({None, "cyber", "general_harms"})
"""Categories in which a refusal before any output costs nothing, since June 2026."""
_OWN_FIELDS: Final = ("speed", "inference_geo", "service_tier")


def amount_nano_usd(model: Model, message: JsonObject, *, unsplit_1h: bool) -> int:
    """The bill of `message`, asked of `model`.

    Where `usage.iterations` is there, it is the bill; else the totals are.  `unsplit_1h`: writes
    that are not split were made for an hour.
    """
    usage = as_object(message.get("usage"))
    iterations = as_objects(usage.get("iterations"))
    refused = _refused(message)
    if not iterations:
        if refused and _is_free(message.get("stop_details"), usage):
            return 0
        return bill(_served_by(message, model), _split(usage, unsplit_1h)).total_nano_usd
    shared = {name: usage[name] for name in _OWN_FIELDS if name in usage}
    total = _searches(usage, model)
    hops = _declined_hops(message)
    for at, entry in enumerate(iterations):
        last = at == len(iterations) - 1
        hop = hops.pop(0) if hops and _is_declined(entry) and not last else None
        if hop is not None and _is_free(hop, entry):
            continue
        if last and refused and _is_free(message.get("stop_details"), entry):
            continue
        rates = MODELS.get(str(entry.get("model") or ""), model)
        total += bill(rates, _split(entry | shared, unsplit_1h)).total_nano_usd
    return total


def cut_usage(usage: JsonObject, sent_tokens: int) -> JsonObject:
    """The usage of an answer of which only so much was generated."""
    cut = usage | {"output_tokens": sent_tokens}
    entries = as_objects(usage.get("iterations"))
    if entries:
        last = entries[-1]
        told = min(sent_tokens, as_count(last.get("output_tokens")))
        cut["iterations"] = [*entries[:-1], last | {"output_tokens": told}]
    return cut


def _refused(message: JsonObject) -> bool:
    return message.get("stop_reason") == "refusal"


def _is_declined(entry: JsonObject) -> bool:
    return entry.get("type") == "message"


def _is_free(details: object, usage: JsonObject) -> bool:
    """Whether a refusal with these details came before any output, and in a free category."""
    free = as_object(details).get("category") in FREE_REFUSALS
    return free and as_count(usage.get("output_tokens")) == 0


def _declined_hops(message: JsonObject) -> list[JsonObject]:
    """Why each model handed over to the next, in order."""
    blocks = as_objects(message.get("content"))
    return [as_object(b.get("trigger")) for b in blocks if b.get("type") == "fallback"]


def _served_by(message: JsonObject, asked: Model) -> Model:
    return MODELS.get(str(message.get("model")), asked)


def _searches(usage: JsonObject, model: Model) -> int:
    """Web searches stand in the totals alone."""
    return bill(model, {"server_tool_use": usage.get("server_tool_use")}).total_nano_usd


def _split(usage: JsonObject, unsplit_1h: bool) -> JsonObject:  # noqa: FBT001 (one caller's word)
    """Writes without a split take the lifetime that the request asked for."""
    if not unsplit_1h or as_object(usage.get("cache_creation")):
        return usage
    written = as_count(usage.get("cache_creation_input_tokens"))
    return usage | {"cache_creation": {"ephemeral_1h_input_tokens": written}}
