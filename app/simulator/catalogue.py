"""`GET /v1/models`, as the vendor lists them."""

from __future__ import annotations

from app.simulator.errors import ApiError, invalid
from app.simulator.facts import CATALOGUE, MODELS, Model
from app.simulator.json_values import JsonObject

_DEFAULT_LIMIT = 20
_MOST = 1000


def list_models(limit: str | None, after_id: str | None) -> JsonObject:
    """One page, newest first.  Raises ApiError on a bad limit or cursor."""
    ids = [model.id for model in CATALOGUE]
    if limit is not None and not (limit.isdecimal() and 1 <= int(limit) <= _MOST):
        raise invalid(f"limit: Input should be between 1 and {_MOST}")
    if after_id is not None and after_id not in ids:
        raise invalid(f"after_id: no such model: {after_id}")
    start = ids.index(after_id) + 1 if after_id is not None else 0
    end = start + (int(limit) if limit is not None else _DEFAULT_LIMIT)
    page = CATALOGUE[start:end]
    return {
        "data": [_shown(model) for model in page],
        "has_more": end < len(CATALOGUE),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def show_model(model_id: str) -> JsonObject:
    if model_id not in MODELS:
        raise ApiError(404, f"model: {model_id}")
    return _shown(MODELS[model_id])


def _shown(model: Model) -> JsonObject:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": f"{model.created_on}T00:00:00Z",
        "lifecycle": "active" if model.deprecated_on is None else "deprecated",
        "line": model.display_name.split(" ")[1].lower(),
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
        "deprecated_at": _midnight(model.deprecated_on),
        "retires_at": _midnight(model.retires_on),
    }


def _midnight(day: str | None) -> str | None:
    return None if day is None else f"{day}T00:00:00Z"
