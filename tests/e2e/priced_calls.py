"""One scripted reply asked for in four ways: chat and messages, whole and streamed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx2

from tests.e2e.price_vectors import CATEGORIES, Vector
from tests.running import Gateway

CONTENT = [{"type": "text", "text": "ok"}]
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
WAYS = ("openai_chat", "openai_chat", "anthropic_messages", "anthropic_messages")


def assert_priced_in_four_ways(served: Gateway, vector: Vector) -> None:
    """Ask for `vector` in each way: the upstream must have a reply waiting for each of the four."""
    secret = served.key()
    asked = {
        "model": vector.model,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    whole = served.chat(secret, asked)
    streamed = served.chat(secret, {**asked, **WITH_USAGE})
    native = served.post("/v1/messages", secret, asked)
    relayed = served.post("/v1/messages", secret, {**asked, "stream": True})
    for answer in (whole, native):
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-tollkeeper-cost-usd"] == vector.total_usd
    assert_usage(exact_json(whole.text)["usage"], vector)
    assert_usage(usage_chunk(streamed), vector)
    answers = (whole, streamed, native, relayed)
    for answer, dialect in zip(answers, WAYS, strict=True):
        assert answer.status_code == 200, answer.text
        row = served.row(answer.headers["x-request-id"])
        assert row["dialect"] == dialect
        assert_row(row, vector)
    assert Decimal(served.own_key(secret)["spent_usd"]) == 4 * Decimal(vector.total_usd)


def assert_usage(usage: dict[str, Any], vector: Vector) -> None:
    """OpenAI's `usage` with its cost, which must be exact although it is a number."""
    uncached, write_5m, write_1h, read, output = vector.tokens
    prompt = uncached + write_5m + write_1h + read
    assert usage == {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {
            "cached_tokens": read,
            "cache_write_tokens": write_5m + write_1h,
        },
        "completion_tokens_details": {"reasoning_tokens": vector.thinking_tokens},
        "cost": Decimal(vector.total_usd),
        "cost_details": usage["cost_details"],
    }
    assert_details(usage["cost_details"], vector)


def assert_row(row: dict[str, Any], vector: Vector) -> None:
    assert (row["state"], row["cost_source"], row["status"]) == ("settled", "computed", 200)
    assert row["model"] == vector.model
    assert row["cost_usd"] == vector.total_usd
    assert_details(row["cost_details"], vector)
    buckets = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output", "reasoning")
    assert tuple(row[f"{bucket}_tokens"] for bucket in buckets) == (
        *vector.tokens,
        vector.thinking_tokens,
    )
    assert row["web_search_requests"] == vector.searches


def assert_details(details: dict[str, str], vector: Vector) -> None:
    shown = {category: Decimal(usd) for category, usd in details.items()}
    assert shown == dict(zip(CATEGORIES, vector.usd, strict=True))


def exact_json(text: str) -> Any:
    """JSON whose numbers are read digit by digit."""
    return json.loads(text, parse_float=Decimal)


def usage_chunk(streamed: httpx2.Response) -> dict[str, Any]:
    """The one `usage` of an OpenAI stream, which must stand last but `[DONE]`."""
    lines = [line[6:] for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    found: dict[str, Any] = exact_json(lines[-2])["usage"]
    return found


def whole_body(model: str, usage: dict[str, Any]) -> dict[str, Any]:
    """A message with exactly that `usage`."""
    return {
        "id": "msg_01verbatim",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": CONTENT,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def event_stream(model: str, start: dict[str, Any], ends: list[dict[str, Any] | None]) -> str:
    """A stream whose `message_start` has the usage `start`, with a `message_delta` for each end."""
    message = whole_body(model, start) | {"content": [], "stop_reason": None}
    delta = {"type": "text_delta", "text": "ok"}
    block = {"type": "text", "text": ""}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        *({"type": "message_delta", "delta": stop, "usage": usage} for usage in ends),
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
