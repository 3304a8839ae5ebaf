"""The law of routing and marking: what the vendor would take, it takes when we have been at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from app.config.catalog import build_catalog, cache_rules, routing_rules
from app.config.prices import bundled_books
from app.config.settings import read_settings
from app.core.errors import BadRequest
from app.core.fingerprints import fingerprint
from app.core.keys import Key
from app.core.preparation import Policy, prepare
from app.core.remembered import Conversation, Recalled, Shared, Thread, Tried, Warm
from app.core.request import Request
from app.dialects.anthropic import messages as anthropic_messages
from app.dialects.anthropic.wire import encode, wire_headers
from app.dialects.openai_chat import request as openai_chat
from app.simulator.errors import ApiError
from app.simulator.facts import MODELS as VENDOR_MODELS
from app.simulator.validation import Asked, check
from tests.ledger_e2e.bodies import Json, chat_bodies, message_bodies, texts, words

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOW_S = NOW.timestamp()
KEY = Key("key_1", "n", "tk-", datetime(2026, 1, 1, tzinfo=UTC))
TIERS = {
    "older": {"haiku": "claude-haiku-4-5-20251001", "sonnet": "claude-sonnet-4-6"},
    "newer": {"haiku": "claude-haiku-5-5", "sonnet": "claude-sonnet-5-5"},
}


@cache
def policy(tiers: str, ttl: str) -> Policy:
    read = read_settings(None, {"ANTHROPIC_API_KEY": "sk-ant-1"})
    cached = read.cache.model_copy(update={"ttl": ttl})
    read = read.model_copy(update={"cache": cached, "tiers": TIERS[tiers]})
    return Policy(
        catalog=build_catalog(read, bundled_books()),
        rules=routing_rules(read),
        cache=cache_rules(read),
    )


@st.composite
def marked_everywhere(draw: st.DrawFn) -> Json:
    """A message of many blocks, with what only some models take: the gateway must choose well."""
    body: Json = draw(message_bodies())
    kinds = [None, {"type": "adaptive"}, {"type": "disabled"}, {"type": "between_tools"}]
    budget = {"type": "enabled", "budget_tokens": 1_024}
    thinking = draw(st.sampled_from([*kinds, budget]))
    if thinking is not None:
        body["thinking"] = thinking
    effort = draw(st.sampled_from([None, None, "low", "xhigh"]))
    if effort is not None:
        body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    if body.get("tools"):
        choices = [None, {"type": "auto"}, {"type": "any"}, {"type": "none"}]
        choice = draw(st.sampled_from(choices))
        if choice is not None:
            body["tool_choice"] = choice
    messages = body["messages"]
    many = draw(st.sampled_from([0, 0, 19, 25, 60]))
    if many:
        filling = draw(texts)
        content = [{"type": "text", "text": f"{filling}{n}"} for n in range(many)]
        messages.append({"role": "user", "content": content})
    ending = draw(st.sampled_from([None, None, None, "system", "assistant"]))
    if ending is not None:
        messages.append({"role": ending, "content": draw(words)})
    return body


counts = st.integers(0, 40)
gaps = st.lists(st.sampled_from([5.0, 200.0, 400.0, 2_000.0, 9_000.0]), max_size=5).map(tuple)
tried = st.builds(
    Tried,
    st.lists(st.sampled_from(["tools", "system", "messages"]), unique=True, max_size=3).map(tuple),
    st.integers(0, 4),
    st.sampled_from([0, 5_000]),
    st.sampled_from([0, 5_000]),
)


@st.composite
def remembered(draw: st.DrawFn, request: Request, models: Iterable[str]) -> Recalled | None:
    """What memory may hold when a request comes: an earlier, shorter or altered form of it."""
    if draw(st.integers(0, 3)) == 0:
        return None
    now = fingerprint(request)
    names = st.sampled_from([*models])
    shared = draw(
        st.dictionaries(
            names,
            st.builds(
                Shared,
                st.sampled_from([NOW_S - 9_000, NOW_S - 200]),
                *(counts, counts, counts, counts, counts, st.integers(0, 4)),
                st.integers(-(10**9), 10**9),
                gaps,
                gaps,
                st.integers(0, 3),
                st.sampled_from([None, 3.5]),
                st.one_of(st.none(), tried),
            ),
            max_size=2,
        )
    )
    if draw(st.booleans()):
        return Recalled(NOW_S, now, shared=shared)
    kept = draw(st.integers(1, len(request.messages)))
    before = replace(request, messages=request.messages[:kept])
    if draw(st.integers(0, 3)) == 0:
        before = replace(before, system=({"type": "text", "text": "another"},))
    then, model = fingerprint(before), draw(names)
    warm = Warm(
        tokens=draw(st.sampled_from([0, 2_000, 90_000])),
        hour_tokens=draw(st.sampled_from([0, 1_000])),
        ttl_s=draw(st.sampled_from([300, 3_600])),
        at_s=NOW_S - draw(st.sampled_from([10.0, 400.0, 4_000.0])),
        fingerprint=then,
        end=(draw(st.integers(-2, kept - 1)), draw(st.integers(0, 3))),
        upstream="anthropic",
    )
    calls = draw(st.integers(1, 30))
    thread = Thread(
        model, warm.at_s, {model: warm}, calls, draw(gaps), draw(tried), draw(st.integers(0, 4))
    )
    known = Conversation(model, "anthropic", {then.opening.hex(): thread})
    return Recalled(NOW_S, now, known, thread, shared)


def refusal_of(request: Request, model: str) -> str | None:
    """What the vendor says to the request as it would be sent; None: it takes it."""
    body: Json = orjson.loads(encode(request, model))
    version = wire_headers(request)["anthropic-version"]
    try:
        check(Asked(body, VENDOR_MODELS[model], version, beta=True, counting=False))
    except ApiError as refused:
        return str(refused) or type(refused).__name__
    return None


def candidates(request: Request, rules: Policy) -> Iterator[str]:
    """The models that may answer the request."""
    if request.model == "auto":
        yield from rules.catalog.tiers.values()
    else:
        found = rules.catalog.find(request.model)
        assert found is not None
        yield found.id


def untouched(request: Request, rules: Policy, model: str, *, adapted: bool) -> Request:
    """The request as it reaches a model that its caller named, without marks of ours."""
    plain = replace(rules, cache=replace(rules.cache, mode="off"))
    named = replace(request, model=model, original=None)
    return prepare(named, KEY, plain, NOW, adapted=adapted).request


def stays_valid(request: Request, rules: Policy, data: Any, *, adapted: bool) -> None:
    names = list(candidates(request, rules))
    known = data.draw(remembered(request, names))
    taken = [
        name
        for name in names
        if refusal_of(untouched(request, rules, name, adapted=adapted), name) is None
    ]
    assume(taken)
    threshold = data.draw(st.sampled_from([None, 0.0, 1.0]))
    found = prepare(request, KEY, rules, NOW, adapted=adapted, known=known, threshold=threshold)
    assert refusal_of(found.request, found.model.id) is None


def law(examples: int) -> settings:
    """So many examples that the vendor would answer; what it refuses anyway does not count."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=examples, suppress_health_check=quiet)


