"""Where a call goes when an upstream fails: which target is next, for whom, and what it costs.

The haiku model costs 1,000 nano-USD a token of input and 5,000 of output, the twin twice as much.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.calls.attempts import RetryOptions
from app.calls.story import count_tokens
from app.core import errors
from app.core.caching import CacheRules
from app.core.ended import Ending
from app.core.models import Accepts, Catalog
from app.core.preparation import Policy
from app.core.pricing import Rates
from app.core.request import Reply, TokenCount
from app.core.routing import Rules
from app.core.usage import Usage
from app.ports import Call
from app.upstream.breakers import Breakers
from tests.calls.fakes import HEADERS, After, ScriptedUpstream, says
from tests.calls.told import Told, set_up, streamed, whole
from tests.core.catalogs import CATALOG, HAIKU, MODERN, SONNET, prices

TWICE = Rates(2_000_000, 10_000_000, 2_500_000, 4_000_000, 200_000)
LISTED = replace(HAIKU, upstreams=("anthropic", "second"))
TWIN = replace(HAIKU, id="twin-model", upstreams=("other",), schedule=(prices(TWICE),), aliases=())
NAMES = {m.id: m for m in (LISTED, SONNET, MODERN, TWIN)}
ALIASES = {"small": "haiku-model"}
TIERS = {"haiku": "haiku-model", "sonnet": "sonnet-model"}
VENDORS = {"anthropic": "anthropic", "second": "anthropic", "other": "openrouter"}
ONCE = RetryOptions(max_attempts=1)


def policy(*fallbacks: str, **more: Any) -> Policy:
    catalog = Catalog(NAMES | more.pop("models", {}), ALIASES, TIERS)
    to = {"haiku-model": fallbacks} if fallbacks else {}
    vendors = VENDORS | more.pop("vendors", {})
    off = CacheRules(mode="off")
    return Policy(catalog, Rules(), off, fallbacks=to, vendors=vendors, **more)


def reply(model: str) -> Reply:
    usage = Usage(input_tokens=10, output_tokens=20)
    return Reply("msg_1", model, (), "end_turn", usage, headers=HEADERS)


BUSY = After(0.1, errors.OverloadedError("busy", status=529))
SILENT = After(2.0, errors.APITimeoutError("silence"))
HAIKU_ANSWERS = After(1.0, reply("haiku-model"))
TWIN_ANSWERS = After(1.0, reply("twin-model"))


def tried(told: Told) -> list[tuple[str, str]]:
    return [(attempt.upstream, attempt.model) for attempt in told.ended.attempts]


FIRST, SECOND = ("anthropic", "haiku-model"), ("second", "haiku-model")
OTHER = ("other", "twin-model")


async def test_a_list_of_upstreams_is_tried_in_order_before_another_model() -> None:
    told = await whole([BUSY, BUSY, TWIN_ANSWERS], retries=ONCE, policy=policy("twin-model"))
    assert tried(told) == [FIRST, SECOND, OTHER]
    assert [call.model.id for call in told.upstream.sent] == [
        "haiku-model",
        "haiku-model",
        "twin-model",
    ]
    # 10 x 2,000 + 20 x 10,000
    assert told.summary == ("settled", 220_000, "computed", 200, None)
    assert (told.ended.model, told.ended.upstream) == ("twin-model", "other")
    assert told.receipt is not None
    opening = told.receipt.opening
    assert (opening.requested_model, opening.model, opening.attempts) == (
        "haiku-model",
        "twin-model",
        3,
    )


async def test_the_second_upstream_costs_what_the_first_would() -> None:
    told = await whole([BUSY, HAIKU_ANSWERS], retries=ONCE, policy=policy())
    assert tried(told) == [FIRST, SECOND]
    assert told.summary == ("settled", 110_000, "computed", 200, None)


async def test_each_target_is_tried_as_often_as_its_failures_pass() -> None:
    two = RetryOptions(max_attempts=2)
    told = await whole([BUSY] * 5 + [TWIN_ANSWERS], retries=two, policy=policy("twin-model"))
    assert tried(told) == [FIRST, FIRST, SECOND, SECOND, OTHER, OTHER]


async def test_what_the_caller_is_told_when_all_fail_is_the_last_failure() -> None:
    limited = After(0.1, errors.RateLimitError("slow", status=429))
    told = await whole([BUSY, SILENT, limited], retries=ONCE, policy=policy("twin-model"))
    assert told.raised is errors.RateLimitError
    # The silence: 10 counted tokens in, 64 + 600 out.
    assert told.summary == ("settled", 3_330_000, "estimated", 429, "upstream_rate_limited")
    assert told.ended.model == "twin-model"


async def test_a_charge_at_one_target_stays_when_another_answers() -> None:
    told = await whole([SILENT, BUSY, TWIN_ANSWERS], retries=ONCE, policy=policy("twin-model"))
    # 10 in and 664 out at the first, the answer at the twin.
    assert told.summary == ("settled", 3_330_000 + 220_000, "estimated", 200, None)


async def test_what_another_model_can_cost_is_held_at_its_own_prices() -> None:
    # At the first 34 in and 1,000 out: 5,034,000; at the twin 10,068,000.
    told = await whole([BUSY, BUSY, TWIN_ANSWERS], limit=10_068_000, retries=ONCE,
                       policy=policy("twin-model"))  # fmt: skip
    assert told.ended.held_nano_usd == 10_068_000
    short = await whole([BUSY, BUSY], limit=10_067_999, retries=ONCE, policy=policy("twin-model"))
    assert short.raised is errors.OverloadedError
    assert tried(short) == [FIRST, SECOND]
    assert short.summary == ("released", 0, None, 503, "upstream_overloaded")


async def test_a_target_that_does_not_fit_is_passed_over_for_a_cheaper_one() -> None:
    dear = replace(TWIN, id="dear-model", schedule=(prices(Rates(*[20_000_000] * 5)),))
    plan = policy("dear-model", "twin-model", models={"dear-model": dear})
    told = await whole([BUSY, BUSY, TWIN_ANSWERS], limit=12_000_000, retries=ONCE, policy=plan)
    assert tried(told) == [FIRST, SECOND, ("other", "twin-model")]


async def test_a_model_that_the_key_may_not_use_is_passed_over() -> None:
    told = await whole([BUSY, BUSY], retries=ONCE, policy=policy("twin-model"),
                       key={"models": ("haiku-model",)})  # fmt: skip
    assert tried(told) == [FIRST, SECOND]


async def test_a_model_with_a_budget_of_its_own_stands_in_for_no_other() -> None:
    told = await whole([BUSY, BUSY], retries=ONCE, policy=policy("twin-model"),
                       key={"model_budgets_nano_usd": {"twin-model": 1}})  # fmt: skip
    assert tried(told) == [FIRST, SECOND]


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking"])
async def test_a_history_with_thinking_stays_with_its_model_and_vendor(kind: str) -> None:
    block = {"type": kind, "thinking": "Hm.", "signature": "c2VhbA==", "data": "c2VhbA=="}
    turns = (
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [block, {"type": "text", "text": "Hello."}]},
        {"role": "user", "content": "And?"},
    )
    told = await whole([BUSY, BUSY], retries=ONCE, policy=policy("twin-model"), messages=turns)
    assert tried(told) == [FIRST, SECOND]
    apart = policy("twin-model", vendors={"second": "openrouter"})
    told = await whole([BUSY], retries=ONCE, policy=apart, messages=turns)
    assert tried(told) == [FIRST]


async def test_the_request_is_adapted_for_the_model_that_it_goes_to() -> None:
    plain = replace(TWIN, accepts=Accepts(sampling=False, efforts=()))
    plan = policy("twin-model", models={"twin-model": plain})
    told = await whole([BUSY, BUSY, TWIN_ANSWERS], retries=ONCE, policy=plan, native=True,
                       options={"temperature": 0.5})  # fmt: skip
    first, _, last = told.upstream.sent
    assert (dict(first.request.options), dict(last.request.options)) == ({"temperature": 0.5}, {})
    assert told.receipt is not None
    assert told.receipt.opening.dropped == ("temperature",)


async def test_a_model_that_would_refuse_the_request_is_passed_over() -> None:
    turns = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "So"})
    told = await whole([BUSY, BUSY], retries=ONCE, policy=policy("twin-model"), messages=turns)
    assert tried(told) == [FIRST, SECOND]


async def test_an_answers_length_is_within_what_each_model_can_write() -> None:
    short = replace(TWIN, limits=replace(TWIN.limits, max_output_tokens=400))
    plan = policy("twin-model", models={"twin-model": short})
    told = await whole([BUSY, BUSY, TWIN_ANSWERS], retries=ONCE, policy=plan)
    assert [call.request.max_tokens for call in told.upstream.sent] == [1_000, 1_000, 400]
    assert told.receipt is not None
    assert told.receipt.opening.max_tokens_set == 400


async def test_a_routed_call_falls_back_from_the_model_it_was_routed_to() -> None:
    told = await whole([BUSY, BUSY, TWIN_ANSWERS], retries=ONCE, model="auto",
                       policy=policy("twin-model"))  # fmt: skip
    assert tried(told) == [FIRST, SECOND, OTHER]
    assert told.ended.route.label == "haiku"


START = says(
    0.1,
    {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "twin-model", "usage": {"input_tokens": 10}},
    },
)
ENDS = (
    says(0.1, {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
               "usage": {"output_tokens": 20}}),
    says(0.1, {"type": "message_stop"}),
)  # fmt: skip


async def test_a_stream_moves_on_before_its_first_byte() -> None:
    told = await streamed([BUSY, SILENT, After(0.1, (START, *ENDS))], retries=ONCE,
                          policy=policy("twin-model"))  # fmt: skip
    assert tried(told) == [FIRST, SECOND, OTHER]
    assert told.opening is not None
    assert (told.opening.model, told.opening.attempts) == ("twin-model", 3)
    assert told.summary == ("settled", 3_330_000 + 220_000, "estimated", 200, None)


async def test_a_stream_that_has_begun_is_not_begun_again_elsewhere() -> None:
    broken = says(0.1, {"type": "error", "error": {"type": "overloaded_error"}})
    told = await streamed([After(0.1, (START, broken))], retries=ONCE, policy=policy("twin-model"))
    assert told.raised is errors.OverloadedError
    assert tried(told) == [FIRST]


def resting(*places: tuple[str, str]) -> Breakers:
    """Breakers that are open there, by a clock that stands still."""
    breakers = Breakers(lambda *_: None, lambda: 0.0)
    for place in places:
        for _ in range(5):
            breakers.failed(*place)
    return breakers


async def test_a_call_passes_by_what_rests() -> None:
    told = await whole([TWIN_ANSWERS], policy=policy("twin-model"), breaker=resting(FIRST, SECOND))
    assert tried(told) == [OTHER]
    assert told.summary == ("settled", 220_000, "computed", 200, None)
    assert told.ended.held_nano_usd == 10_068_000
    streaming = await streamed([After(0.1, (START, *ENDS))], policy=policy("twin-model"),
                               breaker=resting(FIRST, SECOND))  # fmt: skip
    assert tried(streaming) == [OTHER]


async def test_a_call_with_nowhere_else_to_go_is_sent_all_the_same() -> None:
    breaker = resting(FIRST, SECOND, OTHER)
    told = await whole([HAIKU_ANSWERS], policy=policy("twin-model"), breaker=breaker)
    assert tried(told) == [FIRST]
    assert breaker.states == {SECOND: "open", OTHER: "open"}  # an answer closes it


async def test_what_rests_is_tried_when_nothing_else_fits_the_budget() -> None:
    told = await whole([HAIKU_ANSWERS], limit=6_000_000, policy=policy("twin-model"),
                       breaker=resting(FIRST, SECOND))  # fmt: skip
    assert tried(told) == [FIRST]


JUDGED = [
    # what happens five times, and whether the breaker is open afterwards
    (BUSY, True),
    (SILENT, True),
    (After(0.1, errors.RateLimitError("slow", status=429)), True),
    (After(0.1, errors.APIConnectionError("no route")), True),
    (After(0.1, errors.AuthenticationError("who?", status=401)), True),
    (After(0.1, errors.PaymentRequiredError("pay", status=402)), True),
    (After(0.1, errors.BadRequestError("what?", status=400)), False),
    (After(0.1, errors.NotFoundError("where?", status=404)), False),
    (HAIKU_ANSWERS, False),
]


@pytest.mark.parametrize(("outcome", "opens"), JUDGED)
async def test_only_an_upstreams_own_failures_open_its_breaker(
    outcome: After, *, opens: bool
) -> None:
    breaker, single = resting(), Policy(CATALOG, Rules(), CacheRules(mode="off"))
    for _ in range(5):
        await whole([outcome], retries=ONCE, policy=single, breaker=breaker)
    assert (breaker.states == {FIRST: "open"}) is opens


async def test_a_stream_that_breaks_counts_and_one_that_is_whole_closes() -> None:
    breaker, single = resting(), Policy(CATALOG, Rules(), CacheRules(mode="off"))
    broken = After(0.1, (START, After(0.1, errors.APITimeoutError("silence"))))
    for _ in range(5):
        await streamed([broken], policy=single, breaker=breaker)
    assert breaker.states == {FIRST: "open"}
    left = await streamed([After(0.1, (START, *ENDS))], leaves_after=1, policy=single,
                          reason=Ending.CALLER_LEFT, breaker=breaker)  # fmt: skip
    assert (left.ended.reason, breaker.states) == (Ending.CALLER_LEFT, {FIRST: "open"})
    await streamed([After(0.1, (START, *ENDS))], policy=single, breaker=breaker)
    assert breaker.states == {}


class Uncounting(ScriptedUpstream):
    """Counts nothing, for a reason."""

    error: errors.UpstreamError = errors.OverloadedError("busy", status=529)

    async def count_tokens(self, _call: Call) -> TokenCount:
        raise self.error


async def test_a_count_is_asked_of_the_next_upstream_too() -> None:
    told, gateway, incoming = set_up([], policy=policy())
    failing = Uncounting(told.clock, [])
    others = {**gateway.upstreams, "anthropic": failing}
    gateway = replace(gateway, upstreams=others)
    assert (await count_tokens(incoming, gateway)).tokens == 10
    failing.error = errors.BadRequestError("no", status=400)
    with pytest.raises(errors.BadRequestError):
        await count_tokens(incoming, gateway)
    gateway = replace(gateway, upstreams=dict.fromkeys(others, Uncounting(told.clock, [])))
    with pytest.raises(errors.OverloadedError):
        await count_tokens(incoming, gateway)
