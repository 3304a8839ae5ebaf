"""Which models a key may name, and what is said when it names another."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from app.core.errors import ModelNotAllowed, ModelNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.core.models import Catalog, Model

AUTO = "auto"
MOST_TOLD = 3
MOST_LISTED = 8
MOST_NAME_CHARS = 128
NEAR = 0.6
LEAST_HELD = 3  # characters
LIST = "GET /v1/models lists what this key may use"
_SEPARATORS = str.maketrans("._/: ", "-----")


def may_name(model_id: str, catalog: Catalog, allowed: tuple[str, ...] | None) -> bool:
    """Whether a key's list allows the model, after aliases and tier names are resolved.

    `auto` in the list lets `auto` route between all tiers; it allows no model by name.
    """
    if allowed is None:
        return True
    return any(
        (found := catalog.find(name)) and found.id == model_id for name in allowed if name != AUTO
    )


def may_route_to(model_id: str, catalog: Catalog, allowed: tuple[str, ...] | None) -> bool:
    """Whether `auto` may send the key's calls to that tier's model."""
    return allowed is None or AUTO in allowed or may_name(model_id, catalog, allowed)


def usable_tiers(catalog: Catalog, allowed: tuple[str, ...] | None) -> tuple[str, ...]:
    """The tiers, cheapest first, that `auto` may route the key's calls to."""
    offered = catalog.offered_tiers
    if allowed is None:
        return offered
    return tuple(tier for tier in offered if may_route_to(catalog.tiers[tier], catalog, allowed))


def nameable(catalog: Catalog, allowed: tuple[str, ...] | None) -> Iterator[str]:
    """Every name that the key may call by: `auto`, tiers, ids, aliases."""
    if usable_tiers(catalog, allowed):
        yield AUTO
    models = {m for m in catalog.models if may_name(m, catalog, allowed)}
    yield from (tier for tier in catalog.offered_tiers if catalog.tiers[tier] in models)
    yield from (model_id for model_id in catalog.models if model_id in models)
    yield from (alias for alias, model_id in catalog.aliases.items() if model_id in models)


def check_allowed(
    model: Model, catalog: Catalog, allowed: tuple[str, ...] | None, *, where: str = "model"
) -> None:
    """Raises ModelNotAllowed, which tells what the key may use."""
    if may_name(model.id, catalog, allowed):
        return
    listed = list(nameable(catalog, allowed))
    told = ", ".join(listed[:MOST_LISTED]) + (", …" if len(listed) > MOST_LISTED else "")
    raise ModelNotAllowed(
        f"this key may not use the model {model.id!r}; it may use {told or 'none'}", param=where
    )


def model_not_found(
    name: str, catalog: Catalog, allowed: tuple[str, ...] | None, *, where: str = "model"
) -> ModelNotFound:
    """What to say of a name that nothing goes by: the nearest ones that the key may use.

    Of a model that its vendor has retired: when, and what it advises.
    """
    gone = catalog.find_retired(name)
    if gone is not None:
        return ModelNotFound(f"{_ended(gone, catalog)}; {LIST}", param=where)
    near = nearest(name[:MOST_NAME_CHARS], tuple(nameable(catalog, allowed)))
    hint = f"did you mean {_either(near)}? " if near else ""
    return ModelNotFound(
        f"the model {name[:MOST_NAME_CHARS]!r} does not exist here; {hint}{LIST}",
        param=where,
    )


def _ended(model: Model, catalog: Catalog) -> str:
    advice = ""
    if model.replacement is not None:
        offered = catalog.find(model.replacement) is not None
        advice = f"; it advises {model.replacement!r}" + ("" if offered else ", not offered here")
    return f"the model {model.id!r} was retired by its vendor on {model.retires:%Y-%m-%d}{advice}"


def nearest(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names most like it, the likest first; where none is like it, the first of them all."""
    wanted = _plain(name)
    scored = [(_likeness(wanted, _plain(each)), each) for each in names]
    like = [pair for pair in scored if pair[0] >= NEAR]
    like.sort(key=lambda pair: -pair[0])  # equals keep their order
    return tuple(each for _, each in like[:MOST_TOLD]) or names[:MOST_TOLD]


def _plain(name: str) -> str:
    return name.strip().lower().translate(_SEPARATORS)


def _likeness(wanted: str, name: str) -> float:
    """1 for the same but for case and separators; a name that holds the other is near as well."""
    if wanted == name:
        return 1.0
    ratio = SequenceMatcher(None, wanted, name).ratio()
    held = min(len(wanted), len(name)) >= LEAST_HELD and (wanted in name or name in wanted)
    return min(max(ratio, 0.9 if held else 0.0), 0.99) + (ratio / 1_000 if held else 0)


def _either(names: tuple[str, ...]) -> str:
    *before, last = (repr(name) for name in names)
    return f"{', '.join(before)} or {last}" if before else last
