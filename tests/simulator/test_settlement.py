"""Answers of several attempts, refusals and consultations: what is told and what is billed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import NEW_SONNET, SONNET, Json, Simulated, events_of, question

OPUS = "claude-opus-5-5"  # $4 in, $20 out; "Hello" is 2 tokens and the message 4
HELLO = question("Hello", OPUS)
NEXT: Json = {"fallbacks": [{"model": NEW_SONNET}]}  # $2 in, $10 out
NO_CACHE = {
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
}


def ask(sim: Simulated, body: Json, **more: Any) -> Json:
    headers = sim.headers() | {"anthropic-beta": "server-side-fallback-2026-07-01"}
    answer = sim.http.post("/v1/messages", json=body | more, headers=headers)
    assert answer.status_code == 200, answer.text
    if more.get("stream"):
        return {"events": events_of(answer.text)}
    found: Json = answer.json()
    return found


def billed(sim: Simulated) -> int:
    return int(sim.last_entry()["billed_nano_usd"])


@pytest.mark.parametrize(
    ("category", "nano_usd"),
    [
        (None, 0),
        ("cyber", 0),
        ("general_harms", 0),
        ("bio", 24_000),
        ("frontier_llm", 24_000),
        ("reasoning_extraction", 24_000),
        ("newly_invented", 24_000),
    ],
)
def test_a_refusal_before_any_output_costs_in_some_categories_only(
    sim: Simulated, category: str | None, nano_usd: int
) -> None:
    sim.reply({"declines": [category]}, {"declines": [category]})
    answer = ask(sim, HELLO)
    assert (answer["stop_reason"], answer["content"]) == ("refusal", [])
    assert answer["stop_details"]["category"] == category
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (6, 0)
    assert billed(sim) == nano_usd
    events = ask(sim, HELLO, stream=True)["events"]
    assert events[-2][1]["delta"]["stop_details"]["category"] == category
    assert billed(sim) == nano_usd


def test_a_refusal_after_some_output_costs_in_every_category(sim: Simulated) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    usage = {"input_tokens": 6, "output_tokens": 3}
    sim.reply({"stop_reason": "refusal", "stop_details": details, "usage": usage})
    assert ask(sim, HELLO)["stop_reason"] == "refusal"
    assert billed(sim) == 6 * 4_000 + 3 * 20_000


@pytest.mark.parametrize(("category", "declined_nano_usd"), [("cyber", 0), ("bio", 24_000)])
@pytest.mark.parametrize("stream", [False, True])
def test_the_fallback_that_answers_is_the_replys_model(
    *, sim: Simulated, category: str, declined_nano_usd: int, stream: bool
) -> None:
    sim.reply({"declines": [category]})
    answer = ask(sim, HELLO | NEXT, stream=stream)
    if stream:
        events = answer["events"]
        assert events[0][1]["message"]["model"] == NEW_SONNET
        block = events[2][1]["content_block"]
        usage = events[-2][1]["usage"]
        assert "iterations" not in events[0][1]["message"]["usage"]
    else:
        assert (answer["model"], answer["stop_reason"]) == (NEW_SONNET, "end_turn")
        block, usage = answer["content"][0], answer["usage"]
        assert answer["content"][1]["type"] == "text"
    assert block == {
        "type": "fallback",
        "from": {"model": OPUS},
        "to": {"model": NEW_SONNET},
        "trigger": {"type": "refusal", "category": category},
    }
    output = usage["output_tokens"]
    assert usage["iterations"] == [
        {"type": "message", "model": OPUS, "input_tokens": 6, "output_tokens": 0} | NO_CACHE,
        {"type": "fallback_message", "model": NEW_SONNET, "input_tokens": 6}
        | {"output_tokens": output}
        | NO_CACHE,
    ]
    assert billed(sim) == declined_nano_usd + 6 * 2_000 + output * 10_000


def test_when_all_decline_the_last_ones_refusal_is_the_answer(sim: Simulated) -> None:
    sim.reply({"declines": ["cyber", "bio"]}, {"declines": ["bio", "cyber"]})
    answer = ask(sim, HELLO | NEXT)
    assert (answer["model"], answer["stop_reason"]) == (NEW_SONNET, "refusal")
    assert answer["stop_details"]["category"] == "bio"
    assert [entry["type"] for entry in answer["usage"]["iterations"]] == ["message", "message"]
    assert billed(sim) == 6 * 2_000
    ask(sim, HELLO | NEXT)
    assert billed(sim) == 6 * 4_000


def test_a_model_that_does_not_decline_answers_itself(sim: Simulated) -> None:
    answer = ask(sim, HELLO | NEXT)
    assert answer["model"] == OPUS
    assert "iterations" not in answer["usage"]
    sim.reply({"declines": ["bio"]})
    default = ask(sim, HELLO | {"fallbacks": "default"})
    assert default["model"] == NEW_SONNET
    sim.reply({"declines": ["bio"]})
    alone = ask(sim, question("Hello", "claude-haiku-5-5", fallbacks="default"))
    assert (alone["model"], alone["stop_reason"]) == ("claude-haiku-5-5", "refusal")


BAD_FALLBACKS: list[tuple[str, Json]] = [
    ("fallbacks: Extra inputs are not permitted", {}),
    ("fallbacks: Input should be 'default' or a list", {"fallbacks": "any"}),
    ("fallbacks: Input should be 'default' or a list", {"fallbacks": []}),
    ("fallbacks: Input should be 'default' or a list", {"fallbacks": [{"model": SONNET}] * 4}),
    ("fallbacks.0.tools: Extra inputs", {"fallbacks": [{"model": SONNET, "tools": []}]}),
    ("model: Field required", {"fallbacks": [{}]}),
    ("not supported for claude-haiku-5-5", NEXT | {"model": "claude-haiku-5-5"}),
    (
        'thinking: type "disabled" is not supported',
        {"fallbacks": [{"model": NEW_SONNET, "thinking": {"type": "disabled"}}]},
    ),
]


@pytest.mark.parametrize(("message", "fields"), BAD_FALLBACKS)
def test_a_bad_list_of_fallbacks_is_refused(sim: Simulated, message: str, fields: Json) -> None:
    body = HELLO | (fields or NEXT)
    beta = {"anthropic-beta": "server-side-fallback-2026-07-01"} if fields else {}
    answer = sim.http.post("/v1/messages", json=body, headers=sim.headers() | beta)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


ADVISOR: Json = {"type": "advisor_20260301", "name": "advisor", "model": OPUS, "max_uses": 2}


@pytest.mark.parametrize(
    ("prompt", "script", "advised"),
    [
        ("Hello", {}, 0),
        ("Give me advice.", {}, 1),
        ("Hello", {"advises": 2}, 2),
        ("Hello", {"advises": 9}, 2),
    ],
)
def test_an_advisor_reads_all_and_is_billed_at_its_own_rates(
    sim: Simulated, prompt: str, script: Json, advised: int
) -> None:
    sim.reply(script)
    answer = ask(sim, question(prompt, SONNET, tools=[ADVISOR]))
    kinds = [block["type"] for block in answer["content"]]
    assert kinds == [*["server_tool_use", "advisor_tool_result"] * advised, "text"]
    assert answer["model"] == SONNET
    usage = answer["usage"]
    own = usage["input_tokens"] * 3_000 + usage["output_tokens"] * 15_000
    if not advised:
        assert "iterations" not in usage
        assert billed(sim) == own
        return
    *advice, executor = usage["iterations"]
    assert [(entry["type"], entry["model"]) for entry in advice] == [
        ("advisor_message", OPUS)
    ] * advised
    assert (executor["type"], executor["output_tokens"]) == ("message", usage["output_tokens"])
    # 472 bytes of advice are 154 of its tokens
    assert [entry["output_tokens"] for entry in advice] == [154] * advised
    assert advice[0]["input_tokens"] > 380
    assert billed(sim) == own + advised * (advice[0]["input_tokens"] * 4_000 + 154 * 20_000)


def test_scripted_iterations_are_the_bill(sim: Simulated) -> None:
    entries = [
        {"type": "compaction", "input_tokens": 1_000, "output_tokens": 100},
        {"type": "message", "input_tokens": 10, "output_tokens": 5},
        {"type": "advisor_message", "model": OPUS, "input_tokens": 100, "output_tokens": 10},
        {
            "type": "fallback_message",
            "model": "claude-haiku-5-5",
            "input_tokens": 0,
            "cache_read_input_tokens": 100_001,
            "output_tokens": 1,
        },
    ]
    sim.reply({"usage": {"iterations": entries, "input_tokens": 1, "output_tokens": 1}})
    assert ask(sim, question("Hello", inference_geo="us"))["usage"]["iterations"] == entries
    # Sonnet 4.6: 1,010 x $3 + 105 x $15; Opus 5.5: 100 x $4 + 10 x $20;
    # Haiku 5.5 above 100,000: 100,001 x $0.05 + 1 x $2.50 per million; all by 1.1
    sonnet, opus, haiku = 3_030_000 + 1_575_000, 400_000 + 200_000, 5_000_050 + 2_500
    assert billed(sim) * 10 == (sonnet + opus + haiku) * 11


def test_writes_without_a_split_live_as_long_as_the_request_asked(sim: Simulated) -> None:
    usage = {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_creation_input_tokens": 1_000,
        "cache_creation": None,
    }
    for ttl, nano_usd in (("5m", 3_750_000), ("1h", 6_000_000)):
        mark = {"type": "ephemeral", "ttl": ttl}
        sim.reply({"usage": usage})
        system = [{"type": "text", "text": "Be brief.", "cache_control": mark}]
        answer = ask(sim, question("Hello", system=system))
        assert answer["usage"]["cache_creation"] is None
        assert billed(sim) == nano_usd


def test_a_cut_answer_of_several_attempts_costs_what_was_sent(sim: Simulated) -> None:
    sim.reply({"declines": ["bio"]})
    sim.faults({"kind": "reset_mid_stream", "after_deltas": 2})
    with pytest.raises(Exception, match=r"(reset|closed|peer)"):
        ask(sim, HELLO | NEXT, stream=True)
    usage = sim.last_entry()["usage"]
    sent = usage["output_tokens"]
    assert 0 < sent < 20
    assert usage["iterations"][1]["output_tokens"] == sent
    assert billed(sim) == 24_000 + 12_000 + sent * 10_000
