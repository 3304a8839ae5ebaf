"""What the gateway offers: models with their prices, limits and what they accept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from app.core.price_list import PriceList, undated_slug

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.core.pricing import Prices

Thinking = Literal["budget", "adaptive", "between_tools", "always"]
Effort = Literal["low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")  # weakest first


_DATE = re.compile(r"-\d{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """The vendor's limits, in tokens."""

    context_window_tokens: int
    max_output_tokens: int
    min_cacheable_tokens: int
    max_image_tokens: int = 1_600


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a model takes without an error; what it refuses is adapted or dropped.

    `thinking`: `budget` = only with a token budget, off by default; `adaptive` = can be
    adaptive or off; `between_tools` = cannot be off, only reduced; `always` = always on.
    `efforts`: the levels of reasoning effort it knows, weakest first; none: it has no such option.
    """

    sampling: bool = False
    forced_tools: bool = True
    late_system: bool = False
    prefill: bool = False
    efforts: tuple[Effort, ...] = EFFORTS
    us: bool = False
    fast: bool = False
    thinking: Thinking = "adaptive"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is offered: its id is both the configured and the vendor's.

    From the moment that it `retires` its vendor answers 404, and advises its `replacement`.
    `us_by_default` says that its upstream runs in the US where a request names no place.
    `provider` is what OpenRouter is told of the providers that may serve it. `held_thousandths`: a
    hold is that much of its list price, where the vendor's own bill decides.
    """

    id: str
    upstreams: tuple[str, ...]
    schedule: tuple[Prices, ...]
    limits: Limits
    accepts: Accepts = field(default_factory=Accepts)
    aliases: tuple[str, ...] = ()
    created: int = 0
    retires: datetime | None = None
    replacement: str | None = None
    us_by_default: bool = False
    provider: Mapping[str, Any] | None = None
    held_thousandths: int = 1_000

    def is_retired(self, now: datetime) -> bool:
        """Whether its vendor no longer serves it."""
        return self.retires is not None and self.retires <= now

    def goes_by(self, name: str) -> bool:
        """Whether the vendor too knows it by that name: its id, with or without the date."""
        longer, shorter = sorted((self.id, name), key=len, reverse=True)
        rest = longer.removeprefix(shorter)
        return longer.startswith(shorter) and (not rest or _DATE.fullmatch(rest) is not None)


@dataclass(frozen=True)
class Catalog:
    """Every offered model by id and by alias, and the tiers that `auto` routes between.

    `tiers` maps a tier's name to a model id, cheapest first: the last one is the strongest.
    `price_list` knows models that are not offered too: another may have answered. `retired` are
    those that were offered until their vendor ended them: see `at`.
    """

    models: Mapping[str, Model]
    aliases: Mapping[str, str]
    tiers: Mapping[str, str]
    price_list: PriceList = field(default_factory=lambda: PriceList({}))
    retired: Mapping[str, Model] = field(default_factory=dict)

    def find(self, name: str) -> Model | None:
        """The model that a tier name, an id or an alias stands for; OpenRouter's may be dated."""
        return self.models.get(self._meant(name))

    def find_retired(self, name: str) -> Model | None:
        """The retired model that a name stood for."""
        return self.retired.get(self._meant(name))

    def at(self, now: datetime) -> Catalog:
        """What is offered at that moment: the vendor has retired some of it by then."""
        for since, catalog in self._later:
            if since <= now:
                return catalog
        return self

    def _meant(self, name: str) -> str:
        meant = self.tiers.get(name) or self.aliases.get(name, name)
        return meant if meant in self.models or meant in self.retired else undated_slug(meant)

    @cached_property
    def _later(self) -> tuple[tuple[datetime, Catalog], ...]:
        """What is left from each retirement on, the last one first."""
        ends = {model.retires for model in self.models.values() if model.retires is not None}
        return tuple((end, self._without(end)) for end in sorted(ends, reverse=True))

    def _without(self, now: datetime) -> Catalog:
        models = self.models.items()
        return replace(
            self,
            models={name: model for name, model in models if not model.is_retired(now)},
            retired={name: model for name, model in models if model.is_retired(now)},
        )

    @cached_property
    def offered_tiers(self) -> tuple[str, ...]:
        """The tiers whose model is offered, cheapest first."""
        return tuple(tier for tier, name in self.tiers.items() if name in self.models)

    @cached_property
    def strongest(self) -> Model | None:
        """The model of the last tier that is offered: what routing savings are measured against."""
        return self.models[self.tiers[self.offered_tiers[-1]]] if self.offered_tiers else None
