"""What planned breakpoints come to with a vendor that caches: in both lanes, streamed and whole."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running import Gateway, Simulated

SONNET = "claude-sonnet-4-6"
SYSTEM = "s" * 8_000  # 2,000 tokens
TOOLS = [{"name": "look", "description": "d" * 6_000, "input_schema": {"type": "object"}}]
QUESTION = "What happened to my order? " * 10
ANSWER = "It was sent on Monday. " * 10


def turns(count: int) -> list[dict[str, Any]]:
    """A talk of so many questions."""
    history: list[dict[str, Any]] = []
    for n in range(count):
        history += [
            {"role": "user", "content": f"{n}: {QUESTION}"},
            {"role": "assistant", "content": ANSWER},
        ]
    return history[:-1]


def row_of(served: Gateway, secret: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = served.post(path, secret, {"model": SONNET, "max_tokens": 50, **body})
    assert answer.status_code == 200, answer.text
    return served.row(answer.headers["x-request-id"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("lane", ["openai", "native"])
def test_each_turn_reads_what_the_one_before_wrote(
    served: Gateway, *, lane: str, stream: bool
) -> None:
    secret = served.key()
    rows = []
    for count in (1, 2, 3):
        body: dict[str, Any] = {"messages": turns(count), "stream": stream}
        path = "/v1/messages"
        if lane == "openai":
            path = "/v1/chat/completions"
            body["messages"] = [{"role": "system", "content": SYSTEM}, *body["messages"]]
        else:
            body["system"] = SYSTEM
        rows.append(row_of(served, secret, path, body))
    wrote = [row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"] for row in rows]
    read = [row["cache_read_tokens"] for row in rows]
    # The system prompt alone at first: nothing says yet that the talk goes on.
    assert (wrote[0], read[0]) == (2_000, 0)
    assert read[1:] == [wrote[0], wrote[0] + wrote[1]]
    assert [row["cache_miss_reason"] for row in rows] == ["first_seen", None, None]
    plans = [row["cache_plan"] for row in rows]
    assert [plan["placed"] for plan in plans] == [["system"], *[["system", "messages"]] * 2]
    assert plans[2]["expected_reads"][1] > plans[0]["expected_reads"][1]


def agent_turn(n: int, calls: int) -> list[dict[str, Any]]:
    uses = [
        {"type": "tool_use", "id": f"toolu_{n}_{call}", "name": "look", "input": {}}
        for call in range(calls)
    ]
    results = [
        {"type": "tool_result", "tool_use_id": use["id"], "content": "r" * 400} for use in uses
    ]
    said = {"type": "text", "text": "I will look."}
    return [
        {"role": "assistant", "content": [said, *uses]},
        {"role": "user", "content": results},
    ]


def test_an_agent_that_calls_many_tools_at_once_loses_nothing(served: Gateway) -> None:
    secret = served.key()
    messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    known, rows = 0, []
    for n, calls in enumerate((2, 10, 12, 25, 1)):
        body = {"system": SYSTEM, "tools": TOOLS, "messages": messages}
        row = row_of(served, secret, "/v1/messages", body)
        assert row["cache_read_tokens"] == known, (n, row["cache_plan"])
        known += row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
        rows.append(row)
        messages = [*messages, *agent_turn(n, calls)]
    assert [row["cache_miss_reason"] for row in rows] == ["first_seen", *[None] * 4]
    assert [len(row["cache_plan"]["placed"]) for row in rows] == [3, 3, 4, 4, 4]


def test_a_question_that_is_asked_once_is_neither_written_nor_held_dearer(
    served: Gateway, upstream: Simulated
) -> None:
    asked = {"messages": [{"role": "user", "content": "Sum this up: " + "text " * 4_000}]}
    secret = served.key()
    row = row_of(served, secret, "/v1/chat/completions", asked)
    off = served.post(
        "/v1/chat/completions",
        secret,
        {"model": SONNET, "max_tokens": 50, **asked},
        **{"x-tollkeeper-cache": "off"},
    )
    assert row["cache_plan"]["why"] == "not_expected"
    assert row["cache_write_5m_tokens"] == row["cache_write_1h_tokens"] == 0
    assert row["reserved_usd"] == served.row(off.headers["x-request-id"])["reserved_usd"]
    assert "cache_control" not in str(upstream.messages()[0]["body"])
