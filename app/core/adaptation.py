"""What a model refuses and another takes: dropped or reworded before the call, and reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.core.measure import has_late_system
from app.core.models import EFFORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.models import Model
    from app.core.request import Block, Message, Request

SAMPLING = ("temperature", "top_p", "top_k")


def adapt(request: Request, model: Model) -> Request:
    """The request as `model` takes it; what was dropped is added to `request.dropped`."""
    adapted = _tokens(request, model)
    if request.options:
        adapted = _sampling(adapted, model)
        adapted = _speed(adapted, model)
    adapted = _effort(adapted, model)
    if request.options:
        adapted = _forced_tool(adapted, model)
    return _late_system(adapted, model)


def _tokens(request: Request, model: Model) -> Request:
    if request.max_tokens is None or request.max_tokens <= model.limits.max_output_tokens:
        return request
    return replace(request, max_tokens=model.limits.max_output_tokens, original=None)


def _sampling(request: Request, model: Model) -> Request:
    asked = [name for name in SAMPLING if name in request.options]
    if not asked:
        return request
    if not model.accepts.sampling or _thinks(request.options):
        return _without(request, asked)
    if "temperature" in asked and "top_p" in asked:
        return _without(request, ["top_p"])
    return request


def _speed(request: Request, model: Model) -> Request:
    """OpenAI's `service_tier: fast` on a model that has no fast mode."""
    if request.options.get("speed") != "fast" or model.accepts.fast:
        return request
    plain = _without(request, ["speed"])
    return replace(plain, dropped=(*request.dropped, "service_tier"))


def _thinks(options: Mapping[str, Any]) -> bool:
    return (options.get("thinking") or {}).get("type") in ("enabled", "adaptive", "between_tools")


def _effort(request: Request, model: Model) -> Request:
    """OpenAI's `reasoning_effort` in the model's own terms."""
    effort = request.reasoning_effort
    if effort is None:
        return request
    request = replace(request, reasoning_effort=None, original=None)
    options = dict(request.options)
    kind = model.accepts.thinking
    if effort == "none" and kind in ("adaptive", "between_tools"):
        options["thinking"] = {"type": "disabled" if kind == "adaptive" else "between_tools"}
        return replace(request, options=options)
    if not model.accepts.efforts:
        dropped = () if effort == "none" else (request.effort_param,)
        return replace(request, dropped=request.dropped + dropped)
    level = effort if effort in EFFORTS else "low"
    options["output_config"] = {**options.get("output_config", {}), "effort": level}
    return replace(request, options=options)


def _forced_tool(request: Request, model: Model) -> Request:
    choice = request.options.get("tool_choice") or {}
    if choice.get("type") not in ("any", "tool") or model.accepts.forced_tools:
        return request
    wish = (
        f"Call the tool `{choice['name']}` to answer."
        if choice["type"] == "tool"
        else "Answer by calling one of the tools."
    )
    kept = {k: v for k, v in choice.items() if k not in ("type", "name")}
    return replace(
        request,
        options={**request.options, "tool_choice": {"type": "auto", **kept}},
        system=(*request.system, {"type": "text", "text": wish}),
        dropped=(*request.dropped, "tool_choice"),
        original=None,
    )


def _late_system(request: Request, model: Model) -> Request:
    """Fold system messages among the turns into the neighbouring user turn; no text is lost.

    The turn before it where that is the user's, else the one after: what follows in a later
    request never moves it, so the prefix stays the same and the cache holds.
    """
    if model.accepts.late_system or not has_late_system(request):
        return request
    turns: list[Message] = []
    pending: list[Block] = []
    folded: list[Block] | None = None  # the last turn's own list, once something was folded in
    for message in request.messages:
        role = message.get("role")
        if role == "system":
            if not pending and folded is None and turns and turns[-1].get("role") == "user":
                folded = [*_as_blocks(turns[-1].get("content"))]
                turns[-1] = {**turns[-1], "content": folded}
            (pending if folded is None else folded).extend(_as_blocks(message.get("content")))
            continue
        folded = None
        if pending and role == "user":
            turns.append({**message, "content": _after_results(message, pending)})
            pending = []
        else:
            if pending:
                turns.append({"role": "user", "content": pending})
                pending = []
            turns.append(message)
    if pending:
        turns.append({"role": "user", "content": pending})
    return replace(request, messages=tuple(turns), original=None)


def _after_results(message: Message, pending: list[Block]) -> list[Block]:
    """Tool results must stay first in their turn; the folded text follows them."""
    blocks = _as_blocks(message.get("content"))
    results = [b for b in blocks if b.get("type") == "tool_result"]
    others = [b for b in blocks if b.get("type") != "tool_result"]
    return [*results, *pending, *others]


def _as_blocks(content: object) -> list[Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content) if isinstance(content, (list, tuple)) else []


def _without(request: Request, names: list[str]) -> Request:
    options = {k: v for k, v in request.options.items() if k not in names}
    return replace(request, options=options, dropped=(*request.dropped, *names), original=None)
