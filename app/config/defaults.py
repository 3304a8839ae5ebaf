"""What stands in for the parts of config.yaml that are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANTHROPIC = "anthropic"
OPENROUTER = "openrouter"

UPSTREAMS: Mapping[str, Mapping[str, str]] = {
    ANTHROPIC: {
        "kind": ANTHROPIC,
        "api_key": "${ANTHROPIC_API_KEY}",
        "base_url": "${ANTHROPIC_BASE_URL:-https://api.anthropic.com}",
    },
    OPENROUTER: {
        "kind": OPENROUTER,
        "api_key": "${OPENROUTER_API_KEY}",
        "base_url": "${OPENROUTER_BASE_URL:-https://openrouter.ai/api/v1}",
    },
}
MODELS: Mapping[str, Mapping[str, Any]] = {
    "claude-haiku-4-5-20251001": {"upstream": ANTHROPIC, "aliases": ["claude-haiku-4-5"]},
    "claude-haiku-5-5": {"upstream": ANTHROPIC},
    "claude-sonnet-4-5-20250929": {"upstream": ANTHROPIC, "aliases": ["claude-sonnet-4-5"]},
    "claude-sonnet-4-6": {"upstream": ANTHROPIC},
    "claude-sonnet-5": {"upstream": ANTHROPIC},
    "claude-sonnet-5-5": {"upstream": ANTHROPIC},
    "claude-opus-4-5-20251101": {"upstream": ANTHROPIC, "aliases": ["claude-opus-4-5"]},
    "claude-opus-4-6": {"upstream": ANTHROPIC},
    "claude-opus-4-7": {"upstream": ANTHROPIC},
    "claude-opus-4-8": {"upstream": ANTHROPIC},
    "claude-opus-5": {"upstream": ANTHROPIC},
    "claude-opus-5-5": {"upstream": ANTHROPIC},
    "claude-fable-5": {"upstream": ANTHROPIC},
    "claude-fable-5-1": {"upstream": ANTHROPIC},
    "claude-fable-5-2": {"upstream": ANTHROPIC},
    "claude-mythos-preview": {"upstream": ANTHROPIC},
    "claude-mythos-5": {"upstream": ANTHROPIC},
    "claude-mythos-5-1": {"upstream": ANTHROPIC},
    "claude-mythos-5-2": {"upstream": ANTHROPIC},
    "anthropic/claude-haiku-4.5": {"upstream": OPENROUTER},
    "anthropic/claude-haiku-5.5": {"upstream": OPENROUTER},
    "anthropic/claude-sonnet-4.5": {"upstream": OPENROUTER},
    "anthropic/claude-sonnet-4.6": {"upstream": OPENROUTER},
    "anthropic/claude-sonnet-5": {"upstream": OPENROUTER},
    "anthropic/claude-sonnet-5.5": {"upstream": OPENROUTER},
    "anthropic/claude-opus-4.5": {"upstream": OPENROUTER},
    "anthropic/claude-opus-4.6": {"upstream": OPENROUTER},
    "anthropic/claude-opus-4.7": {"upstream": OPENROUTER},
    "anthropic/claude-opus-4.8": {"upstream": OPENROUTER},
    "anthropic/claude-opus-5": {"upstream": OPENROUTER},
    "anthropic/claude-opus-5.5": {"upstream": OPENROUTER},
    "anthropic/claude-fable-5": {"upstream": OPENROUTER},
    "anthropic/claude-fable-5.1": {"upstream": OPENROUTER},
}
TIERS = {"haiku": "claude-haiku-4-5-20251001", "sonnet": "claude-sonnet-4-6"}
FALLBACKS = {"claude-sonnet-4-6": ["anthropic/claude-sonnet-4.6"]}


def filled(written: Mapping[str, Any]) -> dict[str, Any]:
    """The sections as written, empty ones left out, with the defaults of those that name things.

    The two upstreams are always there, and theirs is whatever an entry of that name leaves
    out. Default tiers and fallbacks are kept as far as the models written down allow.
    """
    tree = {key: value for key, value in written.items() if value is not None}
    tree["upstreams"] = _upstreams(tree.get("upstreams", {}))
    models = tree.setdefault("models", {key: dict(value) for key, value in MODELS.items()})
    if not isinstance(models, Mapping):
        return tree
    names = set(models) | {alias for model in models.values() for alias in _aliases(model)}
    if "tiers" not in tree:
        tree["tiers"] = {tier: model for tier, model in TIERS.items() if model in names}
    if "fallbacks" not in tree:
        tree["fallbacks"] = {
            model: to for model, to in FALLBACKS.items() if names.issuperset([model, *to])
        }
    return tree


def _upstreams(written: object) -> object:
    if not isinstance(written, Mapping):
        return written
    upstreams = dict(written)
    for name, default in UPSTREAMS.items():
        entry = upstreams.get(name)
        if entry is None:
            upstreams[name] = dict(default)
        elif isinstance(entry, Mapping):
            upstreams[name] = {**default, **entry}
    return upstreams


def _aliases(model: object) -> list[str]:
    aliases = model.get("aliases") if isinstance(model, Mapping) else None
    return (
        [alias for alias in aliases if isinstance(alias, str)] if isinstance(aliases, list) else []
    )
