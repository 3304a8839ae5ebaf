"""The models that a request names in its body, beside the one that it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from app.core.known_features import ADVISOR, UNBOUNDED_USES, max_uses
from app.core.values import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.core.models import Model
    from app.core.pricing import Prices
    from app.core.request import Block, Request

Role = Literal["advisor", "fallback", "instead"]


@value
class Named:
    """One other model as the body names it; `where` is the field.

    An `advisor` is asked `uses` times by the model that answers, a `fallback` runs when those
    before it declined, and `instead` may answer in the place of the model asked. `cached` says
    that an advisor writes what it read to the cache. None for
    `max_tokens` means the request's own, for an advisor the model's maximum.
    """

    name: str
    where: str
    role: Role
    uses: int = 1
    max_tokens: int | None = None
    fast: bool = False
    cached: bool = False


@value
class OtherModel:
    """A named model with what it costs."""

    named: Named
    model: Model
    prices: Prices


def named_models(request: Request, tools: Sequence[Block]) -> tuple[Named, ...]:
    """Every other model that `request` and its `tools` name, as far as they name them fitly."""
    advisors = [tool for tool in tools if tool.get("type") == ADVISOR]
    if not (advisors or request.options):
        return ()
    named = [*_advisors(advisors)]
    if request.options:
        named += _fallbacks(request.options)
        named += _instead(request.options)
    return tuple(named)


def unfit_fields(options: Mapping[str, Any]) -> Iterator[str]:
    """Fields that let other models run without naming each of them."""
    for field, entries in (
        ("fallbacks", list(_fallbacks(options))),
        ("models", list(_instead(options))),
    ):
        given = options.get(field)
        if given and not (isinstance(given, list) and len(entries) == len(given)):
            yield field


def _advisors(tools: Sequence[Block]) -> Iterator[Named]:
    for tool in tools:
        name, uses, most = tool.get("model"), max_uses(tool), tool.get("max_tokens")
        if isinstance(name, str):
            yield Named(
                name=name,
                where="tools.advisor.model",
                role="advisor",
                uses=UNBOUNDED_USES if uses is None else uses,
                max_tokens=most if type(most) is int and most >= 0 else None,
                cached=tool.get("caching") is not None,
            )


def _fallbacks(options: Mapping[str, Any]) -> Iterator[Named]:
    """Anthropic's are objects; OpenRouter takes plain names too."""
    given = options.get("fallbacks")
    for at, entry in enumerate(given if isinstance(given, list) else ()):
        fields = {"model": entry} if isinstance(entry, str) else entry
        if not isinstance(fields, dict) or not isinstance(fields.get("model"), str):
            continue
        most = fields.get("max_tokens")
        if most is not None and (type(most) is not int or most < 0):
            continue
        yield Named(
            name=fields["model"],
            where=f"fallbacks.{at}.model",
            role="fallback",
            max_tokens=most,
            fast=fields.get("speed", options.get("speed")) not in (None, "standard"),
        )


def _instead(options: Mapping[str, Any]) -> Iterator[Named]:
    given = options.get("models")
    for at, name in enumerate(given if isinstance(given, list) else ()):
        if isinstance(name, str):
            yield Named(name=name, where=f"models.{at}", role="instead")
