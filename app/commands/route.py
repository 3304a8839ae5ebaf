"""`tollkeeper route`: which model would answer, and why; nothing is sent or stored."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from app.commands.catalog import settings_with_all_on
from app.commands.failure import CommandFailed, WrongUsage
from app.commands.output import complain, say, show_json_line
from app.config.catalog import build_catalog, routing_rules
from app.config.prices import bundled_books
from app.core.errors import Refusal
from app.core.measure import list_entries, measure
from app.core.models import Catalog, Model
from app.core.routing import Reason, Route, Rules, route
from app.dialects.openai_chat.request import parse

STDIN = "-"
WHY = {
    Reason.FORCED_MODEL: "the request names this model",
    Reason.FORCED_TIER: "the request names this tier",
    Reason.LONG_TEXT: "the text is long",
    Reason.MANY_ITEMS: "there are many turns, or many list entries in the last one",
    Reason.DEFAULT: "nothing speaks for a stronger model",
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
        size, chosen, model = _decide(body, catalog, rules, default)
    except Refusal as error:
        raise WrongUsage(error.message) from error
    if as_json:
        show_json_line(_decision(size, chosen, model))
    else:
        _show(size, chosen, model, rules)


def _each_line(catalog: Catalog, rules: Rules, default: str) -> None:
    """One decision per line, in order; a refused line gets an error in its place."""
    refused = 0
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            size, chosen, model = _decide(line, catalog, rules, default)
        except Refusal as error:
            refused += 1
            complain(f"line {number}: {error.message}")
            show_json_line({"error": {"message": error.message, "param": error.param}})
        else:
            show_json_line(_decision(size, chosen, model))
    if refused:
        raise CommandFailed(f"{refused} lines are not requests that can be routed")


def _decide(
    body: bytes, catalog: Catalog, rules: Rules, default: str
) -> tuple[dict[str, int], Route, Model]:
    """What was measured, and the decision.  Raises Refusal."""
    request = parse(body, default).request
    size = measure(request)
    chosen, model = route(request, size, catalog, rules, None)
    sizes = {name: n for name, n in asdict(size).items() if isinstance(n, int)}
    return {**sizes, "list_entries": list_entries(request.messages)}, chosen, model


def _decision(size: dict[str, int], chosen: Route, model: Model) -> dict[str, Any]:
    return {
        "tier": chosen.label,
        "model": model.id,
        "score": chosen.score,
        "reason": chosen.reason,
        "features": size,
    }


def _show(size: dict[str, int], chosen: Route, model: Model, rules: Rules) -> None:
    tier = chosen.tier or "no tier"
    say(f"{tier}: {model.id}")
    say(f"because {WHY[chosen.reason]} ({chosen.reason})")
    say(f"score {chosen.score:.3f}; the strongest tier from {rules.threshold} on\n")
    width = max(map(len, size))
    for name, value in size.items():
        say(f"  {name.replace('_', ' ').ljust(width)}  {value:>12,}")
