from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from app.core.errors import ModelNotAllowed, ModelNotFound
from app.core.measure import measure
from app.core.models import Catalog, Model
from app.core.pricing import PriceStep, Rates
from app.core.request import Request
from app.core.routing import Reason, Route, Rules, route
from app.core.scoring import Feature, Weights
from tests.core.catalogs import CATALOG, HAIKU, HAIKU_RATES, MODERN, SONNET, prices

LONG = "x" * 10_000
DAY = date(2026, 11, 30)
FORCED = {"tool_choice": {"type": "tool", "name": "f"}}


def asks(text: str = "hi", *, model: str = "auto", turns: int = 1) -> Request:
    return Request(model=model, messages=({"role": "user", "content": text},) * turns)


def routed(
    request: Request, *, allowed: tuple[str, ...] | None = None, catalog: Catalog = CATALOG
) -> tuple[Route, str]:
    chosen, model = route(request, measure(request), catalog, Rules(), allowed, DAY)
    return chosen, model.id


ROUTES = [
    (asks(), "haiku", "haiku-model", Reason.DEFAULT, 0.0),
    (asks("x" * 9_999), "haiku", "haiku-model", Reason.DEFAULT, 0.0),
    (asks(LONG), "sonnet", "sonnet-model", Reason.LONG_TEXT, 1.0),
    (asks(turns=29), "haiku", "haiku-model", Reason.DEFAULT, 0.0),
    (asks(turns=30), "sonnet", "sonnet-model", Reason.MANY_ITEMS, 1.0),
    (asks("- one thing\n" * 29), "haiku", "haiku-model", Reason.DEFAULT, 0.0),
    (asks("- one thing\n" * 30), "sonnet", "sonnet-model", Reason.MANY_ITEMS, 1.0),
    (
        asks("".join(f"{n}. step\n" for n in range(30))),
        "sonnet",
        "sonnet-model",
        Reason.MANY_ITEMS,
        1.0,
    ),
    (asks(LONG, model="haiku"), "haiku", "haiku-model", Reason.FORCED_TIER, 0.0),
    (asks(model="sonnet"), "sonnet", "sonnet-model", Reason.FORCED_TIER, 0.0),
    (asks(LONG, model="haiku-model"), None, "haiku-model", Reason.FORCED_MODEL, 0.0),
    (asks(model="small"), None, "haiku-model", Reason.FORCED_MODEL, 0.0),
    (asks(model="modern-model"), None, "modern-model", Reason.FORCED_MODEL, 0.0),
]


@pytest.mark.parametrize(("request_", "tier", "model", "reason", "score"), ROUTES)
def test_a_request_goes_where_the_rules_say(
    request_: Request, tier: str | None, model: str, reason: Reason, score: float
) -> None:
    threshold = 0.5 if request_.model == "auto" else None
    assert routed(request_) == (Route(tier, score, reason, threshold), model)


def test_text_of_system_and_all_turns_counts_together() -> None:
    request = Request(
        model="auto",
        system=({"type": "text", "text": "s" * 5_000},),
        messages=({"role": "user", "content": [{"type": "text", "text": "u" * 5_000}]},),
    )
    assert routed(request)[0].reason == Reason.LONG_TEXT


def test_auto_stays_within_the_models_that_the_key_may_use() -> None:
    assert routed(asks(LONG), allowed=("small",)) == (
        Route("haiku", 1.0, Reason.ONLY_ALLOWED, 0.5),
        "haiku-model",
    )
    assert routed(asks(), allowed=("sonnet",)) == (
        Route("sonnet", 0.0, Reason.ONLY_ALLOWED, 0.5),
        "sonnet-model",
    )


def test_auto_in_a_keys_list_routes_between_all_tiers_and_names_none() -> None:
    assert routed(asks(), allowed=("auto",))[1] == "haiku-model"
    assert routed(asks(LONG), allowed=("auto",))[1] == "sonnet-model"
    assert routed(asks(LONG), allowed=("auto", "haiku"))[1] == "sonnet-model"
    assert routed(asks(model="small"), allowed=("auto", "haiku"))[1] == "haiku-model"
    for name in ("haiku", "sonnet", "haiku-model", "small", "modern-model"):
        with pytest.raises(ModelNotAllowed) as refused:
            routed(asks(model=name), allowed=("auto",))
        assert refused.value.message.endswith("; it may use auto")


def test_a_key_without_any_tier_may_not_use_auto() -> None:
    with pytest.raises(ModelNotAllowed):
        routed(asks(), allowed=("modern-model",))


