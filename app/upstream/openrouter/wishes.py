"""What OpenRouter is told besides: who may serve the call, and its session.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.core.measure import has_thinking
from app.core.printable import printable

if TYPE_CHECKING:
    from app.core.models import Model
    from app.core.request import Request

WHO_SEALED_IT = "anthropic"  # other providers may refuse or drop what it has signed
LONGEST_SESSION = 256


def with_wishes_of(request: Request, model: Model) -> Request:
    """The request as OpenRouter is sent it; itself where nothing is added.

    A caller's own `provider` goes before the config's.
    """
    added: dict[str, Any] = {}
    if request.options.get("provider") is None:
        provider = provider_for(request, model)
        if provider:
            added["provider"] = provider
    if request.session_id is not None:
        added["session_id"] = printable(request.session_id[:LONGEST_SESSION])[:LONGEST_SESSION]
    if not added:
        return request
    return replace(request, options={**request.options, **added}, original=None)


def provider_for(request: Request, model: Model) -> Mapping[str, Any]:
    """The config's word on providers; signed thinking goes back to who signed it."""
    configured = model.provider or {}
    if "only" in configured or not has_thinking(request):
        return configured
    return {**configured, "only": [WHO_SEALED_IT]}
