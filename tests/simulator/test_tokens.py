"""Token counts: the same everywhere, never more than bytes, and worked out by hand."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.client import (
    HAIKU,
    NEW_SONNET,
    SONNET,
    WEATHER,
    Json,
    Simulated,
    question,
    text_block,
)


def png(width: int, height: int) -> str:
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return base64.b64encode(header + b"\x08\x02\x00\x00\x00").decode()


def jpeg(width: int, height: int) -> str:
    application = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\x00" + b"\x00" * 9
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + b"\x00" * 10
    return base64.b64encode(b"\xff\xd8" + application + frame).decode()


def base64_image(data: str, media_type: str = "image/png") -> Json:
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": media_type, "data": data},
    }


def pdf(pages: int) -> Json:
    content = b"%PDF-1.7 /Type /Pages " + b"<< /Type /Page >> " * pages
    data = base64.b64encode(content).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    return {"type": "document", "source": source}


def counted(sim: Simulated, *blocks: Json, model: str = SONNET) -> int:
    """The tokens of one user message's blocks, without the 4 of the message."""
    return sim.count({"model": model, "messages": [{"role": "user", "content": list(blocks)}]}) - 4


COUNTS: list[tuple[str, Json, int]] = [
    (SONNET, text_block("a" * 100), 25),
    (SONNET, text_block("a" * 101), 26),
    (NEW_SONNET, text_block("a" * 100), 33),  # 32.5
    (NEW_SONNET, text_block("a" * 400), 130),
    ("claude-opus-4-7", text_block("a" * 400), 130),
    ("claude-opus-4-6", text_block("a" * 400), 100),
    (SONNET, text_block("é" * 100), 50),
    (SONNET, base64_image(png(750, 100)), 100),
    (SONNET, base64_image(png(4000, 3000)), 1600),
    (NEW_SONNET, base64_image(png(4000, 3000)), 4784),
    (SONNET, base64_image(jpeg(300, 200), "image/jpeg"), 80),
    (SONNET, base64_image("aGVsbG8=", "image/webp"), 1500),
    (SONNET, {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}, 1500),
    (SONNET, pdf(3), 6000),
    (SONNET, pdf(0), 2000),
    (NEW_SONNET, pdf(2), 5200),
    (
        SONNET,
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "d" * 40},
        },
        10,
    ),
]


@pytest.mark.parametrize(("model", "block", "tokens"), COUNTS)
def test_a_block_counts_as_its_size_says(
    sim: Simulated, model: str, block: Json, tokens: int
) -> None:
    assert counted(sim, block, model=model) == tokens


BODIES: list[Json] = [
    question("Hello"),
    question("Hello", NEW_SONNET, system="Be brief. " * 300),
    question("What is the weather?", HAIKU, tools=[WEATHER]),
    question(
        "Say it.", output_config={"format": {"type": "json_schema", "schema": {"type": "string"}}}
    ),
    question("x", messages=[{"role": "user", "content": [base64_image(png(100, 100)), pdf(2)]}]),
    question("Hi", system=[text_block("s" * 9000, "5m")], cache_control={"type": "ephemeral"}),
    question("Hi", HAIKU, max_tokens=3000, thinking={"type": "enabled", "budget_tokens": 2000}),
]


@pytest.mark.parametrize("body", BODIES)
def test_counting_asking_and_streaming_agree(sim: Simulated, body: Json) -> None:
    fields = {k: v for k, v in body.items() if k != "max_tokens"}
    expected = sim.count(fields)
    for usage in (
        sim.ask(body)["usage"],
        sim.stream(body)[0][1]["message"]["usage"],
        sim.stream(body)[-2][1]["usage"],
    ):
        assert (
            usage["input_tokens"]
            + usage["cache_creation_input_tokens"]
            + usage["cache_read_input_tokens"]
        ) == expected


BLOCKS = st.lists(st.text(min_size=1, max_size=60).filter(str.strip), min_size=1, max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turns=st.lists(BLOCKS, min_size=1, max_size=4),
    system=st.text(max_size=80),
    tool=st.booleans(),
)
def test_a_prompt_never_counts_more_than_its_bytes_allow(
    *, sim: Simulated, turns: list[list[str]], system: str, tool: bool
) -> None:
    messages = [
        {"role": "user", "content": [text_block(text) for text in blocks]} for blocks in turns
    ]
    body: dict[str, Any] = {"model": NEW_SONNET, "messages": messages, "system": system}
    size_bytes = len(system.encode()) + sum(len(t.encode()) for blocks in turns for t in blocks)
    bound = size_bytes + 16 * len(messages)
    if tool:
        body["tools"] = [WEATHER]
        bound += 2 * len(json.dumps(WEATHER)) + 1000
    assert 0 < sim.count(body) <= bound
