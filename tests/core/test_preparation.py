from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.caching import CacheRules
from app.core.errors import ModelNotFound, UnboundedCost
from app.core.keys import Key
from app.core.preparation import Policy, Prepared, prepare, prepare_fallback
from app.core.request import Request
from app.core.routing import Rules
from tests.core.catalogs import CATALOG, HAIKU, SONNET

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = Key("key_1", "k", "tk-abc", datetime(2026, 11, 1, tzinfo=UTC))
LIMITED = replace(KEY, max_budget_nano_usd=1_000_000_000)
POLICY = Policy(CATALOG, Rules(), CacheRules())
USER = ({"role": "user", "content": "x" * 968},)  # held at 1,000 tokens
SEARCH = {"type": "web_search_20260318", "name": "web_search"}


def ready(request: Request, key: Key = KEY, policy: Policy = POLICY, **more: Any) -> Prepared:
    return prepare(request, key, policy, NOW, **more)


def test_an_answer_without_a_length_gets_the_default_one() -> None:
    planned = ready(Request("auto", USER))
    assert planned.request.max_tokens == 16_384
    assert planned.max_tokens_set
    assert planned.shrinkable
    # 1,000 x 1,000 + 16,384 x 5,000 nano-USD on the haiku tier
    assert planned.bound.nano_usd == 82_920_000
    # the least: 256 tokens of answer
    assert planned.least_nano_usd == 2_280_000


def test_an_answers_own_length_is_kept_and_not_shrunk() -> None:
    planned = ready(Request("auto", USER, max_tokens=100))
    assert planned.request.max_tokens == 100
    assert not planned.max_tokens_set
    assert planned.least_nano_usd == planned.bound.nano_usd == 1_500_000


SHRINK = [
    # policy, asked, may be shrunk
    ("never", None, False),
    ("never", 1_000, False),
    ("unset", None, True),
    ("unset", 1_000, False),
    ("always", None, True),
    ("always", 1_000, True),
]


@pytest.mark.parametrize(("shrink", "asked", "expected"), SHRINK)
def test_who_may_be_shrunk(shrink: Any, asked: int | None, *, expected: bool) -> None:
    planned = ready(Request("auto", USER, max_tokens=asked), policy=replace(POLICY, shrink=shrink))
    assert planned.shrinkable is expected


def test_an_answer_is_not_cut_to_less_than_what_is_thought_before_it() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2_000}
    request = Request("haiku-model", USER, max_tokens=5_000, options={"thinking": thinking})
    planned = ready(request, policy=replace(POLICY, shrink="always"), adapted=False)
    assert planned.least_nano_usd == 1_000_000 + 2_001 * 5_000
    plain = ready(
        Request("haiku-model", USER, max_tokens=5_000), policy=replace(POLICY, shrink="always")
    )
    assert plain.least_nano_usd == 1_000_000 + 256 * 5_000


def test_an_answer_is_shortened_to_what_was_granted() -> None:
    planned = ready(Request("auto", USER))
    short = planned.shortened(6_000_000)
    assert short.request.max_tokens == 1_000
    assert short.bound.nano_usd == 6_000_000
    assert short.max_tokens_set
    assert planned.shortened(82_920_000) is planned


def test_a_count_is_worth_asking_for_only_if_it_can_decide() -> None:
    planned = ready(Request("auto", USER, max_tokens=100))  # bound: 1,000,000 + 500,000
    # the fewest tokens 968 bytes can be: 161 -> 229 with the margin -> 229,000 + 500,000
    assert planned.count_may_help(729_000)
    assert not planned.count_may_help(728_999)
    exact = planned.recounted(200)  # 268 tokens
    assert exact.bound.nano_usd == 268_000 + 500_000
    assert not exact.count_may_help(10**12)


