"""What the configuration offers, whichever keys this shell happens to hold."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from app.commands.environment import told
from app.config.catalog import build_catalog
from app.config.prices import bundled_books
from app.config.settings import Settings, read_settings, settings_file
from app.core.models import Catalog

SWITCHED_ON = SecretStr("switched-on")


def settings_with_all_on(config: Path | None) -> Settings:
    """The settings as if every upstream had its key.

    A shell that asks about models or prices need not hold the keys that the gateway holds.
    Raises ConfigError.
    """
    environ = told()
    settings = read_settings(settings_file(config, environ), environ)
    upstreams = {
        name: written
        if written.api_key is not None
        else written.model_copy(update={"api_key": SWITCHED_ON})
        for name, written in settings.upstreams.items()
    }
    return settings.model_copy(update={"upstreams": upstreams})


def catalog_with_all_on(config: Path | None) -> Catalog:
    """Every configured model.  Raises ConfigError."""
    return build_catalog(settings_with_all_on(config), bundled_books())
