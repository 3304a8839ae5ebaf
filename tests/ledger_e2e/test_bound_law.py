"""The law that budgets stand on: no answer costs more than was held for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings, target
from hypothesis import strategies as st

from app.config.catalog import build_catalog, cache_rules, routing_rules
from app.config.prices import bundled_books
from app.config.settings import read_settings
from app.core.errors import BadRequest, UnboundedCost
from app.core.keys import Key
from app.core.preparation import Policy, Prepared, prepare
from app.core.request import Request
from app.dialects.anthropic import messages as anthropic_messages
from app.dialects.anthropic.wire import encode, wire_headers
from app.dialects.openai_chat import request as openai_chat
from app.simulator.bill import bill, usage_body
from app.simulator.cache import CachePlan, PromptCache
from app.simulator.errors import ApiError
from app.simulator.facts import MODELS as VENDOR_MODELS
from app.simulator.prompt import is_web_search, read_prompt
from app.simulator.tokens import SEARCH_RESULT_TOKENS
from app.simulator.validation import Asked, check
from tests.ledger_e2e import naive_tokenizer
from tests.ledger_e2e.bodies import Json, chat_bodies, message_bodies
from tests.ledger_e2e.odd_bodies import odd_bodies

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = Key("key_1", "n", "tk-", datetime(2026, 1, 1, tzinfo=UTC), max_budget_nano_usd=10**15)


@cache
def policy(ttl: str) -> Policy:
    read = read_settings(None, {"ANTHROPIC_API_KEY": "sk-ant-1"})
    read = read.model_copy(update={"cache": read.cache.model_copy(update={"ttl": ttl})})
    return Policy(
        catalog=build_catalog(read, bundled_books()),
        rules=routing_rules(read),
        cache=cache_rules(read),
        shrink="always",
    )


def worst_bills(body: Json, planned: Prepared) -> Iterator[int]:
    """What the longest possible answer is billed at, with a cold, a warm and a half-warm cache.

    Nothing when the vendor refuses the request.
    """
    model = VENDOR_MODELS[body["model"]]
    version = wire_headers(planned.request)["anthropic-version"]
    try:
        check(Asked(body=body, model=model, version=version, beta=True, counting=False))
    except ApiError:
        return
    prompt = read_prompt(body, model)
    if prompt.total_tokens > model.context_tokens:
        return
    cold = PromptCache().plan(prompt, "account", model, 0.0)
    for written in range(len(cold.writes) + 1):
        warm = PromptCache()
        warm.write(CachePlan(0, writes=cold.writes[:written]), 0.0)
        plan = warm.plan(prompt, "account", model, 1.0)
        usage = usage_body(plan, body, model, body["max_tokens"])
        uses = [tool["max_uses"] for tool in body.get("tools", []) if is_web_search(tool)]
        if uses:
            usage["server_tool_use"] = {"web_search_requests": sum(uses)}
            usage["input_tokens"] += sum(uses) * SEARCH_RESULT_TOKENS
        yield bill(model, usage).total_nano_usd


def body_of(planned: Prepared) -> Json:
    body: Json = orjson.loads(encode(planned.request, planned.model.id))
    return body


def holds(request: Request, ttl: str, share: float, *, adapted: bool) -> None:
    try:
        planned = prepare(request, KEY, policy(ttl), NOW, adapted=adapted)
    except UnboundedCost:
        reject()
    body = body_of(planned)
    worst = max(worst_bills(body, planned), default=None)
    assume(worst is not None)
    assert worst is not None
    target(worst / planned.bound.nano_usd)
    assert worst <= planned.bound.nano_usd
    if planned.bound.input_is_loose:
        counted = read_prompt(body, VENDOR_MODELS[body["model"]]).total_tokens
        assert worst <= planned.recounted(counted).bound.nano_usd
    least, most = planned.least_nano_usd, planned.bound.nano_usd
    granted = least + int((most - least) * share)
    shorter = planned.shortened(granted)
    if shorter.request.max_tokens:
        bills = list(worst_bills(body_of(shorter), shorter))
        assert max(bills, default=0) <= granted


def read_chat(body: Json) -> Request:
    try:
        return openai_chat.parse(orjson.dumps(body)).request
    except BadRequest:
        reject()


def law(examples: int) -> settings:
    """So many examples that the vendor would answer; what it refuses does not count."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=examples, suppress_health_check=quiet)


@law(300)
@given(body=odd_bodies())
def test_no_prompt_counts_more_than_was_held_even_by_the_dearest_tokenizer(body: Json) -> None:
    request = anthropic_messages.parse(orjson.dumps(body))
    prepared = prepare(request, KEY, policy("auto"), NOW, adapted=False)
    counted = naive_tokenizer.tokens(body)
    target(counted / prepared.bound.input_tokens)
    assert counted <= prepared.bound.input_tokens or counted > 1_000_000


ttls = st.sampled_from(["auto", "1h"])
shares = st.floats(0, 1)


@law(300)
@given(body=message_bodies(), ttl=ttls, share=shares)
def test_a_message_never_costs_more_than_was_held(body: Json, ttl: str, share: float) -> None:
    holds(anthropic_messages.parse(orjson.dumps(body)), ttl, share, adapted=False)


@law(300)
@given(body=chat_bodies(), ttl=ttls, share=shares)
def test_a_chat_completion_never_costs_more_than_was_held(
    body: Json, ttl: str, share: float
) -> None:
    holds(read_chat(body), ttl, share, adapted=True)


@pytest.mark.long
@pytest.mark.timeout(600)
@law(1_000)
@given(body=message_bodies(), ttl=ttls, share=shares)
def test_a_thousand_messages_never_cost_more_than_was_held(
    body: Json, ttl: str, share: float
) -> None:
    holds(anthropic_messages.parse(orjson.dumps(body)), ttl, share, adapted=False)


@pytest.mark.long
@pytest.mark.timeout(600)
@law(1_000)
@given(body=chat_bodies(), ttl=ttls, share=shares)
def test_a_thousand_chat_completions_never_cost_more_than_was_held(
    body: Json, ttl: str, share: float
) -> None:
    holds(read_chat(body), ttl, share, adapted=True)
