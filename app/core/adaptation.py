"""What a model refuses and another takes: dropped or reworded before the call, and reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.core.measure import ends_with_answer, has_late_system
from app.core.models import EFFORTS
from app.core.request import CONTINUE, as_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.models import Effort, Model
    from app.core.request import Block, Message, Request

SAMPLING = ("temperature", "top_p", "top_k")
PREFILL = "prefill"
"""What a begun answer is called where it is reported."""


def adapt(request: Request, model: Model) -> Request:
    """The request as `model` takes it; what was dropped is added to `request.dropped`."""
    adapted = _tokens(request, model)
    if request.options:
        adapted = _sampling(adapted, model)
        adapted = _speed(adapted, model)
    if request.options or request.reasoning_effort is not None:
        adapted = _effort(adapted, model)
    if request.options:
        adapted = _forced_tool(adapted, model)
    return _late_system(_begun_answer(adapted, model), model)


def _begun_answer(request: Request, model: Model) -> Request:
    """An answer that the caller began: a model that takes none is asked to continue it."""
    if model.accepts.prefill or not ends_with_answer(request):
        return request
    return replace(
        request,
        wishes=(*request.wishes, CONTINUE),
        dropped=(*request.dropped, PREFILL),
        original=None,
    )


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
        return _known_effort(request, model)
    request = replace(request, reasoning_effort=None, original=None)
    options = dict(request.options)
    kind = model.accepts.thinking
    if effort == "none" and kind in ("adaptive", "between_tools"):
        options["thinking"] = {"type": "disabled" if kind == "adaptive" else "between_tools"}
        return replace(request, options=options)
    if not model.accepts.efforts:
        dropped = () if effort == "none" else (request.effort_param,)
        return replace(request, dropped=request.dropped + dropped)
    asked: Effort = "low" if effort in ("none", "minimal") else effort  # type: ignore[assignment]
    level = nearest(asked, model.accepts.efforts)
    options["output_config"] = {**options.get("output_config", {}), "effort": level}
    dropped = () if level == asked else (request.effort_param,)
    return replace(request, options=options, dropped=request.dropped + dropped)


def nearest(asked: Effort, levels: tuple[Effort, ...]) -> Effort:
    """The level of `levels` that is nearest to the one asked for, of two the weaker."""
    place = EFFORTS.index(asked)
    return min(levels, key=lambda level: abs(EFFORTS.index(level) - place))


def _known_effort(request: Request, model: Model) -> Request:
    """Anthropic's own `output_config.effort` as far as the model knows such levels."""
    config = request.options.get("output_config") or {}
    asked = config.get("effort")
    if asked not in EFFORTS or asked in model.accepts.efforts:
        return request
    kept = {name: part for name, part in config.items() if name != "effort"}
    if model.accepts.efforts:
        kept["effort"] = nearest(asked, model.accepts.efforts)
    options = {**request.options, "output_config": kept}
    if not kept:
        del options["output_config"]
    dropped = (*request.dropped, "output_config.effort")
    return replace(request, options=options, dropped=dropped, original=None)


def _forced_tool(request: Request, model: Model) -> Request:
    """A demand becomes a wish: what was asked of one turn leaves the prompt of others as it is."""
    choice = request.options.get("tool_choice") or {}
    if choice.get("type") not in ("any", "tool") or model.accepts.forced_tools:
        return request
    kept = {k: v for k, v in choice.items() if k not in ("type", "name")}
    return replace(
        request,
        options={**request.options, "tool_choice": {"type": "auto", **kept}},
        wishes=(*request.wishes, wish_for(choice)),
        dropped=(*request.dropped, "tool_choice"),
        original=None,
    )


def wish_for(choice: Mapping[str, Any]) -> str:
    """A forced tool in words."""
    if choice["type"] == "tool":
        return f"Call the tool `{choice['name']}` to answer."
    return "Answer by calling one of the tools."


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
                folded = [*as_blocks(turns[-1].get("content"))]
                turns[-1] = {**turns[-1], "content": folded}
            (pending if folded is None else folded).extend(as_blocks(message.get("content")))
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
    if not turns:
        return request  # nothing but empty system messages: the vendor says what it wants instead
    return replace(request, messages=tuple(turns), original=None)


def _after_results(message: Message, pending: list[Block]) -> list[Block]:
    """Tool results must stay first in their turn; the folded text follows them."""
    blocks = as_blocks(message.get("content"))
    results = [b for b in blocks if b.get("type") == "tool_result"]
    others = [b for b in blocks if b.get("type") != "tool_result"]
    return [*results, *pending, *others]


def _without(request: Request, names: list[str]) -> Request:
    options = {k: v for k, v in request.options.items() if k not in names}
    return replace(request, options=options, dropped=(*request.dropped, *names), original=None)
