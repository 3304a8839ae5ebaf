"""Models that a body names beside the one it asks: allowed, and held by their own prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core.caching import CacheRules
from app.core.errors import GatewayError, ModelNotAllowed, ModelNotFound, UnboundedCost
from app.core.keys import Key
from app.core.preparation import Policy, Prepared, prepare
from app.core.request import Request
from app.core.routing import Rules
from tests.core.catalogs import CATALOG

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = Key("key_1", "k", "tk-abc", datetime(2026, 11, 1, tzinfo=UTC))
LIMITED = replace(KEY, max_budget_nano_usd=10**15)
LISTED = replace(KEY, models=("haiku-model",))
POLICY = Policy(CATALOG, Rules(), CacheRules(mode="off"))
USER = ({"role": "user", "content": "x" * 968},)  # held at 1,000 tokens


def ready(
    *, key: Key = LIMITED, tools: tuple[Any, ...] = (), max_tokens: int = 100, **options: Any
) -> Prepared:
    request = Request("haiku-model", USER, tools=tools, max_tokens=max_tokens, options=options)
    return prepare(request, key, POLICY, NOW, adapted=False)


def advisor(**fields: Any) -> dict[str, Any]:
    return {"type": "advisor_20260301", "name": "advisor", "model": "sonnet-model"} | fields


OWN = 1_000 * 1_000 + 100 * 5_000  # 1,000 tokens at $1 and 100 at $5 per million, in nano-USD


def test_an_advisor_is_held_at_its_own_rates_and_window_for_each_use() -> None:
    found = ready(tools=(advisor(max_uses=2, max_tokens=1_000),)).bound
    own = 3 * 200_000 * 1_000 + 100 * 5_000  # its answers are read in a loop
    assert found.nano_usd == own + 2 * (1_000_000 * 3_000 + 1_000 * 15_000)
    assert found.server_tools
    assert not found.input_is_loose


def test_every_model_that_may_answer_may_ask_the_advisor() -> None:
    tools = (advisor(max_uses=1, max_tokens=1_000),)
    advice = 1_000_000 * 3_000 + 1_000 * 15_000
    own = 2 * 200_000 * 1_000 + 100 * 5_000
    chain = [{"model": "haiku-model"}, {"model": "haiku-model"}]
    assert ready(tools=tools).bound.nano_usd == own + advice
    assert ready(tools=tools, fallbacks=chain).bound.nano_usd == 3 * (own + advice)


def test_an_advisor_without_a_length_is_held_at_its_longest_answer() -> None:
    short = ready(tools=(advisor(max_uses=1, max_tokens=1_000),)).bound.nano_usd
    longest = ready(tools=(advisor(max_uses=1),)).bound.nano_usd
    assert longest - short == 127_000 * 15_000
    beyond = ready(tools=(advisor(max_uses=1, max_tokens=10**9),)).bound.nano_usd
    assert beyond == longest


def test_an_advisor_that_writes_to_the_cache_is_held_at_the_rate_of_writes() -> None:
    plain = ready(tools=(advisor(max_uses=1),)).bound.nano_usd
    cached = ready(tools=(advisor(max_uses=1, caching={"type": "ephemeral"}),)).bound.nano_usd
    assert cached - plain == 1_000_000 * 3_000 + 2  # an hour's write costs twice; two for rounding


def test_an_advisor_in_a_message_is_one_as_well() -> None:
    defined = {"type": "tool_definition", "definition": advisor(max_uses=1)}
    late = {"role": "system", "content": [{"type": "tool_addition", "tool": defined}]}
    request = Request("haiku-model", (*USER, late), max_tokens=1)
    found = prepare(request, LIMITED, POLICY, NOW, adapted=False)
    assert [other.model.id for other in found.others] == ["sonnet-model"]
    assert found.bound.nano_usd > 3_000_000_000


def test_fallbacks_are_held_on_top_with_the_answers_before_them() -> None:
    found = ready(fallbacks=[{"model": "sonnet-model"}]).bound
    assert found.nano_usd == OWN + (1_100 * 3_000 + 100 * 15_000)
    assert found.with_output(0) == 1_000 * 1_000 + 1_100 * 3_000
    own_length = ready(fallbacks=[{"model": "sonnet-model", "max_tokens": 10}]).bound
    assert own_length.nano_usd == OWN + (1_100 * 3_000 + 10 * 15_000)
    twice = ready(fallbacks=[{"model": "sonnet-model", "max_tokens": 10}, "haiku-model"]).bound
    assert twice.nano_usd == own_length.nano_usd + (1_110 * 1_000 + 100 * 5_000)


def test_a_fallback_may_be_fast_by_itself_or_with_the_request() -> None:
    plain = ready(fallbacks=[{"model": "modern-model"}]).bound.nano_usd - OWN
    fast = ready(fallbacks=[{"model": "modern-model", "speed": "fast"}]).bound.nano_usd - OWN
    assert fast == 2 * plain


def test_of_models_that_answer_in_the_place_of_another_the_dearest_is_held() -> None:
    assert ready(models=["haiku-model"]).bound.nano_usd == OWN
    dearest = 1_000 * 3_000 + 100 * 15_000
    assert ready(models=["haiku-model", "sonnet-model"]).bound.nano_usd == dearest


NAMED: list[dict[str, Any]] = [
    {"tools": (advisor(max_uses=1),)},
    {"fallbacks": [{"model": "sonnet-model"}]},
    {"models": ["haiku-model", "sonnet-model"]},
]
WHERE = ["tools.advisor.model", "fallbacks.0.model", "models.1"]


@pytest.mark.parametrize(("named", "where"), [*zip(NAMED, WHERE, strict=True)])
def test_a_model_that_is_named_anywhere_needs_to_be_allowed(
    named: dict[str, Any], where: str
) -> None:
    with pytest.raises(ModelNotAllowed) as refused:
        ready(key=LISTED, **named)
    assert refused.value.param == where
    assert "it may use auto, haiku, haiku-model" in refused.value.message
    both = replace(KEY, models=("haiku", "sonnet"))
    assert ready(key=both, **named).others
    with pytest.raises(ModelNotAllowed):
        ready(key=replace(KEY, models=("haiku", "auto")), **named)


@pytest.mark.parametrize(("named", "where"), [*zip(NAMED, WHERE, strict=True)])
def test_a_model_with_a_budget_of_its_own_is_not_spent_by_calls_of_another(
    named: dict[str, Any], where: str
) -> None:
    with pytest.raises(UnboundedCost, match="has a budget of its own on this key") as refused:
        ready(key=replace(KEY, model_budgets_nano_usd={"sonnet-model": 10**15}), **named)
    assert refused.value.param == where
    asked = replace(KEY, model_budgets_nano_usd={"haiku-model": 10**15})
    assert ready(key=asked, **named).others
    assert ready(key=asked, fallbacks=[{"model": "haiku-model"}]).others


UNKNOWN: list[dict[str, Any]] = [
    {"tools": (advisor(model="claude-opus-9", max_uses=1),)},
    {"tools": (advisor(model="sonnet", max_uses=1),)},  # a tier, which the vendor doesn't know
    {"tools": (advisor(model="small", max_uses=1),)},  # an alias, which it may know as another's
    {"fallbacks": [{"model": "claude-opus-9"}]},
    {"models": ["claude-opus-9"]},
    {"models": ["auto"]},
]


@pytest.mark.parametrize("named", UNKNOWN)
@pytest.mark.parametrize("key", [LIMITED, LISTED])
def test_a_model_that_is_not_offered_under_that_name_is_not_found(
    named: dict[str, Any], key: Key
) -> None:
    with pytest.raises(ModelNotFound):
        ready(key=key, **named)
    assert ready(key=KEY, **named).others == ()


def test_a_models_date_may_be_left_out() -> None:
    dated = replace(CATALOG.models["sonnet-model"], id="sonnet-model-20260101")
    assert dated.goes_by("sonnet-model")
    assert dated.goes_by("sonnet-model-20260101")
    assert CATALOG.models["sonnet-model"].goes_by("sonnet-model-20260101")
    for other in ("sonnet-model-20260102", "sonnet-model-2026", "sonnet", "sonnet-model-x", ""):
        assert not dated.goes_by(other)


UNFIT: list[dict[str, Any]] = [
    {"fallbacks": "default"},
    {"fallbacks": {"model": "haiku-model"}},
    {"fallbacks": [{"max_tokens": 5}]},
    {"fallbacks": [{"model": "haiku-model", "max_tokens": "5"}]},
    {"fallbacks": [{"model": "haiku-model", "max_tokens": True}]},
    {"fallbacks": [3]},
    {"models": "haiku-model"},
    {"models": [{"model": "haiku-model"}]},
]


@pytest.mark.parametrize("named", UNFIT)
def test_models_that_are_not_named_one_by_one_have_no_bound(named: dict[str, Any]) -> None:
    with pytest.raises(UnboundedCost) as refused:
        ready(**named)
    assert refused.value.param == next(iter(named))
    assert ready(key=KEY, **named).bound.unbounded == (next(iter(named)),)


@pytest.mark.parametrize("uses", [None, "1", True, 1_001, -1, 1.0])
def test_an_advisor_without_a_bound_on_its_uses_is_refused(uses: object) -> None:
    with pytest.raises(UnboundedCost) as refused:
        ready(tools=(advisor(max_uses=uses),))
    assert refused.value.param == "tools.advisor"


@pytest.mark.parametrize("model", [None, 3, ["sonnet-model"]])
def test_an_advisor_without_a_model_is_refused(model: object) -> None:
    with pytest.raises(GatewayError):
        ready(tools=(advisor(model=model, max_uses=1),))