def test_no_bound_and_a_limit_do_not_go_together() -> None:
    request = Request("auto", USER, tools=(SEARCH,))
    assert ready(request).bound.unbounded == ("tools.web_search",)
    with pytest.raises(UnboundedCost) as refused:
        ready(request, LIMITED)
    assert refused.value.param == "tools.web_search"
    with pytest.raises(UnboundedCost):
        ready(request, KEY, replace(POLICY, globally_limited=True))


DOCUMENT = {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}}


def with_block(**block: Any) -> Request:
    return Request("auto", ({"role": "user", "content": [block]},))


def with_tool(**tool: Any) -> Request:
    return Request("auto", USER, tools=(tool,))


def with_option(**options: Any) -> Request:
    return Request("auto", USER, options=options)


REFUSED = [
    # request, the field that is named
    (with_option(new_field={"a": 1}), "new_field"),
    (with_option(new_field=False), "new_field"),
    (with_option(container="c"), "container"),
    (with_option(container={"skills": [{"skill_id": "s"}]}), "container"),
    (with_option(mcp_servers=[{"url": "https://x.example"}]), "mcp_servers"),
    (with_option(compaction={"type": "summarize"}), "compaction"),
    (with_option(thread={"type": "create"}), "thread"),
    (with_option(plugins=[{"id": "web"}]), "plugins"),
    (with_option(fallbacks="default"), "fallbacks"),
    (
        with_option(context_management={"edits": [{"type": "compact_20260112"}]}),
        "context_management.compact_20260112",
    ),
    (
        with_option(context_management={"edits": [{"type": "clear_later"}]}),
        "context_management.clear_later",
    ),
    (with_tool(type="custom_search", name="s", max_uses=1), "tools.s"),
    (with_tool(type="bash_20990101", name="bash"), "tools.bash"),
    (with_tool(type="web_search_20990101", name="web_search", max_uses=1), "tools.web_search"),
    (with_tool(type="code_execution_20260521", name="code", max_uses=1), "tools.code"),
    (with_tool(type="mcp_toolset", mcp_server_name="s", max_uses=1), "tools.mcp_toolset"),
    (with_tool(type="tool_search_tool_regex_20251119", name="r", max_uses=1), "tools.r"),
    (with_tool(type="web_fetch_20260318", name="web_fetch"), "tools.web_fetch"),
    (with_tool(type="x" * 1_000), f"tools.{'x' * 74}"),
    (with_block(type="new_block", text="t"), "content.new_block"),
    (with_block(type="tool_result", tool_use_id="t", content=[{"type": "new"}]), "content.new"),
    (
        Request("auto", USER, system=({"type": "new_block", "text": "t"},)),
        "content.new_block",
    ),
    (
        with_block(type="tool_addition", tool={"type": "tool_definition", "definition": SEARCH}),
        "tools.web_search",
    ),
    (with_block(type="tool_addition", tool={"type": "new"}), "content.tool_addition.new"),
]


@pytest.mark.parametrize(("request_", "param"), REFUSED)
def test_what_has_no_known_bound_is_refused_where_there_is_a_limit(
    request_: Request, param: str
) -> None:
    limits = [
        (LIMITED, POLICY),
        (replace(KEY, model_budgets_nano_usd={"sonnet-model": 1}), POLICY),
        (replace(KEY, team_limited=True), POLICY),
        (KEY, replace(POLICY, globally_limited=True)),
    ]
    for key, policy in limits:
        with pytest.raises(UnboundedCost) as refused:
            ready(request_, key, policy)
        assert refused.value.param == param
        assert param in refused.value.message
    assert ready(request_).bound.nano_usd > 0


