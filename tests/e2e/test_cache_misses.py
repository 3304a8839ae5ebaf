"""Why a cache missed and what it cost, as a row tells it: in both lanes, streamed and whole.

On Sonnet 4.6 a token costs 3,000 nano-USD, 3,750 written for five minutes, 6,000 for an hour and
300 read; on Haiku 4.5 1,000, 1,250, 2,000 and 100. Four bytes are a token of either.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from app.core.money import nano_usd
from tests.running import Gateway, Simulated

SONNET, HAIKU = "claude-sonnet-4-6", "claude-haiku-4-5-20251001"
SYSTEM = "s" * 24_000  # 6,000 tokens
TOOLS = [
    {"name": name, "description": name * 2_000, "input_schema": {"type": "object"}}
    for name in ("look", "find")
]
WRITTEN_NOT_READ = 3_450  # nano-USD for a token of Sonnet's
READ_OF_HAIKU = 1_150
_numbers = count()


def text(words: str, *, mark: bool = False, ttl: str = "5m") -> dict[str, Any]:
    marked = {"cache_control": {"type": "ephemeral", "ttl": ttl}} if mark else {}
    return {"type": "text", "text": words, **marked}


class Talk:
    """One conversation: each call's row, whatever the lane and the form."""

    def __init__(self, served: Gateway, lane: str, *, stream: bool) -> None:
        self._served, self._lane, self._stream = served, lane, stream
        self.secret = served.key()
        self.name = f"talk-{next(_numbers)}"

    @property
    def otherwise(self) -> dict[str, Any]:
        """Options with which the vendor keeps the system prompt and forgets the turns."""
        if self._lane == "native":
            return {"thinking": {"type": "enabled", "budget_tokens": 1_024}}
        schema = {"type": "object", "properties": {}, "additionalProperties": False}
        return {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": schema},
            }
        }

    def say(self, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        """Sonnet is asked, with a marked system prompt unless `fields` say otherwise."""
        asked = {"model": SONNET, "max_tokens": 20, "system": [text(SYSTEM, mark=True)], **fields}
        path, body = "/v1/messages", {**asked, "messages": messages}
        if self._lane == "openai":
            path, body = "/v1/chat/completions", as_chat(body)
        headers = {"x-session-id": self.name, "x-tollkeeper-cache": "off"}
        answer = self._served.post(path, self.secret, {**body, "stream": self._stream}, **headers)
        assert answer.status_code == 200, answer.text
        return self._served.row(answer.headers["x-request-id"])


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The same in OpenAI's form, its marks too."""
    system = [{"role": "system", "content": [as_part(each) for each in body["system"]]}]
    turns = [
        each
        if isinstance(each["content"], str)
        else {**each, "content": [as_part(part) for part in each["content"]]}
        for each in body["messages"]
    ]
    made = {**body, "messages": [*system, *turns]}
    del made["system"]
    if "tools" in made:
        made["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": each["name"],
                    "description": each["description"],
                    "parameters": each["input_schema"],
                },
            }
            for each in made["tools"]
        ]
    return made


def as_part(block: dict[str, Any]) -> dict[str, Any]:
    mark = block.get("cache_control")
    part = {"type": "text", "text": block["text"]}
    if mark is None:
        return part
    return part | {"prompt_cache_breakpoint": {"mode": "explicit"}}


