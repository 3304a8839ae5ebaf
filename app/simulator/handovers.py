"""Server-side fallbacks: a model that declines hands over to the next one of the request's list."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from app.simulator.errors import invalid
from app.simulator.facts import Model
from app.simulator.json_values import JsonObject, as_object
from app.simulator.lifetimes import find_model
from app.simulator.validation import Asked, check
from app.simulator.validation.asked import refuse_extra, require_object

_MOST: Final = 3
_OVERRIDES: Final = frozenset({"max_tokens", "thinking", "output_config", "speed"})
_WITHOUT: Final = frozenset({"claude-haiku-5-5", "claude-haiku-4-5-20251001"})
_DEFAULTS: Final = MappingProxyType({"claude-sonnet-5-5": "claude-opus-5"})
_DEFAULT: Final = "claude-sonnet-5-5"


def read_chain(asked: Asked, now_s: float) -> list[Asked]:
    """The attempts that may follow the first.  Raises ApiError on a bad list."""
    fallbacks, model = asked.body.get("fallbacks"), asked.model
    if fallbacks is None:
        return []
    if fallbacks == "default":
        if model.id in _WITHOUT:
            return []
        fallbacks = [{"model": _DEFAULTS.get(model.id, _DEFAULT)}]
    if not isinstance(fallbacks, list) or not 1 <= len(fallbacks) <= _MOST:
        raise invalid(f"fallbacks: Input should be 'default' or a list of 1 to {_MOST} entries")
    if model.id in _WITHOUT:
        raise invalid(f"fallbacks: not supported for {model.id}")
    chain = [_attempt(asked, entry, f"fallbacks.{n}", now_s) for n, entry in enumerate(fallbacks)]
    for attempt in chain:
        check(attempt)
    return chain


def handover(before: str, after: str, category: str | None) -> JsonObject:
    """The block that marks where one model gave way to the next."""
    return {
        "type": "fallback",
        "from": {"model": before},
        "to": {"model": after},
        "trigger": {"type": "refusal", "category": category},
    }


def _attempt(asked: Asked, value: object, where: str, now_s: float) -> Asked:
    entry = require_object(value, where)
    refuse_extra(entry, _OVERRIDES | {"model"}, f"{where}.")
    model = find_model(entry.get("model"), now_s)
    own = {name: field for name, field in entry.items() if field is not None}
    body = {name: field for name, field in asked.body.items() if name != "fallbacks"} | own
    body["model"] = model.id
    body["max_tokens"] = min(body["max_tokens"], model.max_output_tokens)
    return replace(asked, model=model, body=_as_it_takes(body, entry, model))


def _as_it_takes(body: JsonObject, entry: JsonObject, model: Model) -> JsonObject:
    """Without the request's thinking, effort and speed where this model does not know them."""
    dropped: set[str] = set()
    if (
        "thinking" not in entry
        and as_object(body.get("thinking")).get("type") not in model.thinking
    ):
        dropped.add("thinking")
    if "speed" not in entry and model.fast != "billed":
        dropped.add("speed")
    config = as_object(body.get("output_config"))
    if "output_config" not in entry and config.get("effort") not in (None, *model.efforts):
        body = body | {"output_config": {k: v for k, v in config.items() if k != "effort"}}
    return {name: value for name, value in body.items() if name not in dropped}
