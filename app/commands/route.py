"""`tollkeeper route`: which model would answer, and why; nothing is sent or stored."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from app.commands.catalog import settings_with_all_on
from app.commands.failure import CommandFailed, WrongUsage
from app.commands.output import Column, complain, say, show_json_line, show_table
from app.config.catalog import build_catalog, routing_rules
from app.config.prices import bundled_books
from app.core.errors import Refusal
from app.core.measure import measure
from app.core.models import Catalog, Model
from app.core.routing import Reason, Route, Rules, route
from app.dialects.openai_chat.request import parse

STDIN = "-"
WHY = {
    Reason.FORCED_MODEL: "the request names this model",
    Reason.FORCED_TIER: "the request names this tier",
    Reason.LONG_TEXT: "the text is long",
    Reason.MANY_ITEMS: "there are many turns, or many list entries in the last one",
    Reason.SCORE: "the score reaches the threshold",
    Reason.DEFAULT: "nothing speaks for a stronger model",
    Reason.CHEAPER: "at this length it costs less than the tier that the score asks for",
    Reason.ONLY_ALLOWED: "the key may use no other tier",
    Reason.NEEDS_TOOLS: "the tier that the score asks for refuses forced tools",
    Reason.NEEDS_SYSTEM: "the tier that the score asks for refuses system messages among the turns",
    Reason.NEEDS_THINKING: "the tier that the score asks for refuses this kind of thinking",
    Reason.NEEDS_EFFORT: "the tier that the score asks for has no such level of effort",
    Reason.NEEDS_PREFILL: "the tier that the score asks for refuses an answer that is begun",
    Reason.NEEDS_GEO: "the tier that the score asks for refuses to be told where to run",
    Reason.NEEDS_SPEED: "the tier that the score asks for has no fast mode",
    Reason.NEEDS_CONTEXT: "the prompt may be too long for the tier that the score asks for",
}


def explain(prompt: str, config: Path | None, *, as_json: bool) -> None:
    """Decide on a prompt, or with JSON and `-` on each line of stdin, a chat request's body.

    Raises ConfigError; WrongUsage for a body that is refused; CommandFailed once all lines are
    done when some were.
    """
    settings = settings_with_all_on(config)
    catalog = build_catalog(settings, bundled_books())
    rules = routing_rules(settings)
    default = settings.routing.default_model
    if as_json and prompt == STDIN:
        _each_line(catalog, rules, default)
        return
    text = sys.stdin.read() if prompt == STDIN else prompt
    body = orjson.dumps({"messages": [{"role": "user", "content": text}]})
    try:
        chosen, model = _decide(body, catalog, rules, default)
    except Refusal as error:
        raise WrongUsage(error.message) from error
    if as_json:
        show_json_line(_decision(chosen, model))
    else:
        _show(chosen, model, rules)


def _each_line(catalog: Catalog, rules: Rules, default: str) -> None:
    """One decision per line, in order; one that is no request gets an error in its place.

    A line that would be refused for how its tools are written is decided on as well: nothing of it
    is sent, and people have bodies of other vendors at hand.
    """
    refused = 0
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            chosen, model = _decide_anyway(number, line, catalog, rules, default)
        except Refusal as error:
            refused += 1
            complain(f"line {number}: {error.message}")
            show_json_line({"error": {"message": error.message, "param": error.param}})
        else:
            show_json_line(_decision(chosen, model))
    if refused:
        lines = "1 line is no request" if refused == 1 else f"{refused:,} lines are no requests"
        raise CommandFailed(f"{lines} that can be routed")


def _decide(body: bytes, catalog: Catalog, rules: Rules, default: str) -> tuple[Route, Model]:
    """By the fixed threshold, and with no memory of a conversation.  Raises Refusal."""
    request = parse(body, default).request
    return route(request, measure(request), catalog, rules, None, datetime.now(UTC).date())


def _decide_anyway(
    number: int, line: bytes, catalog: Catalog, rules: Rules, default: str
) -> tuple[Route, Model]:
    try:
        return _decide(line, catalog, rules, default)
    except Refusal as error:
        if not (error.param or "").startswith("tools["):
            raise
        complain(f"line {number} would be refused: {error.message}")
    return _decide(_with_fit_tools(line), catalog, rules, default)


def _with_fit_tools(body: bytes) -> bytes:
    """The request with names and schemas of its functions that any vendor takes."""
    asked = orjson.loads(body)
    for number, tool in enumerate(asked["tools"]):
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict):
            function["name"] = f"function_{number}"
            given = function.get("parameters")
            function["parameters"] = {**given, "type": "object"} if isinstance(given, dict) else {}
    return orjson.dumps(asked)


def _decision(chosen: Route, model: Model) -> dict[str, Any]:
    return {
        "tier": chosen.label,
        "model": model.id,
        "score": chosen.score,
        "reason": chosen.reason,
        "features": {
            name: {"count": count, "adds": chosen.adds.get(name, 0)}
            for name, count in chosen.counts.items()
        },
    }


def _show(chosen: Route, model: Model, rules: Rules) -> None:
    tier = chosen.tier or "no tier"
    say(f"{tier}: {model.id}")
    say(f"because {WHY[chosen.reason]} ({chosen.reason})")
    say(f"score {chosen.score:.3f}; the strongest tier from {rules.threshold} on\n")
    if chosen.adds:
        _show_features(chosen, rules)


def _show_features(chosen: Route, rules: Rules) -> None:
    """What says most comes first."""
    ordered = sorted(chosen.adds.items(), key=lambda item: -abs(item[1]))
    columns = (
        Column("Feature"),
        Column("Counted", "right", whole=True),
        Column("Adds", "right", whole=True),
    )
    rows = [("base", "", f"{rules.weights.base:+.3f}")]
    rows += [
        (name.replace("_", " "), f"{chosen.counts[name]:,}", f"{added:+.3f}")
        for name, added in ordered
    ]
    show_table(columns, rows)
