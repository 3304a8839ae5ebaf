"""Names of models in what an admin says: ids, aliases and tiers of what is offered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.core.errors import BadRequest
from app.core.model_names import AUTO, nearest

if TYPE_CHECKING:
    from app.core.models import Catalog
    from app.store.records.fields import Fields


def meant_model(name: str, catalog: Catalog) -> str:
    """The id that a tier, an alias or an id stands for; what is not offered stands for itself."""
    model = catalog.find(name)
    return name if model is None else model.id


def with_known_models(fields: Fields, catalog: Catalog) -> dict[str, Any]:
    """`fields`, once every model it names is offered; budgets by model under the model's own id.

    Raises BadRequest naming the field.
    """
    known = dict(fields)
    models, budgets = fields.get("models"), fields.get("model_budgets")
    for name in models if isinstance(models, list) else ():
        if name != AUTO:
            _offered(name, catalog, "models")
    if isinstance(budgets, dict):
        resolved: dict[str, Any] = {}
        for name, amount in budgets.items():
            if name == AUTO:
                raise BadRequest(
                    f"model_budgets: {AUTO!r} is no model of its own: give each model or tier its "
                    "budget",
                    param="model_budgets",
                )
            model_id = _offered(name, catalog, "model_budgets")
            if model_id in resolved:
                raise BadRequest(f"two budgets for {model_id!r}", param="model_budgets")
            resolved[model_id] = amount
        known["model_budgets"] = resolved
    return known


def _offered(name: str, catalog: Catalog, param: str) -> str:
    model = catalog.find(name)
    if model is not None:
        return model.id
    names = [AUTO, *catalog.tiers, *catalog.models, *catalog.aliases]
    near, *_ = nearest(name, tuple(names))
    hint = f"did you mean {near!r}? there are: {', '.join(names)}"
    raise BadRequest(f"{param}: no model {name!r} is offered; {hint}", param=param)
