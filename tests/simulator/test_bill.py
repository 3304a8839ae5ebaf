"""What an answer costs, in nano-USD worked out by hand from the vendor's price list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import HAIKU, NEW_SONNET, SONNET, Json, Simulated, question


def usage(
    uncached: int = 0, write_5m: int = 0, write_1h: int = 0, read: int = 0, output: int = 0
) -> Json:
    return {
        "input_tokens": uncached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": write_5m,
            "ephemeral_1h_input_tokens": write_1h,
        },
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_read_input_tokens": read,
        "output_tokens": output,
    }


ONE_OF_EACH = usage(1000, 1000, 1000, 1000, 1000)
BILLS: list[tuple[str, Json, int]] = [
    # 1 + 1.25 + 2 + 0.10 + 5 dollars per million, for 1,000 tokens of each
    (HAIKU, ONE_OF_EACH, 9_350_000),
    ("claude-haiku-4-5", ONE_OF_EACH, 9_350_000),
    (SONNET, ONE_OF_EACH, 28_050_000),  # 3 + 3.75 + 6 + 0.30 + 15
    ("claude-sonnet-4-5", ONE_OF_EACH, 28_050_000),
    ("claude-sonnet-5", ONE_OF_EACH, 18_700_000),  # 2 + 2.50 + 4 + 0.20 + 10
    (NEW_SONNET, ONE_OF_EACH, 18_600_000),  # 2 + 2.50 + 4 + 0.10 + 10
    ("claude-opus-4-5", ONE_OF_EACH, 46_750_000),  # 5 + 6.25 + 10 + 0.50 + 25
    ("claude-opus-4-8", ONE_OF_EACH, 46_750_000),
    ("claude-opus-5", ONE_OF_EACH, 46_750_000),
    ("claude-opus-5-5", ONE_OF_EACH, 37_200_000),  # 4 + 5 + 8 + 0.20 + 20
    ("claude-fable-5", ONE_OF_EACH, 93_500_000),  # 10 + 12.50 + 20 + 1 + 50
    ("claude-fable-5-1", ONE_OF_EACH, 92_750_000),  # read 0.25
    ("claude-mythos-5-1", ONE_OF_EACH, 92_750_000),
    ("claude-fable-5-2", ONE_OF_EACH, 74_200_000),  # 8 + 10 + 16 + 0.20 + 40
    ("claude-mythos-preview", ONE_OF_EACH, 93_500_000),
    ("claude-haiku-5-5", ONE_OF_EACH, 935_000),  # 0.10 + 0.125 + 0.20 + 0.01 + 0.50
    # the dearer tier is for the whole request, once the prompt is over 100,000 tokens
    (
        "claude-haiku-5-5",
        usage(99_000, 500, 300, 200, 10),
        9_900_000 + 62_500 + 60_000 + 2_000 + 5_000,
    ),
    (
        "claude-haiku-5-5",
        usage(99_001, 500, 300, 200, 10),
        49_500_500 + 312_500 + 300_000 + 10_000 + 25_000,
    ),
    ("claude-haiku-5-5", usage(write_5m=1), 125),
    ("claude-opus-4-5", usage(uncached=1, output=1), 30_000),
]


@pytest.mark.parametrize(("model", "given", "nano_usd"), BILLS)
def test_the_bill_follows_the_price_list(
    sim: Simulated, model: str, given: Json, nano_usd: int
) -> None:
    sim.tell("clock", {"now": "2026-11-21T00:00:00Z"})
    sim.reply({"usage": given})
    answer = sim.ask(question("Hello", model))
    assert {name: answer["usage"][name] for name in given} == given
    assert sim.last_entry()["billed_nano_usd"] == nano_usd
    assert sim.summary()["billed_nano_usd"] == nano_usd


@pytest.mark.parametrize(
    ("model", "fields", "nano_usd", "shown"),
    [
        (SONNET, {"inference_geo": "us"}, 30_855_000, {"inference_geo": "us"}),
        (SONNET, {"inference_geo": "global"}, 28_050_000, {"inference_geo": "global"}),
        (SONNET, {}, 28_050_000, {"inference_geo": "global"}),
        (HAIKU, {}, 9_350_000, {"inference_geo": "not_available"}),
        ("claude-opus-5-5", {"speed": "fast"}, 74_400_000, {"speed": "fast"}),
        (
            "claude-opus-5-5",
            {"speed": "fast", "inference_geo": "us"},
            81_840_000,
            {"speed": "fast"},
        ),
        ("claude-opus-4-6", {"speed": "fast"}, 46_750_000, {"speed": "standard"}),
    ],
)
def test_geography_and_speed_multiply_every_category(
    sim: Simulated, model: str, fields: Json, nano_usd: int, shown: Json
) -> None:
    sim.reply({"usage": ONE_OF_EACH})
    answer = sim.ask(question("Hello", model) | fields)
    assert {name: answer["usage"][name] for name in shown} == shown
    assert sim.last_entry()["billed_nano_usd"] == nano_usd


def test_a_tenth_more_of_an_odd_rate_is_rounded_half_to_even(sim: Simulated) -> None:
    # $0.125 per million is 125 nano-USD a token: 137.5 in the US; one token 138, three 412.5: 412
    for tokens, nano_usd in [(1, 138), (3, 412)]:
        sim.reply({"usage": usage(write_5m=tokens)})
        sim.ask(question("Hello", "claude-haiku-5-5", inference_geo="us"))
        assert sim.last_entry()["billed_nano_usd"] == nano_usd


def test_a_web_search_costs_a_cent_whatever_the_geography(sim: Simulated) -> None:
    searches = usage(10, output=10) | {"server_tool_use": {"web_search_requests": 3}}
    sim.reply({"usage": searches})
    sim.ask(question("Hello", inference_geo="us"))
    assert sim.last_entry()["billed_nano_usd"] == 30_000_000 + 33_000 + 165_000


def test_the_bill_of_an_ordinary_answer_is_its_usage_times_the_rates(sim: Simulated) -> None:
    # 9 bytes are 3 tokens, 4 come with the message; 3 words, "Here is a", are 9 bytes: 3 tokens
    answer = sim.ask(question("Hello you", max_tokens=3))
    assert answer["usage"]["input_tokens"] == 7
    assert answer["usage"]["output_tokens"] == 3
    assert sim.last_entry()["billed_nano_usd"] == 7 * 3_000 + 3 * 15_000


@pytest.mark.parametrize("written", [{"cache_creation_input_tokens": 1000}, {}])
def test_a_scripted_write_without_a_split_is_a_five_minute_write(
    sim: Simulated, written: dict[str, Any]
) -> None:
    base = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 0}
    sim.reply({"usage": base | written})
    sim.ask(question("Hello"))
    assert sim.last_entry()["billed_nano_usd"] == 3_750 * written.get(
        "cache_creation_input_tokens", 0
    )