def test_a_forced_model_outside_the_keys_list_is_refused() -> None:
    with pytest.raises(ModelNotAllowed):
        routed(asks(model="sonnet-model"), allowed=("haiku",))
    assert routed(asks(model="haiku-model"), allowed=("small",))[1] == "haiku-model"


@pytest.mark.parametrize("name", ["gpt-5", "", "Haiku", "haiku-model "])
def test_an_unknown_model_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound):
        routed(asks(model=name))


def test_a_forced_tool_goes_to_a_tier_that_takes_it() -> None:
    catalog = replace(CATALOG, tiers={"haiku": HAIKU.id, "sonnet": MODERN.id})
    forced = replace(asks(LONG), options=FORCED)
    assert routed(forced, catalog=catalog) == (
        Route("haiku", 1.0, Reason.NEEDS_TOOLS, 0.5),
        "haiku-model",
    )
    assert routed(asks(LONG), catalog=catalog)[1] == MODERN.id
    assert routed(forced)[1] == SONNET.id


def test_a_late_system_message_goes_to_a_tier_that_takes_it() -> None:
    catalog = replace(CATALOG, tiers={"haiku": HAIKU.id, "sonnet": MODERN.id})
    late = replace(asks(), messages=(*asks().messages, {"role": "system", "content": "be brief"}))
    assert routed(late, catalog=catalog) == (
        Route("sonnet", 0.0, Reason.NEEDS_SYSTEM, 0.5),
        MODERN.id,
    )
    assert routed(late) == (Route("haiku", 0.0, Reason.DEFAULT, 0.5), HAIKU.id)
    both = replace(late, options=FORCED)  # no tier takes both: the choice stands
    assert routed(both, catalog=catalog) == (Route("haiku", 0.0, Reason.DEFAULT, 0.5), HAIKU.id)


def test_a_tier_whose_model_is_off_is_not_routed_to() -> None:
    off = Catalog(models={SONNET.id: SONNET}, aliases={}, tiers=CATALOG.tiers)
    assert routed(asks(), catalog=off) == (
        Route("sonnet", 0.0, Reason.ONLY_ALLOWED, 0.5),
        SONNET.id,
    )
    with pytest.raises(ModelNotFound):
        routed(asks(model="haiku"), catalog=off)


PREFILL = {"role": "assistant", "content": "The answer is"}
ROOMY = replace(HAIKU, id="roomy", limits=replace(HAIKU.limits, context_window_tokens=10_000_000))


def asking(**options: object) -> Request:
    return replace(asks(), options=options)


NEEDS = [
    # request, tiers (cheap, strong), where it goes, why
    (asking(thinking={"type": "adaptive"}), (HAIKU, SONNET), SONNET, Reason.NEEDS_THINKING),
    (asking(thinking={"type": "disabled"}), (HAIKU, SONNET), HAIKU, Reason.DEFAULT),
    (
        asking(thinking={"type": "enabled", "budget_tokens": 2_000}),
        (HAIKU, SONNET),
        HAIKU,
        Reason.DEFAULT,
    ),
    (
        asking(thinking={"type": "enabled", "budget_tokens": 64_000}),  # more than haiku writes
        (HAIKU, SONNET),
        SONNET,
        Reason.NEEDS_THINKING,
    ),
    (
        asking(thinking={"type": "enabled", "budget_tokens": 2_000}),
        (MODERN, SONNET),
        SONNET,
        Reason.NEEDS_THINKING,
    ),
    (
        asking(thinking={"type": "between_tools"}),
        (HAIKU, MODERN),
        MODERN,
        Reason.NEEDS_THINKING,
    ),
    (asking(thinking={"type": "disabled"}), (MODERN, HAIKU), HAIKU, Reason.NEEDS_THINKING),
    (asking(thinking=None), (HAIKU, MODERN), HAIKU, Reason.DEFAULT),
    (asking(output_config={"effort": "high"}), (HAIKU, SONNET), SONNET, Reason.NEEDS_EFFORT),
    (asking(output_config={"format": {}}), (HAIKU, SONNET), HAIKU, Reason.DEFAULT),
    (
        asking(inference_geo="us"),
        (HAIKU, replace(MODERN, accepts=replace(MODERN.accepts, us=True))),
        MODERN,
        Reason.NEEDS_GEO,
    ),
    (asking(inference_geo=None), (HAIKU, MODERN), HAIKU, Reason.DEFAULT),
    (
        asking(speed="fast"),
        (HAIKU, replace(MODERN, accepts=replace(MODERN.accepts, fast=True))),
        MODERN,
        Reason.NEEDS_SPEED,
    ),
    (
        replace(asks(), messages=(*asks().messages, PREFILL)),
        (SONNET, replace(HAIKU, accepts=replace(HAIKU.accepts, prefill=True))),
        HAIKU,
        Reason.NEEDS_PREFILL,
    ),
    # three bytes a token: 3,000,003 bytes may be a token too many for a million
    (asks("x" * 3_000_003), (ROOMY, SONNET), ROOMY, Reason.NEEDS_CONTEXT),
    (asks("x" * 3_000_002), (ROOMY, SONNET), SONNET, Reason.LONG_TEXT),
    # too long for either by that estimate, which may be wrong; the other surely refuses it
    (
        replace(asks("x" * 3_000_003), options={"thinking": {"type": "disabled"}}),
        (HAIKU, MODERN),
        HAIKU,
        Reason.NEEDS_THINKING,
    ),
]


