"""Parameters that both APIs have, as top-level fields of the Messages API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from app.dialects.json_values import (
    as_label,
    as_name,
    as_number,
    as_object,
    as_text,
    one_of,
    refuse,
    unsupported,
)

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
TIERS = ("auto", "default", "fast", "flex", "scale", "priority")
MOST_TAGS = 16
MOST_TAG_CHARS = 128
MOST_END_USER_CHARS = 256
JSON_WISH = "Answer with one valid JSON object and nothing else: no prose around it, no code fence."


def read_model(body: Mapping[str, Any], default: str) -> str:
    """The model asked for; the default one where the field is absent or null."""
    if body.get("model") is None:
        return default
    return as_name(body["model"], "model")


def read_sampling(body: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """`temperature` capped at the vendor's 1, `top_p` as given; and what had to be capped."""
    sampling: dict[str, float] = {}
    capped = []
    if body.get("temperature") is not None:
        asked = as_number(body["temperature"], "temperature", 2)
        sampling["temperature"] = min(asked, 1)
        if asked > 1:
            capped.append("temperature")
    if body.get("top_p") is not None:
        sampling["top_p"] = as_number(body["top_p"], "top_p", 1)
    return sampling, capped


def read_reasoning(body: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """OpenAI's word for the effort, and the names of what was left out beside it.

    `enabled: false`, as OpenRouter's callers have it, is no effort; what is not shown anyway needs
    no `exclude`.
    """
    if body.get("reasoning") is None:
        return None, []
    reasoning = as_object(body["reasoning"], "reasoning")
    effort = reasoning.get("effort")
    if effort is None and reasoning.get("enabled") is False:
        effort = "none"
    dropped = [
        f"reasoning.{name}"
        for name, value in reasoning.items()
        if name not in ("effort", "enabled", "exclude") and value is not None
    ]
    return None if effort is None else one_of(effort, "reasoning.effort", EFFORTS), dropped


def read_tier(body: Mapping[str, Any]) -> dict[str, str]:
    """Anthropic's `service_tier` or `speed`."""
    if body.get("service_tier") is None:
        return {}
    tier = one_of(body["service_tier"], "service_tier", TIERS)
    if tier == "fast":
        return {"speed": "fast"}
    if tier == "auto":
        return {"service_tier": "auto"}
    if tier == "default":
        return {"service_tier": "standard_only"}
    return unsupported("service_tier", f"{tier!r} has no equivalent; use auto, default or fast")


def read_end_user(body: Mapping[str, Any]) -> str | None:
    """Who the call is for, in clear: `user`, or else `safety_identifier`; what is kept of it."""
    for name in ("user", "safety_identifier"):
        if body.get(name) not in (None, ""):
            return as_label(body[name], name)[:MOST_END_USER_CHARS]
    return None


def opaque(end_user: str) -> str:
    """The end user as the vendor is told: a SHA-256 in hex."""
    return hashlib.sha256(end_user.encode()).hexdigest()


def read_tags(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The string values `v` of `metadata` under `k`, each as the tag `k=v`."""
    if body.get("metadata") is None:
        return ()
    metadata = as_object(body["metadata"], "metadata")
    if len(metadata) > MOST_TAGS:
        refuse("metadata", f"must have at most {MOST_TAGS} entries")
    named = (
        f"{name}={as_label(value, f'metadata.{name[:64]}')}"
        for name, value in metadata.items()
        if isinstance(value, str) and value
    )
    return tuple(dict.fromkeys(tag[:MOST_TAG_CHARS] for tag in named))


def session_id_of(body: Mapping[str, Any]) -> str | None:
    """What the caller names the conversation, however long."""
    session_id = body.get("session_id")
    return None if session_id is None else as_text(session_id, "session_id")


def cache_key_of(body: Mapping[str, Any]) -> str | None:
    """What the caller tells its prompts apart by, however long."""
    key = body.get("prompt_cache_key")
    return None if key is None else as_text(key, "prompt_cache_key")


def read_caching(body: Mapping[str, Any]) -> bool:
    """Whether the gateway may add breakpoints of its own."""
    if body.get("prompt_cache_options") is None:
        return True
    options = as_object(body["prompt_cache_options"], "prompt_cache_options")
    if options.get("mode") is None:
        return True
    return (
        one_of(options["mode"], "prompt_cache_options.mode", ("implicit", "explicit")) != "explicit"
    )
