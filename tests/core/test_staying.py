"""When a conversation stays with the model that has it cached: amounts worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.core.caching import CacheRules
from app.core.fingerprints import fingerprint
from app.core.keys import Key
from app.core.measure import measure
from app.core.models import Accepts, Catalog, Limits, Model
from app.core.preparation import Policy, Prepared, prepare
from app.core.pricing import PriceStep, Rates
from app.core.remembered import Recalled, Thread, Tried, Warm
from app.core.request import Request
from app.core.routing import Reason, Rules, Weighed
from app.core.staying import weigh
from tests.core.catalogs import CATALOG, HAIKU, SONNET, prices

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = date(2026, 11, 30)
KEY = Key("key_1", "one", "tk-one", NOW)
RULES = Rules(strong_from_chars=1_000_000, strong_from_items=6)
# 80,800 bytes: 20,200 tokens, of which 20,000 are warm and 200 new
SYSTEM = ({"type": "text", "text": "s" * 80_000},)
EASY = Request("auto", ({"role": "user", "content": "u" * 800},), system=SYSTEM)
HARD = replace(EASY, messages=EASY.messages * 7)
THOUGHT = {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "s"}]}


def warm(at_s: float = 0.0, **fields: Any) -> Warm:
    given = {"tokens": 20_000, "hour_tokens": 0, "ttl_s": 300, "end": (-1, 0), **fields}
    return Warm(at_s=at_s, fingerprint=fingerprint(EASY), upstream="anthropic", **given)


def known(request: Request, *kept: tuple[str, Warm], said: int = 400) -> Recalled:
    tried = Tried((), 0, 0, 0, said)
    thread = Thread(kept[-1][0], 0.0, dict(kept), tried=tried) if kept else None
    return Recalled(60.0, fingerprint(request), None, thread)


def prepared(
    request: Request, recalled: Recalled | None, catalog: Catalog = CATALOG, **key: Any
) -> Prepared:
    policy = Policy(catalog, RULES, CacheRules())
    return prepare(request, replace(KEY, **key), policy, NOW, known=recalled)


def routed(request: Request, *kept: tuple[str, Warm], **more: Any) -> tuple[str, Reason]:
    said = more.pop("said", 400)
    found = prepared(request, known(request, *kept, said=said), **more)
    return found.model.id, found.route.reason


ON_SONNET, ON_HAIKU = (("sonnet-model", warm()), ("haiku-model", warm()))


def test_one_turn_on_the_cheaper_model_may_be_dearer_than_staying() -> None:
    found = prepared(EASY, known(EASY, ON_SONNET))
    assert (found.model.id, found.route.tier, found.route.reason) == (
        "sonnet-model",
        "sonnet",
        Reason.KEPT_WARM,
    )
    # 0.30 x 20,000 + 3.75 x 200 + 15 x 400 against 1.25 x 20,200 + 5 x 400, in millionths
    assert found.route.weighed == Weighed(
        "sonnet-model", "haiku-model", 20_000, 12_750_000, 27_250_000
    )
    assert found.route.score == 0.0


def test_a_long_answer_pays_for_the_switch() -> None:
    found = prepared(EASY, known(EASY, ON_SONNET, said=2_000))
    assert (found.model.id, found.route.reason) == ("haiku-model", Reason.DEFAULT)
    assert found.route.weighed == Weighed(
        "sonnet-model", "haiku-model", 20_000, 36_750_000, 35_250_000
    )


def test_an_upgrade_is_made_whatever_it_costs_and_the_toll_is_told() -> None:
    found = prepared(HARD, known(HARD, ON_HAIKU))
    assert (found.model.id, found.route.reason) == ("sonnet-model", Reason.MANY_ITEMS)
    assert found.route.weighed is not None
    assert found.route.weighed.switch_nano_usd > found.route.weighed.stay_nano_usd


@pytest.mark.parametrize(
    "kept",
    [
        (),
        (("sonnet-model", warm(at_s=-240.0)),),  # five minutes ago
        (("sonnet-model", replace(warm(), fingerprint=fingerprint(HARD), end=(6, 0))),),  # longer
        (("modern-model", warm()),),  # no tier of auto's
        (("haiku-model", warm()),),
    ],
)  # fmt: skip
def test_where_nothing_is_warm_the_score_decides_afresh(kept: tuple[Any, ...]) -> None:
    found = prepared(EASY, known(EASY, *kept))
    assert (found.model.id, found.route.reason) == ("haiku-model", Reason.DEFAULT)
    assert found.route.weighed is None


def test_what_the_other_model_has_warm_too_counts_for_it() -> None:
    assert routed(EASY, ON_HAIKU, ON_SONNET) == ("haiku-model", Reason.DEFAULT)


def test_a_named_tier_is_the_callers_choice() -> None:
    assert routed(replace(EASY, model="haiku"), ON_SONNET) == ("haiku-model", Reason.FORCED_TIER)
    assert routed(replace(EASY, model="small"), ON_SONNET) == ("haiku-model", Reason.FORCED_MODEL)


def test_a_history_with_thinking_stays_with_the_model_that_thought() -> None:
    cold = warm(at_s=-7_200.0)
    thought = replace(EASY, messages=(*EASY.messages, THOUGHT, *EASY.messages))
    assert routed(thought, ("sonnet-model", cold)) == ("sonnet-model", Reason.HISTORY_THINKING)
    assert routed(replace(thought, messages=thought.messages * 3), ON_HAIKU) == (
        "haiku-model",
        Reason.HISTORY_THINKING,
    )
    only = routed(thought, ("sonnet-model", cold), models=("haiku-model",))
    assert only[0] == "haiku-model"


def test_a_history_with_thinking_goes_where_the_kind_of_thinking_is_taken() -> None:
    """The smaller model has no adaptive thinking: it would answer with an error."""
    thought = replace(EASY, messages=(*EASY.messages, THOUGHT, *EASY.messages))
    asked = replace(thought, options={"thinking": {"type": "adaptive"}})
    assert routed(asked, ON_HAIKU) == ("sonnet-model", Reason.NEEDS_THINKING)


def test_what_the_warm_model_refuses_goes_where_it_is_taken() -> None:
    picky = replace(SONNET, accepts=Accepts(forced_tools=False))
    catalog = replace(CATALOG, models={**CATALOG.models, "sonnet-model": picky})
    forced = replace(EASY, tools=({"name": "f"},), options={"tool_choice": {"type": "any"}})
    assert routed(forced, ON_SONNET, catalog=catalog)[0] == "haiku-model"


def test_the_thinking_goes_back_to_the_upstream_that_it_came_from() -> None:
    several = replace(SONNET, upstreams=("anthropic", "second", "third"))
    catalog = replace(CATALOG, models={**CATALOG.models, "sonnet-model": several})
    thought = replace(
        EASY, model="sonnet-model", messages=(*EASY.messages, THOUGHT, *EASY.messages)
    )
    kept = ("sonnet-model", replace(warm(), upstream="second"))

    def upstreams(request: Request, *left: tuple[str, Warm]) -> tuple[str, ...]:
        return prepared(request, known(request, *left), catalog).model.upstreams

    assert upstreams(thought, kept) == ("second", "anthropic", "third")
    assert upstreams(replace(EASY, model="sonnet-model"), kept) == several.upstreams
    assert upstreams(thought, ON_SONNET) == upstreams(thought) == several.upstreams


SONNET_5_5 = replace(
    SONNET,
    schedule=(prices(Rates(2_000_000, 10_000_000, 2_500_000, 4_000_000, 100_000)),),
    limits=Limits(1_000_000, 128_000, 512),
)
HAIKU_5_5 = replace(
    HAIKU,
    schedule=(
        prices(
            Rates(100_000, 500_000, 125_000, 200_000, 10_000),
            PriceStep(100_000, Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000)),
        ),
    ),
    limits=Limits(1_000_000, 128_000, 512),
)


def weighed(current: Model, other: Model, whole: int, kept: Warm, said: int) -> tuple[int, int]:
    request = Request("auto", ({"role": "user", "content": "u" * (whole * 4)},))
    recalled = known(
        request,
        (current.id, replace(kept, end=(-2, 0), fingerprint=fingerprint(request))),
        said=said,
    )
    found = weigh(current, other, measure(request), recalled, DAY)
    assert found is not None
    return found.stay_nano_usd, found.switch_nano_usd


WEIGHED = [
    # current, other, whole prompt, warm of it, said: staying, switching, in nano-USD
    (SONNET_5_5, HAIKU_5_5, (20_200, 20_000, 400), 6_500_000, 2_725_000),
    (SONNET_5_5, HAIKU_5_5, (100_000, 99_000, 100), 13_400_000, 12_550_000),
    # above 100,000 tokens all of Haiku 5.5 costs five times as much
    (SONNET_5_5, HAIKU_5_5, (100_001, 99_001, 100), 13_400_100, 62_750_625),
    # a prompt that Haiku 4.5 does not cache costs plain input there
    (SONNET, HAIKU, (4_000, 3_000, 0), 4_650_000, 4_000_000),
    (SONNET, HAIKU, (4_096, 3_000, 0), 5_010_000, 5_120_000),
]


@pytest.mark.parametrize(("current", "other", "tokens", "stays", "goes"), WEIGHED)
def test_the_prices_of_the_day_decide(
    current: Model, other: Model, tokens: tuple[int, int, int], stays: int, goes: int
) -> None:
    whole, kept, said = tokens
    left = replace(warm(), tokens=kept)
    assert weighed(current, other, whole, left, said) == (stays, goes)


def test_what_is_kept_for_an_hour_is_written_for_an_hour() -> None:
    left = replace(warm(), ttl_s=3_600)
    assert weighed(SONNET, HAIKU, 20_200, left, 0) == (6_000_000 + 1_200_000, 40_400_000)


def test_a_model_without_a_price_is_not_weighed() -> None:
    later = replace(HAIKU, schedule=(replace(HAIKU.schedule[0], effective_from=date(2027, 1, 1)),))
    assert weigh(SONNET, later, measure(EASY), known(EASY, ON_SONNET), DAY) is None
    assert weigh(SONNET, HAIKU, measure(EASY), known(EASY), DAY) is None
