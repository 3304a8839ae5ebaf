"""What a request asks for and a model refuses: what `auto` looks at before it keeps a tier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from app.core.measure import ends_with_answer, has_late_system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.measure import Measure
    from app.core.models import Model, Thinking
    from app.core.request import Request

Need = Literal[
    "needs_context",
    "needs_effort",
    "needs_geo",
    "needs_prefill",
    "needs_speed",
    "needs_system",
    "needs_thinking",
    "needs_tools",
]
NEEDS: Final[frozenset[str]] = frozenset(get_args(Need))
NOT_ADAPTED: Final[frozenset[str]] = frozenset({"needs_context", "needs_geo", "needs_thinking"})
"""What `adapt` can't help with: the request would be refused."""
SURELY_REFUSED: Final[frozenset[str]] = NOT_ADAPTED - {"needs_context"}
"""Of these, what is no estimate: a prompt that looks too long may just fit."""

BYTES_PER_TOKEN = 3  # prose has more, so that what this calls too long may just fit

# The kinds of thinking without a budget that each kind of model takes, by `thinking.type`.
TAKES: dict[Thinking, tuple[str, ...]] = {
    "budget": ("disabled",),
    "adaptive": ("adaptive", "disabled"),
    "between_tools": ("adaptive", "between_tools"),
    "always": ("adaptive",),
}


def refusals(request: Request, size: Measure, model: Model) -> tuple[Need, ...]:
    """What the model would answer with an error or would need reworded, in a fixed order."""
    accepts = model.accepts
    found: list[Need] = []
    if request.options:
        found += _refused_options(request, model)
    if not accepts.late_system and has_late_system(request):
        found.append("needs_system")
    if not accepts.prefill and ends_with_answer(request):
        found.append("needs_prefill")
    if likely_tokens(size, model) > model.limits.context_window_tokens:
        found.append("needs_context")
    return tuple(found)


def forces_tools(request: Request) -> bool:
    """Whether the caller demands a tool call."""
    return (request.options.get("tool_choice") or {}).get("type") in ("any", "tool")


def likely_tokens(size: Measure, model: Model) -> int:
    """Tokens of the prompt as they usually come, rather too many than too few."""
    text = (size.text_bytes + size.json_bytes) // BYTES_PER_TOKEN
    return text + size.images * model.limits.max_image_tokens


def _thinks_so(thinking: Mapping[str, Any], model: Model) -> bool:
    """Whether the model takes that kind of thinking, and its budget where it has one.

    Budgets ended with the generation of models that also ended sampling.
    """
    kind, accepts = thinking.get("type"), model.accepts
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        fits = not isinstance(budget, int) or budget < model.limits.max_output_tokens
        return fits and (accepts.thinking == "budget" or accepts.sampling)
    return kind is None or kind in TAKES[accepts.thinking]


def _refused_options(request: Request, model: Model) -> list[Need]:
    options, accepts = request.options, model.accepts
    found: list[Need] = []
    if forces_tools(request) and not accepts.forced_tools:
        found.append("needs_tools")
    if not _thinks_so(options.get("thinking") or {}, model):
        found.append("needs_thinking")
    effort = (options.get("output_config") or {}).get("effort")
    if effort is not None and effort not in accepts.efforts:
        found.append("needs_effort")
    if options.get("inference_geo") is not None and not accepts.us:
        found.append("needs_geo")
    if options.get("speed") == "fast" and not accepts.fast:
        found.append("needs_speed")
    return found
