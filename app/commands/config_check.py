"""`tollkeeper config check`: whether the configuration can be used, and what stands out in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.commands.catalog import settings_with_all_on
from app.commands.environment import told
from app.commands.output import say, show_json
from app.config.catalog import build_catalog, routing_rules
from app.config.destinations import traced
from app.config.names import config_warnings
from app.config.prices import bundled_books
from app.config.settings import Settings, read_settings, settings_file
from app.config.unserved import unserved_variables
from app.core.models import Catalog


def check(config: Path | None, *, as_json: bool) -> None:
    """Raises ConfigError with every problem."""
    environ = told()
    settings = read_settings(settings_file(config, environ), environ)
    traced(settings, environ)
    routing_rules(settings)
    books = bundled_books()
    catalog = build_catalog(settings_with_all_on(config), books)
    offered = build_catalog(settings, books)
    findings: dict[str, Any] = {
        "file": settings.document.file,
        "upstreams": {
            name: "off" if written.api_key is None else "on"
            for name, written in settings.upstreams.items()
        },
        "models": list(offered.models),
        "hidden_models": [name for name in catalog.models if name not in offered.models],
        "tiers": dict(catalog.tiers),
        "warnings": [
            *_off(settings, catalog, offered),
            *config_warnings(settings, books, datetime.now(UTC)),
            *unserved_variables(environ),
        ],
    }
    if as_json:
        show_json(findings)
    else:
        _show(findings)


def _off(settings: Settings, catalog: Catalog, offered: Catalog) -> Iterator[str]:
    for name, written in settings.upstreams.items():
        if written.api_key is None:
            yield f"upstreams.{name} is off: it has no api_key; its models are hidden"
    for tier, model_id in catalog.tiers.items():
        if model_id not in offered.models:
            yield f"tiers.{tier} is not served: {model_id} is hidden"


def _show(findings: dict[str, Any]) -> None:
    say(f"The configuration is valid: {findings['file']}\n")
    hidden = len(findings["hidden_models"])
    say(f"models     {len(findings['models'])} offered" + (f", {hidden} hidden" if hidden else ""))
    say(f"tiers      {', '.join(f'{tier}: {name}' for tier, name in findings['tiers'].items())}")
    say(f"upstreams  {', '.join(f'{name}: {on}' for name, on in findings['upstreams'].items())}")
    if findings["warnings"]:
        say("\nWarnings:")
    for warning in findings["warnings"]:
        say(f"  {warning}")
