"""OpenRouter's names: what is asked for, and the dated ones that its replies bear."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from app.simulator.errors import ApiError, invalid
from app.simulator.facts import CATALOGUE, Model
from app.simulator.lifetimes import find_model

_ID: Final = re.compile(r"claude-([a-z]+)-([0-9]+)(?:-([0-9]{1,2}))?(?:-[0-9]{8})?")
_TRAILING: Final = ("4.5", "4.6", "4.7", "4.8")  # whose dated names have the version first
_NOT_LISTED: Final = ("mythos",)
_LAST_FABLE: Final = "claude-fable-5-1"


def _slug(model: Model) -> tuple[str, str] | None:
    """Family and dotted version; None for a model that is not listed."""
    found = _ID.fullmatch(model.id)
    if found is None or found[1] in _NOT_LISTED:
        return None
    if found[1] == "fable" and model.id > _LAST_FABLE:
        return None
    return found[1], found[2] + (f".{found[3]}" if found[3] else "")


_SLUGS: Final = {model.id: slug for model in CATALOGUE if (slug := _slug(model))}
LISTED: Final = MappingProxyType(
    {f"anthropic/claude-{family}-{version}": name for name, (family, version) in _SLUGS.items()}
)
"""The vendor's id of each name."""


def dated(model: Model) -> str:
    """The name in a reply: `anthropic/claude-4.6-sonnet-20260217`."""
    slug = _SLUGS.get(model.id)
    if slug is None:
        return model.id
    family, version = slug
    day = model.created_on.replace("-", "")
    if version in _TRAILING:
        return f"anthropic/claude-{version}-{family}-{day}"
    return f"anthropic/claude-{family}-{version}-{day}"


_DATED: Final = {dated(model): model.id for model in CATALOGUE if model.id in _SLUGS}


def vendor_id(name: object, now_s: float) -> str:
    """The vendor's id for a name as it is asked for.  Raises ApiError when nothing has it."""
    if not isinstance(name, str):
        raise invalid("model: Input should be a valid string")
    found = LISTED.get(name) or _DATED.get(name)
    if found is None:
        raise ApiError(404, f"No endpoints found for {name}.")
    return find_model(found, now_s).id
