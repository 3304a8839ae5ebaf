"""Settings that are read and checked, and have no effect in this version: never without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.config.settings import Settings

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "server": ("cors_origins",),
    "budgets": ("soft_limit_ratio", "alert_webhook"),
    "retention": ("requests_days",),
}
VARIABLES = ("ANTHROPIC_ADMIN_KEY",)
NO_EFFECT = "has no effect in this version"


def unserved_settings(settings: Settings) -> Iterator[str]:
    """A sentence for each of them that is not as it is by default."""
    sections = [(name, getattr(settings, name), keys) for name, keys in SECTIONS.items()]
    for path, section, keys in sections:
        default = type(section)()
        for key in keys:
            if getattr(section, key) != getattr(default, key):
                yield f"{path}.{key} {NO_EFFECT}"


def unserved_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable that is set to no avail."""
    yield from (f"{name} {NO_EFFECT}" for name in VARIABLES if environ.get(name))
