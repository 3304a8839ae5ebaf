"""A streamed answer: the order of its events, and that it is the same answer."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import pytest

from tests.simulator.client import (
    HAIKU,
    NEW_SONNET,
    WEATHER,
    Json,
    Simulated,
    question,
    text_block,
)


def joined(events: list[tuple[str, Json]]) -> list[Json]:
    """The content blocks, put together again as a client would."""
    blocks: list[Json] = []
    partial: list[str] = []
    for name, data in events:
        if name == "content_block_start":
            blocks.append(dict(data["content_block"]))
            partial.append("")
        elif name == "content_block_delta":
            delta, block = data["delta"], blocks[data["index"]]
            field = {"text_delta": "text", "thinking_delta": "thinking"}.get(delta["type"])
            if field is not None:
                block[field] += delta[field]
            elif delta["type"] == "signature_delta":
                block["signature"] = delta["signature"]
            else:
                partial[data["index"]] += delta["partial_json"]
    for block, text in zip(blocks, partial, strict=True):
        if text:
            block["input"] = json.loads(text)
    return blocks


def without_ids(blocks: list[Json]) -> list[Json]:
    return [{k: v for k, v in block.items() if k not in ("id", "tool_use_id")} for block in blocks]


SEARCH: Json = {"type": "web_search_20260318", "name": "web_search", "max_uses": 2}
BODIES: list[Json] = [
    question("Tell me about rivers and bridges."),
    question("Tell me about rivers.", max_tokens=7),
    question("Use get_weather for 'Oslo'.", tools=[WEATHER]),
    question("Why?", "claude-opus-5-5", output_config={"effort": "high"}),
    question("Why?", thinking={"type": "adaptive", "display": "omitted"}),
    question("Search for rivers.", NEW_SONNET, tools=[SEARCH]),
    question("Hi", system=[text_block("s" * 8000, "1h")]),
    question("日本語で、長い文章を書いてください。"),
]


@pytest.mark.parametrize("body", BODIES)
def test_the_stream_is_the_same_answer_as_the_whole(sim: Simulated, body: Json) -> None:
    whole = sim.ask(body)
    sim.tell("reset", {})
    events = sim.stream(body)
    names = [name for name, _ in events]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    assert all(name == data["type"] for name, data in events)
    assert without_ids(joined(events)) == without_ids(whole["content"])
    start, end = events[0][1]["message"], events[-2][1]
    assert start["content"] == []
    assert start["stop_reason"] is None
    assert end["delta"] == {
        "stop_reason": whole["stop_reason"],
        "stop_sequence": whole["stop_sequence"],
    }
    assert "cache_creation" not in end["usage"]
    full = start["usage"] | end["usage"]
    assert full == whole["usage"]


def test_every_block_is_opened_filled_and_closed_in_order(sim: Simulated) -> None:
    body = question("Use get_weather for 'Oslo'.", tools=[WEATHER])
    shape = [
        (name, data.get("index"))
        for at, (name, data) in enumerate(sim.stream(body))
        if name.startswith("content_block")
    ]
    assert list(dict.fromkeys(shape)) == [
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
    ]


def test_the_search_results_appear_only_in_the_last_usage(sim: Simulated) -> None:
    body = question("Search for rivers.", tools=[SEARCH])
    events = sim.stream(body)
    before = events[0][1]["message"]["usage"]["input_tokens"]
    after = events[-2][1]["usage"]
    assert after["input_tokens"] == before + 400
    assert after["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}


def test_a_client_that_leaves_pays_for_what_was_sent(sim: Simulated) -> None:
    sim.tell("pace", {"delta_interval_s": 0.02})
    # "in 400 words" is a long answer; 26 bytes are 7 tokens and the message 4
    body = question("Write on rivers. 400 words", HAIKU, max_tokens=2000, stream=True)
    with sim.http.stream("POST", "/v1/messages", json=body, headers=sim.headers()) as answer:
        seen = ""
        for chunk in answer.iter_text():
            seen += chunk
            if seen.count("text_delta") >= 5:
                break
    entry = sim.last_entry()
    assert (entry["cut"], entry["client_gone"], entry["status"]) == (True, True, 200)
    assert 5 <= entry["deltas_sent"] <= 30
    output_tokens = entry["usage"]["output_tokens"]
    # at most 24 bytes a delta, that is 6 tokens
    assert 0 < output_tokens <= 6 * entry["deltas_sent"]
    assert entry["billed_nano_usd"] == 11 * 1_000 + output_tokens * 5_000
    assert sim.summary()["billed_nano_usd"] == entry["billed_nano_usd"]


def test_a_client_that_leaves_before_a_whole_answer_still_pays_it(sim: Simulated) -> None:
    sim.faults({"kind": "slow", "first_byte_s": 5})
    with pytest.raises(httpx2.ReadTimeout):
        sim.http.post("/v1/messages", json=question("Hello"), headers=sim.headers(), timeout=0.2)
    entry = sim.last_entry()
    assert (entry["cut"], entry["client_gone"], entry["status"]) == (True, True, None)
    assert entry["billed_nano_usd"] == 6 * 3_000 + entry["usage"]["output_tokens"] * 15_000


@pytest.mark.parametrize(
    "slow", [{"kind": "slow", "first_byte_s": 0.3}, {"kind": "slow", "delta_interval_s": 0.05}]
)
def test_a_slow_answer_takes_its_time(sim: Simulated, slow: dict[str, Any]) -> None:
    sim.faults(slow)
    begun = time.monotonic()
    events = sim.stream(question("Tell me about rivers and bridges."))
    assert time.monotonic() - begun >= 0.3
    assert events[-1][0] == "message_stop"