@pytest.mark.parametrize(("request_", "tiers", "model", "reason"), NEEDS)
def test_auto_keeps_away_from_a_tier_that_refuses_what_another_takes(
    request_: Request, tiers: tuple[Model, Model], model: Model, reason: Reason
) -> None:
    cheap, strong = tiers
    catalog = Catalog({m.id: m for m in tiers}, {}, {"cheap": cheap.id, "strong": strong.id})
    chosen, found = routed(request_, catalog=catalog)
    assert (found, chosen.reason) == (model.id, reason)
    assert catalog.tiers[chosen.tier or ""] == found


def test_a_need_that_no_usable_tier_meets_leaves_the_choice() -> None:
    thinks = asking(thinking={"type": "adaptive"})
    assert routed(thinks, allowed=("haiku",)) == (
        Route("haiku", 0.0, Reason.DEFAULT, 0.5),
        HAIKU.id,
    )
    assert routed(replace(thinks, model="haiku"))[0].reason == Reason.FORCED_TIER


def test_no_tier_is_shown_as_a_dash() -> None:
    assert routed(asks(model="small"))[0].label == "-"
    assert routed(asks())[0].label == "haiku"


def test_a_score_at_the_threshold_goes_to_the_strongest_tier() -> None:
    weights = Weights((Feature("words", 0.5, 1),), 0.1, "one word")
    asked = asks("one")
    for threshold, tier, reason in (
        (0.6, "sonnet", Reason.SCORE),
        (0.601, "haiku", Reason.DEFAULT),
    ):
        rules = Rules(threshold=threshold, weights=weights)
        chosen, model = route(asked, measure(asked), CATALOG, rules, None, DAY)
        assert chosen == Route(tier, 0.6, reason, threshold, {"words": 1}, {"words": 0.5})
        assert model.id == f"{tier}-model"
    rules = Rules(weights=weights)
    assert route(asked, measure(asked), CATALOG, rules, None, DAY, 0.7)[0].tier == "haiku"


DEAR_WHEN_LONG = replace(
    HAIKU,
    schedule=(
        prices(HAIKU_RATES, PriceStep(1_000, Rates(9_000_000, 30_000_000, *[9_000_000] * 3))),
    ),
)
HALF_AS_DEAR = Rates(4_000_000, 31_000_000, *[4_000_000] * 3)


@pytest.mark.parametrize(
    ("chars", "strong", "model", "reason"),
    [
        (3_002, SONNET, HAIKU.id, Reason.DEFAULT),  # three bytes a token: a thousand tokens
        (3_003, SONNET, SONNET.id, Reason.CHEAPER),
        (3_003, replace(SONNET, schedule=(prices(HALF_AS_DEAR),)), HAIKU.id, Reason.DEFAULT),
    ],
)
def test_a_tier_that_long_prompts_make_dearer_gives_way_to_a_cheaper_one(
    chars: int, strong: Model, model: str, reason: Reason
) -> None:
    catalog = Catalog(
        {m.id: m for m in (DEAR_WHEN_LONG, strong)}, {}, {"haiku": HAIKU.id, "sonnet": strong.id}
    )
    chosen, found = routed(asks("x" * chars), catalog=catalog)
    assert (found, chosen.reason) == (model, reason)
    assert routed(asks("x" * chars), catalog=catalog, allowed=("haiku",))[1] == HAIKU.id


def test_a_model_that_takes_the_request_reworded_is_better_than_one_that_refuses_it() -> None:
    """Neither takes a late system message as it is; adaptive thinking only one takes at all."""
    late = {"role": "system", "content": "be brief"}
    thinks = replace(asking(thinking={"type": "adaptive"}), messages=(*asks().messages, late))
    assert routed(thinks)[0].reason == Reason.NEEDS_THINKING
    assert routed(thinks)[1] == SONNET.id
