"""A small catalog with round prices, for the tests of the rules."""

from __future__ import annotations

from datetime import date

from app.core.models import Accepts, Catalog, Limits, Model
from app.core.pricing import Prices, PriceStep, Rates

HAIKU_RATES = Rates(1_000_000, 5_000_000, 1_250_000, 2_000_000, 100_000)
SONNET_RATES = Rates(3_000_000, 15_000_000, 3_750_000, 6_000_000, 300_000)


def prices(rates: Rates, *more: PriceStep, us: int = 1_000, fast: int = 1_000) -> Prices:
    return Prices(
        effective_from=date(2026, 1, 1),
        steps=(PriceStep(-1, rates), *more),
        sources={},
        origins={},
        us=us,
        fast=fast,
        web_search_nano_usd=10_000_000,
    )


HAIKU = Model(
    id="haiku-model",
    upstreams=("anthropic",),
    schedule=(prices(HAIKU_RATES),),
    limits=Limits(200_000, 64_000, 4_096),
    accepts=Accepts(sampling=True, efforts=(), thinking="budget"),
    aliases=("small",),
)
SONNET = Model(
    id="sonnet-model",
    upstreams=("anthropic",),
    schedule=(prices(SONNET_RATES),),
    limits=Limits(1_000_000, 128_000, 1_024),
    accepts=Accepts(sampling=True),
)
MODERN = Model(
    id="modern-model",
    upstreams=("anthropic",),
    schedule=(prices(SONNET_RATES, us=1_100, fast=2_000),),
    limits=Limits(1_000_000, 128_000, 512, max_image_tokens=4_784),
    accepts=Accepts(forced_tools=False, late_system=True, thinking="between_tools"),
)
CATALOG = Catalog(
    models={m.id: m for m in (HAIKU, SONNET, MODERN)},
    aliases={"small": "haiku-model"},
    tiers={"haiku": "haiku-model", "sonnet": "sonnet-model"},
)
