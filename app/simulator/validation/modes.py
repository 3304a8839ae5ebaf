"""Sampling, thinking and output: what each generation of models still accepts."""

from __future__ import annotations

from typing import Final

from app.simulator.errors import invalid
from app.simulator.facts import EFFORTS
from app.simulator.json_values import JsonObject, as_object
from app.simulator.validation.asked import (
    Asked,
    refuse_extra,
    require_object,
    require_text,
    require_whole,
)
from app.simulator.validation.schemas import check_keys, check_schema
from app.simulator.validation.strict_schemas import check_strict

_DEFAULTS: Final[dict[str, float | int | None]] = {"temperature": 1, "top_p": 1, "top_k": None}
_THINKING_FIELDS: Final = {
    "adaptive": frozenset({"type", "display"}),
    "enabled": frozenset({"type", "budget_tokens", "display"}),
    "between_tools": frozenset({"type"}),
    "disabled": frozenset({"type"}),
}
_LEAST_BUDGET_TOKENS: Final = 1024


def check_sampling(asked: Asked) -> None:
    given = {name: asked.body[name] for name in _DEFAULTS if asked.body.get(name) is not None}
    for name, value in given.items():
        _check_range(name, value)
    changed = [name for name, value in given.items() if value != _DEFAULTS[name]]
    if changed and not asked.model.sampling:
        raise invalid(f"{changed[0]}: non-default values are not supported for {asked.model.id}")
    if "temperature" in given and "top_p" in given:
        raise invalid(
            "`temperature` and `top_p` cannot both be specified for this model. "
            "Please use only one."
        )
    thinking = as_object(asked.body.get("thinking")).get("type")
    if changed and thinking in {"enabled", "adaptive"}:
        raise invalid(f"`{changed[0]}` may only be left at its default when thinking is enabled.")


def _check_range(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"{name}: Input should be a valid number")
    if name == "top_k":
        require_whole(value, "top_k")
    elif not 0 <= value <= 1:
        raise invalid(f"{name}: range: 0..1")
    if value < 0:
        raise invalid(f"{name}: Input should be greater than or equal to 0")


def check_thinking(asked: Asked) -> None:
    if asked.body.get("thinking") is None:
        return
    thinking = require_object(asked.body["thinking"], "thinking")
    kind = require_text(thinking.get("type"), "thinking.type")
    if kind not in _THINKING_FIELDS:
        raise invalid(f"thinking.type: Input should be one of {', '.join(_THINKING_FIELDS)}")
    refuse_extra(thinking, _THINKING_FIELDS[kind], f"thinking.{kind}.")
    if kind not in asked.model.thinking:
        raise invalid(f'thinking: type "{kind}" is not supported for this model.')
    if thinking.get("display", "summarized") not in ("summarized", "omitted", None):
        raise invalid(f"thinking.{kind}.display: Input should be 'summarized' or 'omitted'")
    if kind == "enabled":
        _check_budget(asked, thinking)
    forced = as_object(asked.body.get("tool_choice")).get("type") in {"any", "tool"}
    if forced and kind in {"enabled", "adaptive"}:
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")


def _check_budget(asked: Asked, thinking: JsonObject) -> None:
    budget = require_whole(thinking.get("budget_tokens"), "thinking.enabled.budget_tokens")
    if budget < _LEAST_BUDGET_TOKENS:
        raise invalid(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        )
    if not asked.counting and 0 < asked.body["max_tokens"] <= budget:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def check_output_config(asked: Asked) -> None:
    if asked.body.get("output_config") is None:
        return
    config = require_object(asked.body["output_config"], "output_config")
    refuse_extra(config, frozenset({"effort", "format"}), "output_config.")
    effort = config.get("effort")
    if effort is not None:
        _check_effort(asked, effort)
    if config.get("format") is not None:
        output_format = require_object(config["format"], "output_config.format")
        if output_format.get("type") != "json_schema":
            raise invalid("output_config.format.type: Input should be 'json_schema'")
        schema = require_object(output_format.get("schema"), "output_config.format.schema")
        check_schema(schema, "output_config.format.schema")
        check_keys(schema, "output_config.format.schema")
        check_strict(schema, "output_config.format.schema")


def _check_effort(asked: Asked, effort: object) -> None:
    levels = asked.model.efforts
    if effort not in EFFORTS:
        raise invalid(f"output_config.effort: Input should be one of {', '.join(EFFORTS)}")
    if not levels:
        raise invalid("This model does not support the effort parameter.")
    if effort not in levels:
        raise invalid(
            f"This model does not support effort level '{effort}'. "
            f"Supported levels: {', '.join(levels)}."
        )
    between = as_object(asked.body.get("thinking")).get("type") == "between_tools"
    if between and effort in {"xhigh", "max"}:
        raise invalid('thinking: type "between_tools" supports effort up to "high".')