tier_sets = st.sampled_from(sorted(TIERS))
ttls = st.sampled_from(["auto", "auto", "5m", "1h"])


def native(body: Json, tiers: str, ttl: str, data: Any) -> None:
    request = anthropic_messages.parse(orjson.dumps(body))
    stays_valid(request, policy(tiers, ttl), data, adapted=False)


def translated(body: Json, tiers: str, ttl: str, data: Any) -> None:
    try:
        request = openai_chat.parse(orjson.dumps(body)).request
    except BadRequest:
        reject()
    stays_valid(request, policy(tiers, ttl), data, adapted=True)


def lawful(bodies: st.SearchStrategy[Json], examples: int) -> Callable[..., Any]:
    def put(test: Callable[..., None]) -> Callable[..., None]:
        drawn = given(body=bodies, tiers=tier_sets, ttl=ttls, data=st.data())
        return law(examples)(drawn(test))

    return put


@pytest.mark.timeout(400)
@lawful(marked_everywhere(), 350)
def test_a_message_that_is_valid_stays_so(body: Json, tiers: str, ttl: str, data: Any) -> None:
    native(body, tiers, ttl, data)


@lawful(chat_bodies(), 150)
def test_a_chat_completion_that_is_valid_stays_so(
    body: Json, tiers: str, ttl: str, data: Any
) -> None:
    translated(body, tiers, ttl, data)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@lawful(marked_everywhere(), 7_000)
def test_seven_thousand_messages_that_are_valid_stay_so(
    body: Json, tiers: str, ttl: str, data: Any
) -> None:
    native(body, tiers, ttl, data)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@lawful(chat_bodies(), 3_000)
def test_three_thousand_chat_completions_that_are_valid_stay_so(
    body: Json, tiers: str, ttl: str, data: Any
) -> None:
    translated(body, tiers, ttl, data)
