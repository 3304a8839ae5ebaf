"""Why a cache missed, and what that cost: amounts worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest

from app.core.billing import Answer, Sent, bill
from app.core.fingerprints import Fingerprint, fingerprint
from app.core.misses import Miss, MissReason, Read, miss_of, missed_nano_usd, nearest_thread
from app.core.price_list import Listed, PriceList, RefusalRule
from app.core.pricing import Prices, PriceStep, Rates, snapshot
from app.core.remembered import Conversation, Recalled, Thread, Warm
from app.core.replay import Line, lines_of
from app.core.request import Request
from app.core.usage import Part, Usage
from tests.core.catalogs import HAIKU_RATES, MODERN, SONNET_RATES, prices

SONNET, HAIKU = "sonnet-model", "haiku-model"
MARK = {"cache_control": {"type": "ephemeral"}}
TURNS = (
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": [{"type": "text", "text": "More", **MARK}]},
)
BEFORE = Request("auto", TURNS[:1], system=({"type": "text", "text": "Brief.", **MARK},))
SENT = replace(BEFORE, messages=TURNS)
LEFT = Warm(20_000, 0, 300, 1_000.0, fingerprint(BEFORE), (0, 0), "anthropic")
NOTHING_READ = Usage(input_tokens=500, cache_write_5m_tokens=22_000)


def known(warm: Warm | None = LEFT, *, now_s: float = 1_060.0, sent: Request = SENT) -> Recalled:
    thread = None if warm is None else Thread(SONNET, warm.at_s, {SONNET: warm})
    return Recalled(now_s, fingerprint(sent), None, thread)


def read(usage: Usage = NOTHING_READ, **fields: Any) -> Read:
    asked: dict[str, Any] = {
        "model": SONNET,
        "upstream": "anthropic",
        "rates": snapshot(SONNET, usage, prices(SONNET_RATES)),
        "least_tokens": 1_024,
    }
    return Read(usage=usage, **{**asked, **fields})


def reason(*, sent: Request = SENT, **fields: Any) -> MissReason | None:
    remembered = {name: fields.pop(name) for name in ("warm", "now_s") if name in fields}
    found = miss_of(known(sent=sent, **remembered), sent, read(**fields))
    return None if found is None else found.reason


HIT = Usage(input_tokens=10, cache_write_5m_tokens=90, cache_read_tokens=20_000)
FAR = replace(SENT, messages=(*TURNS[:2], {"role": "user", "content": [
    *({"type": "text", "text": str(n)} for n in range(25)), {"type": "text", "text": "x", **MARK}
]}))  # fmt: skip
NEAR = replace(SENT, messages=(*TURNS[:2], {"role": "user", "content": [
    *({"type": "text", "text": str(n)} for n in range(17)), {"type": "text", "text": "x", **MARK}
]}))  # fmt: skip
NO_MARK = Request("auto", TURNS[:2], system=({"type": "text", "text": "Brief."},))
DATES = ("Mon, 30 Nov 2026 22:00:00 GMT", "Mon, 30 Nov 2026 22:05:00 GMT")
CASES: list[tuple[dict[str, Any], MissReason | None]] = [
    ({"warm": None}, MissReason.FIRST_SEEN),
    ({"warm": None, "usage": HIT}, None),  # others had the same beginning
    ({"warm": None, "usage": Usage(input_tokens=1_023)}, MissReason.BELOW_MINIMUM),
    ({"warm": None, "usage": Usage(input_tokens=1_024)}, MissReason.FIRST_SEEN),
    ({"warm": replace(LEFT, tokens=0)}, MissReason.FIRST_SEEN),
    ({"usage": HIT}, None),
    ({"model": HAIKU}, MissReason.MODEL_CHANGED),
    ({"model": HAIKU, "now_s": 2_000.0}, MissReason.MODEL_CHANGED),
    ({"upstream": "second"}, MissReason.MODEL_CHANGED),
    ({"now_s": 1_299.9}, MissReason.UNKNOWN),
    ({"now_s": 1_300.0}, MissReason.EXPIRED),
    ({"now_s": 1_300.0, "warm": replace(LEFT, ttl_s=3_600)}, MissReason.UNKNOWN),
    ({"warm": replace(LEFT, date=DATES[0]), "date": DATES[1]}, MissReason.EXPIRED),
    ({"warm": replace(LEFT, date="soon"), "date": DATES[1]}, MissReason.UNKNOWN),
    ({"warm": replace(LEFT, date=DATES[0][:-3] + "-0000"), "date": DATES[1]}, MissReason.UNKNOWN),
    ({"warm": replace(LEFT, date=DATES[0][:-3] + "+" + "9" * 20), "date": DATES[1]},
     MissReason.UNKNOWN),
    ({"sent": replace(SENT, tools=({"name": "a"},))}, MissReason.TOOLS_CHANGED),
    ({"sent": replace(SENT, tools=({"name": "a"},), system=())}, MissReason.TOOLS_CHANGED),
    ({"sent": replace(SENT, system=())}, MissReason.SYSTEM_CHANGED),
    ({"sent": replace(SENT, messages=TURNS[1:])}, MissReason.MESSAGES_CHANGED),
    ({"sent": replace(SENT, messages=())}, MissReason.MESSAGES_CHANGED),
    ({"sent": replace(SENT, options={"tool_choice": {"type": "any"}})},
     MissReason.MESSAGES_CHANGED),
    ({"usage": Usage(input_tokens=1_000)}, MissReason.BELOW_MINIMUM),
    ({"told": "tools_changed"}, MissReason.TOOLS_CHANGED),
    ({"told": "unavailable"}, MissReason.UNKNOWN),
    ({"sent": FAR}, MissReason.LOOK_BACK),
    ({"sent": FAR, "told": "messages_changed"}, MissReason.MESSAGES_CHANGED),
    ({"sent": NEAR}, MissReason.UNKNOWN),
    ({"sent": NO_MARK}, MissReason.LOOK_BACK),
]  # fmt: skip


@pytest.mark.parametrize(("given", "why"), CASES)
def test_the_first_evidence_explains_it(given: dict[str, Any], why: MissReason | None) -> None:
    assert reason(**given) == why


def test_what_was_not_marked_is_not_blamed() -> None:
    marked = replace(LEFT, end=(-1, 0))
    edited = replace(SENT, messages=({"role": "user", "content": "Ho"}, *TURNS[1:]))
    assert reason(warm=marked, sent=edited) is MissReason.UNKNOWN
    tools = replace(LEFT, end=(-2, 0))
    assert reason(warm=tools, sent=replace(SENT, system=())) is MissReason.UNKNOWN


TIERED = Prices(
    **{
        name: getattr(prices(HAIKU_RATES), name)
        for name in ("effective_from", "sources", "origins")
    },
    steps=(
        PriceStep(-1, Rates(100_000, 500_000, 125_000, 200_000, 10_000)),
        PriceStep(100_000, Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000)),
    ),
)
AMOUNTS = [
    # P        used                                       prices               nano-USD
    (20_000, NOTHING_READ, prices(SONNET_RATES), 20_000 * 3_450),
    (20_000, Usage(22_500), prices(SONNET_RATES), 20_000 * 2_700),
    (20_000, Usage(22_500, cache_read_tokens=20_000), prices(SONNET_RATES), 0),
    (20_000, Usage(0, 4_000, 10_000, 5_000), prices(SONNET_RATES), 10_000 * 5_700 + 4_000 * 3_450),
    (20_000, Usage(9_000, 4_000, 10_000, 5_000), prices(SONNET_RATES),
     10_000 * 5_700 + 4_000 * 3_450 + 1_000 * 2_700),
    (20_000, Usage(300, 1_700), prices(SONNET_RATES), 1_700 * 3_450 + 300 * 2_700),
    (20_000, replace(NOTHING_READ, us=True), MODERN.schedule[0], 20_000 * 3_795),
    (20_000, replace(NOTHING_READ, fast=True), MODERN.schedule[0], 20_000 * 6_900),
    (90_000, Usage(10_000, 90_000), TIERED, 90_000 * 115),
    (90_000, Usage(10_001, 90_000), TIERED, 90_000 * 575),
    (3, Usage(3), TIERED, 270),
]  # fmt: skip


def line(usage: Usage, listed: Prices) -> Line:
    (found,) = lines_of(orjson.loads(snapshot(SONNET, usage, listed)), usage)
    return found


@pytest.mark.parametrize(("tokens", "usage", "listed", "nano"), AMOUNTS)
def test_what_a_miss_costs_is_what_was_paid_above_reading(
    tokens: int, usage: Usage, listed: Prices, nano: int
) -> None:
    assert missed_nano_usd(line(usage, listed), tokens) == nano


def test_it_is_rounded_once_half_to_even() -> None:
    odd = prices(Rates(500, 0, 750, 0, 250))  # 0.25 nano-USD a token above reading, 0.5 written
    assert [missed_nano_usd(line(Usage(n), odd), n) for n in (1, 2, 3, 6)] == [0, 0, 1, 2]
    assert missed_nano_usd(line(Usage(1, 1), odd), 2) == 1


def test_nothing_is_charged_to_what_was_never_there() -> None:
    assert miss_of(known(None), SENT, read()) == Miss(MissReason.FIRST_SEEN, 0)
    short = miss_of(known(), SENT, read(Usage(input_tokens=1_000)))
    assert short == Miss(MissReason.BELOW_MINIMUM, 0)
    rates = snapshot(HAIKU, NOTHING_READ, prices(HAIKU_RATES))
    changed = miss_of(known(), SENT, read(model=HAIKU, rates=rates))
    assert changed == Miss(MissReason.MODEL_CHANGED, 20_000 * 1_150, 20_000)


FREE = RefusalRule(date(2026, 1, 1), frozenset({None}), frozenset({"bio"}))
KNOWN = PriceList(
    {
        "sonnet-model": Listed("sonnet-model", "sonnet-model", (prices(SONNET_RATES),)),
        "opus": Listed("opus", "opus", (prices(Rates(5_000_000, 1, 6_250_000, 1, 500_000)),)),
    },
    (FREE,),
)


@pytest.mark.parametrize(
    ("answer", "nano"),
    [
        (Answer(SONNET), 20_000 * 3_450),
        (Answer("nobody's"), 20_000 * 5_750),  # no price: at the dearest of each, 6,250 less 500
        (Answer(SONNET, "refusal"), 0),
        (Answer(SONNET, "refusal", "bio"), 20_000 * 3_450),
        (Answer(SONNET, "refusal", "new"), 20_000 * 3_450),
    ],
)
def test_a_miss_costs_what_its_call_was_charged(answer: Answer, nano: int) -> None:
    listed = prices(SONNET_RATES)
    sent = Sent(SONNET, listed, listed, KNOWN, date(2026, 12, 1))
    rates = bill(NOTHING_READ, answer, sent).rates
    fresh = miss_of(known(now_s=1_300.0), SENT, read(rates=rates))
    assert fresh == Miss(MissReason.EXPIRED, nano, 20_000)


def test_of_several_model_calls_the_one_counts_that_wrote_the_answer() -> None:
    advised, own = Usage(input_tokens=900, output_tokens=5), Usage(cache_read_tokens=20_000)
    parts = (Part("message", own), Part("advisor_message", advised, "other"))
    assert Usage(900, cache_read_tokens=20_000, parts=parts).answering is own
    assert own.answering is own


def test_a_call_with_new_first_words_goes_on_with_what_is_much_like_it() -> None:
    now = fingerprint(SENT)
    clock, tools = replace(now, system=b"12:01"), replace(now, tools=b"others")
    other = replace(clock, tools=b"others")

    def asked(*each: Fingerprint) -> float | None:
        threads = {
            str(n): Thread(SONNET, float(n), {SONNET: replace(LEFT, fingerprint=then)})
            for n, then in enumerate(each)
        }
        found = nearest_thread(Conversation(SONNET, "anthropic", threads), now)
        return None if found is None else found.at_s

    assert asked(now, now) == 1
    assert asked(now, clock) == 0  # the same kind of call, though not the last one
    assert (asked(other, clock), asked(other, tools)) == (1, 1)
    assert (asked(clock, other), asked()) == (None, None)
    cold = Conversation(SONNET, "anthropic", {"0": Thread(SONNET, 0.0, {})})
    assert nearest_thread(cold, now) is None
