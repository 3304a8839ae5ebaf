"""`GET /v1/models`, as the vendor lists them."""

from __future__ import annotations

from app.simulator.errors import invalid
from app.simulator.facts import Model
from app.simulator.json_values import JsonObject
from app.simulator.lifetimes import find_model, is_deprecated, offered

_DEFAULT_LIMIT = 20
_MOST = 1000


def list_models(limit: str | None, after_id: str | None, now_s: float) -> JsonObject:
    """One page, newest first.  Raises ApiError on a bad limit or cursor."""
    models = offered(now_s)
    ids = [model.id for model in models]
    if limit is not None and not (limit.isdecimal() and 1 <= int(limit) <= _MOST):
        raise invalid(f"limit: Input should be between 1 and {_MOST}")
    if after_id is not None and after_id not in ids:
        raise invalid(f"after_id: no such model: {after_id}")
    start = ids.index(after_id) + 1 if after_id is not None else 0
    end = start + (int(limit) if limit is not None else _DEFAULT_LIMIT)
    page = models[start:end]
    return {
        "data": [_shown(model, now_s) for model in page],
        "has_more": end < len(models),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def show_model(model_id: str, now_s: float) -> JsonObject:
    return _shown(find_model(model_id, now_s), now_s)


def _shown(model: Model, now_s: float) -> JsonObject:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": f"{model.created_on}T00:00:00Z",
        "lifecycle": "deprecated" if is_deprecated(model, now_s) else "active",
        "line": model.display_name.split(" ")[1].lower(),
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
        "deprecated_at": _midnight(model.deprecated_on),
        "retires_at": _midnight(model.retires_on),
    }


def _midnight(day: str | None) -> str | None:
    return None if day is None else f"{day}T00:00:00Z"
