"""`GET /v1/models`: one object that satisfies OpenAI's and Anthropic's clients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from app.core.model_names import AUTO, may_name, model_not_found, usable_tiers
from app.web.auth import known_caller
from app.web.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.core.keys import Key
    from app.core.models import Catalog, Model

MODELS = "/models"


async def models(exchange: Exchange) -> None:
    """The list, or one of its objects."""
    key = await known_caller(exchange)
    gateway = exchange.running.gateway
    catalog = gateway.policy.catalog.at(gateway.now())
    listed = list(listing(catalog, key))
    wanted = exchange.scope["path"].partition(MODELS)[2].strip("/")
    body: dict[str, Any]
    if wanted:
        body = _one(wanted, listed, catalog, key)
    else:
        ids = [entry["id"] for entry in listed]
        body = {
            "object": "list",
            "data": listed,
            "has_more": False,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
        }
    await exchange.answer_plainly(orjson.dumps(body))


def listing(catalog: Catalog, key: Key) -> Iterator[dict[str, Any]]:
    """`auto`, the tier names, then every configured model, as far as the key may use them."""
    tiers = usable_tiers(catalog, key.models)
    if tiers:
        yield _entry(AUTO, "routed by complexity", catalog.models[catalog.tiers[tiers[0]]])
    for tier in catalog.offered_tiers:
        model = catalog.models[catalog.tiers[tier]]
        if may_name(model.id, catalog, key.models):
            yield _entry(tier, f"tier: {model.id}", model)
    for model in catalog.models.values():
        if may_name(model.id, catalog, key.models):
            yield _entry(model.id, model.id, model)


def _one(wanted: str, listed: list[dict[str, Any]], catalog: Catalog, key: Key) -> dict[str, Any]:
    alias = catalog.aliases.get(wanted, wanted)
    for entry in listed:
        if entry["id"] in (wanted, alias):
            return {**entry, "id": wanted}
    raise model_not_found(wanted, catalog, key.models)


def _entry(name: str, title: str, model: Model) -> dict[str, Any]:
    created = datetime.fromtimestamp(model.created, UTC)
    entry: dict[str, Any] = {
        "id": name,
        "object": "model",
        "type": "model",
        "created": model.created,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "owned_by": "anthropic",
        "display_name": title,
        "max_input_tokens": model.limits.context_window_tokens,
        "max_tokens": model.limits.max_output_tokens,
    }
    if model.retires is not None:
        entry["retires_at"] = model.retires.strftime("%Y-%m-%dT%H:%M:%SZ")
    return entry