@pytest.fixture(params=["openai", "native"])
def lane(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def talk(request: pytest.FixtureRequest, served: Gateway, lane: str) -> Talk:
    return Talk(served, lane, stream=request.param)


def told(row: dict[str, Any]) -> tuple[str | None, str | None]:
    return row["cache_miss_reason"], row["cache_miss_usd"]


def usd(nano: int) -> str:
    whole, rest = divmod(nano, 1_000_000_000)
    digits = f"{rest:09}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits}"


def user(words: str, *, mark: bool = False) -> dict[str, Any]:
    return {"role": "user", "content": [text(words, mark=mark)]}


HELLO = [user("Hello")]
MORE = [*HELLO, {"role": "assistant", "content": "Hi."}, user("And now?")]


def test_the_first_call_writes_and_the_next_one_reads(talk: Talk) -> None:
    first = talk.say(HELLO)
    assert (first["cache_write_5m_tokens"], told(first)) == (6_000, ("first_seen", "0.00"))
    second = talk.say(MORE)
    assert (second["cache_read_tokens"], told(second)) == (6_000, (None, None))


def test_a_clock_in_the_system_prompt(talk: Talk) -> None:
    talk.say(HELLO)
    later = talk.say(MORE, system=[text(f"12:01 {SYSTEM}", mark=True)])
    assert told(later) == ("system_changed", usd(6_000 * WRITTEN_NOT_READ))


def test_tools_in_another_order(talk: Talk) -> None:
    first = talk.say(HELLO, tools=TOOLS)
    cached = first["cache_write_5m_tokens"]
    assert cached > 6_000 + 4_000
    later = talk.say(MORE, tools=TOOLS[::-1])
    assert told(later) == ("tools_changed", usd(cached * WRITTEN_NOT_READ))


def test_a_conversation_that_is_named_is_one_though_each_turn_comes_alone(talk: Talk) -> None:
    marked, clock = [text(SYSTEM, mark=True)], [text(f"12:01 {SYSTEM}", mark=True)]
    assert told(talk.say([user("One?")], system=marked)) == ("first_seen", "0.00")
    assert told(talk.say([user("Two?")], system=marked)) == (None, None)
    moved = talk.say([user("Three?")], system=clock)
    assert told(moved) == ("system_changed", usd(6_000 * WRITTEN_NOT_READ))
    tools = talk.say([user("Four?")], system=clock, tools=TOOLS)
    assert told(tools) == ("tools_changed", usd(6_002 * WRITTEN_NOT_READ))
    turned = talk.say([user("Five?")], system=clock, tools=TOOLS[::-1])
    cached = tools["cache_write_5m_tokens"]
    assert told(turned) == ("tools_changed", usd(cached * WRITTEN_NOT_READ))
    assert told(talk.say([user("Six?")], system=marked)) == (None, None)
    others = [text("t" * 24_000, mark=True)]
    assert told(talk.say([user("Seven?")], system=others, tools=BIG_TOOLS))[0] == "first_seen"


def test_a_pause_longer_than_the_lifetime(talk: Talk, upstream: Simulated) -> None:
    talk.say(HELLO)
    upstream.forward(290)
    assert told(talk.say(MORE)) == (None, None)
    upstream.forward(301)
    assert told(talk.say(MORE)) == ("expired", usd(6_000 * WRITTEN_NOT_READ))


def test_another_model_answers(talk: Talk) -> None:
    talk.say(HELLO)
    moved = talk.say(MORE, model=HAIKU)
    assert told(moved) == ("model_changed", usd(6_000 * READ_OF_HAIKU))
    back = talk.say(MORE)  # Sonnet's own is warm still: nothing is lost by going back
    assert (back["cache_read_tokens"], told(back)) == (6_000, (None, None))


def test_a_prompt_that_is_too_short(talk: Talk) -> None:
    for turns in (HELLO, MORE):
        row = talk.say(turns, system=[text("Be brief.", mark=True)])
        assert told(row) == ("below_minimum", "0.00")


def test_an_edited_turn(talk: Talk) -> None:
    long = "x" * 8_000
    first = talk.say([user(long, mark=True)])
    assert first["cache_write_5m_tokens"] == 8_004
    edited = talk.say([user(f"{long}!", mark=True)])
    assert edited["cache_read_tokens"] == 6_000
    assert told(edited) == ("messages_changed", usd(2_004 * WRITTEN_NOT_READ))


def test_more_blocks_in_a_turn_than_a_mark_looks_back(talk: Talk) -> None:
    talk.say([user("x" * 8_000, mark=True)])
    turn = {
        "role": "user",
        "content": [text(f"{n:04}") for n in range(24)] + [text("!", mark=True)],
    }
    added = [user("x" * 8_000), {"role": "assistant", "content": "Well."}, turn]
    row = talk.say(added, system=[text(SYSTEM)])
    assert row["cache_read_tokens"] == 0
    assert told(row) == ("look_back", usd(8_004 * WRITTEN_NOT_READ))


def test_an_option_that_the_turns_are_kept_by(talk: Talk) -> None:
    turn = [user("x" * 8_000, mark=True)]
    talk.say(turn)
    row = talk.say(turn, max_tokens=4_000, **talk.otherwise)
    assert row["cache_read_tokens"] == 6_000
    assert told(row) == ("messages_changed", usd(2_004 * WRITTEN_NOT_READ))


def test_a_miss_that_nothing_explains_is_unknown(talk: Talk, upstream: Simulated) -> None:
    talk.say(HELLO)
    upstream.reset()  # the vendor lost it
    assert told(talk.say(MORE)) == ("unknown", usd(6_000 * WRITTEN_NOT_READ))


@pytest.mark.parametrize(
    ("category", "cost", "miss"),
    [
        (None, "0.00", "0.00"),
        ("bio", usd(6_002 * 3_750 + 6 * 3_000), usd(6_000 * WRITTEN_NOT_READ)),
    ],
)
def test_a_refusal_misses_at_what_it_is_charged(
    talk: Talk, upstream: Simulated, category: str | None, cost: str, miss: str
) -> None:
    talk.say(HELLO)
    upstream.replies(
        {
            "stop_reason": "refusal",
            "content": [],
            "stop_details": {"type": "refusal", "category": category},
        }
    )
    refused = talk.say(HELLO, system=[text(f"12:04 {SYSTEM}", mark=True)])
    assert (refused["cost_usd"], told(refused)) == (cost, ("system_changed", miss))


def test_the_hour_long_part_is_dearer_and_lives_longer(
    served: Gateway, upstream: Simulated
) -> None:
    talk = Talk(served, "native", stream=False)
    hourly = {"system": [text(SYSTEM, mark=True, ttl="1h")]}
    turn = [user("x" * 8_000, mark=True)]
    first = talk.say(turn, **hourly)
    assert (first["cache_write_1h_tokens"], first["cache_write_5m_tokens"]) == (6_000, 2_004)
    upstream.forward(400)
    later = talk.say(turn, **hourly)
    assert later["cache_read_tokens"] == 6_000
    assert told(later) == ("expired", usd(2_004 * WRITTEN_NOT_READ))
    upstream.forward(3_700)
    again = talk.say(turn, **hourly)
    assert told(again) == ("expired", usd(6_000 * 5_700 + 2_004 * WRITTEN_NOT_READ))


BIG_TOOLS = [
    {"name": name, "description": name * 5_000, "input_schema": {"type": "object"}}
    for name in ("look", "find")
]


def test_a_switch_by_the_router(talk: Talk) -> None:
    system = [text("Be brief.", mark=True)]
    first = talk.say(HELLO, model="auto", tools=BIG_TOOLS, system=system)
    assert first["model"] == HAIKU
    cached = first["cache_write_5m_tokens"]
    assert cached > 10_000
    harder = [*HELLO, {"role": "assistant", "content": "Hi."}, user("x" * 12_000)]
    moved = talk.say(harder, model="auto", tools=BIG_TOOLS, system=system)
    assert (moved["model"], moved["route_reason"]) == (SONNET, "long_text")
    assert told(moved) == ("model_changed", usd(cached * WRITTEN_NOT_READ))
    weighed = moved["routing"]["weighed"]
    assert (weighed["warm_model"], weighed["warm_tokens"]) == (HAIKU, cached)


def test_the_router_keeps_a_model_whose_cache_is_worth_more(talk: Talk) -> None:
    system = [text("Be brief.", mark=True)]
    harder = [user("x" * 12_000)]
    first = talk.say(harder, model="auto", tools=BIG_TOOLS, system=system)
    easy = talk.say(HELLO, model="auto", tools=BIG_TOOLS, system=system)
    assert (first["model"], easy["model"]) == (SONNET, SONNET)
    assert (easy["route_reason"], easy["routing"]["tier"]) == ("kept_warm", "sonnet")
    assert told(easy) == (None, None)
    weighed = easy["routing"]["weighed"]
    assert float(weighed["stay_usd"]) < float(weighed["switch_usd"])


def test_a_prompt_is_counted_by_the_model_that_its_conversation_stays_with(
    served: Gateway, upstream: Simulated
) -> None:
    talk, asked = Talk(served, "native", stream=False), {"model": "auto", "tools": BIG_TOOLS}
    fields = {**asked, "system": [text("Be brief.", mark=True)]}

    def counted(**headers: str) -> str:
        path, body = "/v1/messages/count_tokens", {**fields, "messages": HELLO}
        answer = served.post(path, talk.secret, body, **headers)
        assert answer.status_code == 200, answer.text
        model: str = upstream.log()[-1]["body"]["model"]
        return model

    named = {"x-session-id": talk.name}
    assert counted(**named) == HAIKU
    talk.say([user("x" * 12_000)], **fields)
    assert (counted(**named), counted(**named), counted()) == (SONNET, SONNET, HAIKU)
    assert told(talk.say(HELLO, **fields)) == (None, None)  # counting has taught nothing


def test_helpers_of_one_session_do_not_miss_each_others_prompts(served: Gateway) -> None:
    secret, body = served.key(), {"model": SONNET, "max_tokens": 20, "messages": HELLO}
    asked: Callable[[str], dict[str, Any]] = lambda words: {  # noqa: E731
        **body,
        "system": [text(words * 24_000, mark=True)],
    }
    found = []
    for agent, words in (("a", "s"), ("b", "t"), ("a", "s"), ("b", "t")):
        headers = {"x-claude-code-session-id": "s1", "x-claude-code-agent-id": agent}
        answer = served.post("/v1/messages", secret, asked(words), **headers)
        found.append(told(served.row(answer.headers["x-request-id"]))[0])
    assert found == ["first_seen", "first_seen", None, None]


def test_what_was_missed_is_counted_by_its_reason(served: Gateway) -> None:
    talk = Talk(served, "native", stream=False)
    talk.say(HELLO)
    talk.say(MORE, system=[text(f"12:02 {SYSTEM}", mark=True)])
    shown = served.metrics()
    assert 'tollkeeper_cache_misses_total{model="claude-sonnet-4-6",reason="first_seen"}' in shown
    wanted = (
        'tollkeeper_cache_miss_nano_usd_total{model="claude-sonnet-4-6",reason="system_changed"}'
    )
    (line,) = [each for each in shown.splitlines() if each.startswith(wanted)]
    assert float(line.split()[-1]) >= 6_000 * WRITTEN_NOT_READ


def test_the_savings_name_each_reason_with_what_it_cost(served: Gateway) -> None:
    before = missed_so_far(served)
    talk = Talk(served, "native", stream=False)
    words = "o" * 24_400  # 6,100 tokens
    own = [text(words, mark=True)]
    talk.say(HELLO, system=own)
    talk.say(MORE, system=own)
    talk.say(MORE, system=[text(f"12:03 {words}", mark=True)])
    report = served.admin("GET", "savings?from=2020-01-01&tz=Europe/Berlin")
    assert missed_so_far(served) - before == 6_100 * WRITTEN_NOT_READ
    caching = report["caching"]
    (caller,) = [each for each in caching["by_marks"] if each["marks"] == "caller"]
    assert caller["requests"] >= 3
    (changed,) = [each for each in caching["by_reason"] if each["reason"] == "system_changed"]
    assert "system prompt" in changed["advice"]
    (known,) = [each for each in caching["by_prefix"] if each["cache_read_tokens"] == 6_100]
    assert (known["requests"], known["cache_write_tokens"]) == (2, 6_100)
    assert served.row(known["example_request_id"])["model"] == SONNET
    assert report["by_day"][-1]["requests"] >= 3


def missed_so_far(served: Gateway) -> int:
    report = served.admin("GET", "savings")
    found = [
        each["miss_usd"]
        for each in report["caching"]["by_reason"]
        if each["reason"] == "system_changed"
    ]
    return sum(nano_usd(amount) for amount in found)


def test_anthropic_is_asked_why_its_cache_missed_where_the_body_is_the_gateways(
    served: Gateway, upstream: Simulated
) -> None:
    asked = {}
    for lane in ("openai", "native"):
        talk = Talk(served, lane, stream=False)
        first = talk.say(HELLO)
        talk.say(MORE)
        *_, before, after = upstream.messages()
        asked[lane] = (before["body"].get("diagnostics"), after["body"].get("diagnostics"))
        if lane == "openai":
            wanted = {"previous_message_id": first["upstream_message_id"]}
    assert asked == {"openai": (None, wanted), "native": (None, None)}
    short = Talk(served, "openai", stream=False)
    for turns in (HELLO, MORE):
        short.say(turns, system=[text("Be brief.")])
    assert "diagnostics" not in upstream.messages()[-1]["body"]  # there was nothing to miss