SERVED = [
    with_option(
        output_config={"effort": "high", "new": "x"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        metadata={"user_id": "u", "new": 1},
        thinking={"type": "adaptive", "new": 1},
        tool_choice={"type": "auto", "new": 1},
        fallback_credit_token="t",
        diagnostics={"previous_message_id": None},
        new_field=None,
        mcp_servers=[],
        container=None,
    ),
    with_tool(name="f", input_schema={}, new={"a": 1}),
    with_tool(type="bash_20250124", name="bash", new={"a": 1}),
    with_tool(type="memory_20250818", name="memory"),
    with_tool(**SEARCH, max_uses=5, new={"a": 1}),
    with_block(type="text", text="t", new={"a": 1}),
    with_block(**DOCUMENT),
    with_block(type="container_upload", file_id="f"),
    with_block(type="server_tool_use", id="s", name="web_search", input={}, new=1),
    with_block(type="tool_addition", tool={"type": "tool_reference", "name": "f"}),
    with_block(
        type="tool_addition",
        tool={"type": "tool_definition", "definition": {"name": "f", "input_schema": {}}},
    ),
    Request("auto", ({"role": "user", "content": "x", "new": {"a": 1}},)),
]


@pytest.mark.parametrize("request_", SERVED)
def test_what_is_known_is_served_with_unknown_fields_in_it(request_: Request) -> None:
    assert ready(request_, LIMITED).bound.unbounded == ()


NOT_COUNTED = [
    with_block(**DOCUMENT),
    with_block(type="tool_result", tool_use_id="t", content=[DOCUMENT]),
    with_block(type="document", source={"type": "file", "file_id": "f"}),
    with_block(type="document", source={"type": "content", "content": [DOCUMENT]}),
    with_block(type="container_upload", file_id="f"),
    with_block(type="image", source={"type": "url", "url": "https://x.example/a.png"}),
    with_block(type="image", source={"type": "file", "file_id": "f"}),
    with_tool(**SEARCH, max_uses=1),
    with_option(fallbacks=[{"model": "sonnet-model"}]),
]


@pytest.mark.parametrize("request_", NOT_COUNTED)
def test_what_the_body_alone_does_not_decide_is_never_counted(request_: Request) -> None:
    prepared = ready(request_, LIMITED)
    assert not prepared.bound.input_is_loose
    assert not prepared.count_may_help(10**15)


@pytest.mark.parametrize(
    ("asked", "rate"), [(None, 3_300), ("us", 3_300), ("global", 3_000), ("eu", 3_300)]
)
def test_a_workspace_in_the_us_is_held_at_its_price_where_no_place_is_named(
    asked: str | None, rate: int
) -> None:
    """The model costs 1.1 times its $3 per million there."""
    modern = replace(CATALOG.models["modern-model"], us_by_default=True)
    policy = replace(POLICY, catalog=replace(CATALOG, models={"modern-model": modern}))
    request = Request("modern-model", USER, max_tokens=0, options={"inference_geo": asked})
    prepared = ready(request, LIMITED, policy, adapted=False)
    assert prepared.bound.nano_usd == 1_000 * rate


@pytest.mark.parametrize("options", [{"speed": "fast"}, {"speed": "new"}, {"service_tier": "fast"}])
def test_whatever_may_be_served_fast_is_held_at_that_price(options: dict[str, str]) -> None:
    request = Request("modern-model", USER, max_tokens=0, options=options)
    assert ready(request, LIMITED, adapted=False).bound.nano_usd == 1_000 * 6_000


def test_routing_savings_are_held_against_the_strongest_tier() -> None:
    routed = ready(Request("auto", USER))
    assert routed.strongest is CATALOG.models["sonnet-model"].schedule[0]
    for name in ("haiku-model", "small", "haiku"):  # the caller's choice is no saving of ours
        forced = ready(Request(name, USER))
        assert forced.strongest is forced.prices


def test_a_named_model_is_left_as_it_is_in_the_native_lane() -> None:
    request = Request("modern-model", USER, max_tokens=5, options={"temperature": 1})
    assert ready(request).request.dropped == ("temperature",)
    assert ready(request, adapted=False).request.options == {"temperature": 1}


def test_a_model_without_a_price_that_day_is_not_found() -> None:
    with pytest.raises(ModelNotFound):
        prepare(Request("auto", USER), KEY, POLICY, datetime(2025, 12, 31, tzinfo=UTC))


def test_what_adapting_adds_is_held_too() -> None:
    policy = replace(POLICY, catalog=replace(CATALOG, tiers={"strong": "modern-model"}))
    tool = {"name": "f" * 60, "input_schema": {}}
    choice = {"tool_choice": {"type": "tool", "name": "f" * 60}}
    plain = ready(Request("strong", USER, tools=(tool,), max_tokens=1), policy=policy)
    forced = ready(
        Request("strong", USER, tools=(tool,), max_tokens=1, options=choice), policy=policy
    )
    # "Call the tool `<60>` to answer." is 87 bytes in a block of its own; the choice itself,
    # {"type":"tool","name":"<60>"} or {"type":"auto"}, counts twice its bytes
    assert forced.bound.input_tokens == plain.bound.input_tokens + 87 + 8 + 2 * 15


def test_auto_goes_to_another_tier_once_the_model_of_one_is_retired() -> None:
    hour = datetime(2026, 11, 30, 17, tzinfo=UTC)
    for ended, other in ((HAIKU, SONNET), (SONNET, HAIKU)):
        models = {**CATALOG.models, ended.id: replace(ended, retires=hour)}
        policy = replace(POLICY, catalog=replace(CATALOG, models=models))
        for text in ("hi", "x" * 10_000):
            asked = Request("auto", ({"role": "user", "content": text},), max_tokens=10)
            assert prepare(asked, KEY, policy, hour).model.id == other.id


def test_a_model_is_served_until_the_hour_of_its_retirement_and_then_told_as_retired() -> None:
    hour = datetime(2026, 11, 30, 17, tzinfo=UTC)
    old = replace(SONNET, retires=hour, replacement=HAIKU.id)
    catalog = replace(CATALOG, models={**CATALOG.models, SONNET.id: old})
    policy = replace(POLICY, catalog=catalog)
    asked = Request(SONNET.id, USER, max_tokens=10)
    served = prepare(asked, KEY, policy, hour - timedelta(seconds=1))
    assert served.model is old
    with pytest.raises(ModelNotFound) as refused:
        prepare(asked, KEY, policy, hour)
    assert str(refused.value) == (
        "the model 'sonnet-model' was retired by its vendor on 2026-11-30; it advises "
        "'haiku-model'; GET /v1/models lists what this key may use"
    )
    unoffered = replace(old, replacement="next-model")
    catalog = replace(CATALOG, models={**CATALOG.models, SONNET.id: unoffered})
    with pytest.raises(ModelNotFound, match="it advises 'next-model', not offered here; GET"):
        prepare(asked, KEY, replace(POLICY, catalog=catalog), hour)


def test_a_hold_knows_for_how_long_the_plan_writes() -> None:
    talk = (*USER, {"role": "assistant", "content": "a"}, {"role": "user", "content": "y" * 8_000})
    request = Request("sonnet-model", talk, max_tokens=100)
    rates = {"auto": 3_750, "1h": 6_000, "off": 3_000}  # nano-USD of a token on Sonnet
    for ttl, rate in rates.items():
        rules = CacheRules("off") if ttl == "off" else CacheRules(ttl=ttl)  # type: ignore[arg-type]
        planned = ready(request, policy=replace(POLICY, cache=rules))
        rounded = 0 if ttl == "off" else 2
        held = planned.bound.input_tokens * rate + 100 * 15_000 + rounded
        assert planned.bound.nano_usd == held, ttl


def test_a_fallbacks_breakpoints_are_planned_for_its_own_model() -> None:
    """A prompt of about 2,250 tokens: Sonnet caches it, Haiku does not."""
    talk = (*USER, {"role": "assistant", "content": "a"}, {"role": "user", "content": "y" * 8_000})
    request = Request("sonnet-model", talk, max_tokens=100)
    first = ready(request)
    second = prepare_fallback(first, request, KEY, POLICY, "haiku-model", NOW)
    assert second is not None
    assert (first.cache.placed, first.cache.ttl) == (("messages",), "5m")
    assert (second.cache.why, second.cache.ttl) == ("below_minimum", None)
