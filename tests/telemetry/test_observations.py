"""A call's span: buckets that add up to the ledger's figures, and nothing that wasn't asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from app.core.ended import Attempt, Basis, Charge, Ended
from app.core.errors import OverloadedError
from app.core.keys import Key
from app.core.lookups import Billed
from app.core.misses import Miss, MissReason
from app.core.pricing import Cost
from app.core.request import Request
from app.core.usage import Usage
from app.telemetry.observations import (
    MOST_CONTENT_CHARS,
    Told,
    attempt,
    billed,
    error_text,
    generation,
)
from tests.telemetry.calls import KEY, MODEL, call

ENDED_NS = 1_795_000_002_000_000_000  # 2026-11-18 11:06:42 UTC
USAGE = Usage(
    input_tokens=10,
    cache_write_5m_tokens=20,
    cache_write_1h_tokens=40,
    cache_read_tokens=80,
    output_tokens=160,
    reasoning_tokens=100,
)
COST = Cost(
    input=1, cache_write_5m=2, cache_write_1h=4, cache_read=8, output=16, server_tools=10_000_000
)


def priced() -> Ended:
    charge = Charge(
        *(USAGE, COST, "computed", "{}", 10_000_500, 0), message_id="msg_1", stop_reason="end_turn"
    )
    return replace(
        call(2.0, 0),
        charge=charge,
        other_nano_usd=1_000,
        ttft_ms=500,
        conversation="0123456789abcdef",
        session="chat-7",
        request=Request(
            model="auto",
            messages=({"role": "user", "content": "a secret"},),
            max_tokens=99,
            options={"temperature": 0.5, "tool_choice": {"type": "auto"}},
            end_user="user-1",
            tags=("env=prod", "b"),
        ),
    )


def test_tokens_and_costs_stand_in_disjoint_buckets_that_add_up() -> None:
    found = generation(Told(priced(), ENDED_NS))
    usage = json.loads(str(found["langfuse.observation.usage_details"]))
    assert usage == {
        "input": 10,
        "input_cached_tokens": 80,
        "input_cache_creation_5m": 20,
        "input_cache_creation_1h": 40,
        "output": 160,
        "total": 310,
    }
    assert found["langfuse.observation.cost_details"] == (
        '{"input":0.000000001,"input_cached_tokens":0.000000008,'
        '"input_cache_creation_5m":0.000000002,"input_cache_creation_1h":0.000000004,'
        '"output":0.000000016,"server_tools":0.01,"other_attempts":0.000001,'
        '"total":0.010001031}'
    )
    assert found["gen_ai.usage.input_tokens"] == 150
    assert found["gen_ai.usage.output_tokens"] == 160
    assert found["gen_ai.usage.cache_read.input_tokens"] == 80
    assert found["gen_ai.usage.cache_write.input_tokens"] == 60
    assert found["gen_ai.usage.reasoning.output_tokens"] == 100
    assert found["langfuse.observation.metadata.cache_discount"] == "0.000000469"
    assert found["gen_ai.response.finish_reasons"] == ["end_turn"]


def test_a_bill_that_came_later_is_what_the_call_cost() -> None:
    told = billed(Told(priced(), ENDED_NS), Billed(10_001_131, "billed", -30))
    found = generation(told)
    costs = json.loads(str(found["langfuse.observation.cost_details"]), parse_float=Decimal)
    assert costs.pop("total") == sum(costs.values()) == Decimal("0.010001131")
    assert costs["billed_difference"] == Decimal("0.0000001")
    assert found["langfuse.observation.metadata.cost_source"] == "billed"
    assert found["langfuse.observation.metadata.cache_discount"] == "-0.00000003"
    assert attempt(told.call.attempts[-1])["tollkeeper.basis"] == "usage"


def test_a_miss_of_the_cache_tells_why_and_what_it_cost() -> None:
    missed = replace(call(0.2, 16), miss=Miss(MissReason.EXPIRED, 69_000_000))
    name = "langfuse.observation.metadata"
    found = generation(Told(missed, ENDED_NS))
    assert found[f"{name}.cache_miss_reason"] == "expired"
    assert found[f"{name}.cache_miss"] == "0.069"
    assert f"{name}.cache_miss" not in generation(Told(call(0.2, 16), ENDED_NS))


def test_a_call_that_cost_nothing_says_so() -> None:
    error = OverloadedError("busy", status=529)
    free = replace(call(0.2, 0), charge=None, status=503, error_code="upstream_overloaded")
    found = generation(Told(free, ENDED_NS, error_text(error)))
    costs = json.loads(str(found["langfuse.observation.cost_details"]))
    assert set(costs.values()) == {0}
    assert costs["total"] == 0
    assert found["langfuse.observation.level"] == "ERROR"
    assert found["langfuse.observation.status_message"] == "busy"
    assert found["error.type"] == "upstream_overloaded"


def test_it_tells_who_called_and_when_the_first_token_came() -> None:
    found = generation(Told(priced(), ENDED_NS))
    assert found["user.id"] == "user-1"
    assert (found["session.id"], found["gen_ai.conversation.id"]) == ("chat-7", "0123456789abcdef")
    assert found["langfuse.trace.tags"] == ["env=prod", "b"]
    assert found["gen_ai.response.model"] == found["langfuse.observation.model.name"] == MODEL
    assert found["gen_ai.response.time_to_first_chunk"] == 0.5
    first = '"2026-11-18T11:06:40.500+00:00"'  # the call began 2 s before its end
    assert found["langfuse.observation.completion_start_time"] == first
    parameters = json.loads(str(found["langfuse.observation.model.parameters"]))
    assert parameters == {"temperature": 0.5, "max_tokens": 99}


def test_prompts_and_answers_are_there_only_where_they_were_handed_over() -> None:
    assert "a secret" not in str(generation(Told(priced(), ENDED_NS)))
    ended = priced()
    long = 2**80
    prompt = {"messages": ended.request.messages, "tools": ({"maximum": long},)}
    answer = ({"type": "text", "text": "half a pair: \ud83d"},)
    found = generation(Told(ended, ENDED_NS, prompt=prompt, answer=answer))
    asked = json.loads(str(found["langfuse.observation.input"]))
    assert asked["messages"] == [{"role": "user", "content": "a secret"}]
    assert asked["tools"][0]["maximum"] == long
    assert str(found["langfuse.observation.output"]).encode()


def test_a_very_long_prompt_is_cut() -> None:
    found = generation(Told(priced(), ENDED_NS, prompt="x" * 1_000_000))
    cut = str(found["langfuse.observation.input"])
    assert len(cut) == MOST_CONTENT_CHARS + len("… (cut)")


def test_an_attempt_tells_its_end_and_is_no_generation() -> None:
    failed = Attempt(
        *("anthropic", MODEL, 529, "OverloadedError", 12, "req_up", 1_500, Basis.ELAPSED),
        message="Overloaded, key sk-ant-0123456789abcdef",
    )
    assert attempt(failed) == {
        "langfuse.observation.type": "span",
        "langfuse.observation.level": "WARNING",
        "langfuse.observation.status_message": "Overloaded, key [secret]",
        "server.address": "anthropic",
        "http.response.status_code": 529,
        "error.type": "OverloadedError",
        "tollkeeper.model": MODEL,
        "tollkeeper.upstream_request_id": "req_up",
        "tollkeeper.basis": "elapsed",
        "tollkeeper.cost_usd": "0.0000015",
    }


def test_a_key_without_a_team_and_a_call_without_a_user_leave_them_out() -> None:
    plain = replace(call(0.2, 1), key=Key("key_2", "two", "tk-two", KEY.created_at))
    found = generation(Told(plain, ENDED_NS))
    absent = {"user.id", "session.id", "langfuse.trace.tags"}
    absent |= {"langfuse.observation.metadata.team_id", "langfuse.observation.level"}
    assert absent & set(found) == set()
