"""Each golden dialogue is one claim about Chat Completions, told in its first line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.core.errors import BadRequest
from app.dialects.anthropic.wire import VERSION, encode
from app.dialects.openai_chat.reply import reply_bytes
from app.dialects.openai_chat.request import parse
from app.dialects.openai_chat.stream import ChunkWriter
from app.simulator.facts import MODELS
from app.simulator.validation import Asked, check
from tests.dialects.openai_chat.dialogues import (
    OPENING,
    RECEIPT,
    canonical,
    dialogues,
    reply,
    sections,
)

REQUESTS = [path for path in dialogues("requests") if "canonical" in sections(path)]
REFUSALS = [path for path in dialogues("requests") if "refused" in sections(path)]
# passed on as it is: models differ in what they take there
LEFT_TO_THE_VENDOR = {"prefill"}
TAKEN = [path for path in REQUESTS if path.stem not in LEFT_TO_THE_VENDOR]


def name(path: Path) -> str:
    return path.stem


def test_there_are_at_least_sixty_and_each_makes_its_own_claim() -> None:
    every = [path for folder in ("requests", "replies", "streams") for path in dialogues(folder)]
    claims = [sections(path)["claim"].strip() for path in every]
    assert len(every) >= 60
    assert all(claims)
    assert len(set(claims)) == len(claims)
    assert len(REQUESTS) + len(REFUSALS) == len(dialogues("requests"))


@pytest.mark.parametrize("path", REQUESTS, ids=name)
def test_a_request_becomes_this_canonical_request(path: Path) -> None:
    parts = sections(path)
    expected = orjson.loads(parts["canonical"])
    found = canonical(parse(parts["request"].encode()))
    assert found == expected
    # byte for byte: the order of keys decides whether the vendor's cache is hit
    for field in ("system", "messages", "tools"):
        assert orjson.dumps(found.get(field)) == orjson.dumps(expected.get(field))


@pytest.mark.parametrize("path", TAKEN, ids=name)
def test_the_vendor_takes_what_a_request_became(path: Path) -> None:
    request = parse(sections(path)["request"].encode()).request
    options = {k: v for k, v in request.options.items() if k not in ("temperature", "top_p")}
    request = replace(request, max_tokens=request.max_tokens or 100, options=options)
    body = orjson.loads(encode(request, "claude-opus-4-8"))
    model = MODELS["claude-opus-4-8"]
    check(Asked(body, model, version=VERSION, beta=False, counting=False))


@pytest.mark.parametrize("path", REFUSALS, ids=name)
def test_a_request_is_refused_with_this_error(path: Path) -> None:
    parts = sections(path)
    with pytest.raises(BadRequest) as caught:
        parse(parts["request"].encode())
    assert {
        "error": type(caught.value).__name__,
        "param": caught.value.param,
        "message": caught.value.message,
    } == orjson.loads(parts["refused"])


@pytest.mark.parametrize("path", dialogues("replies"), ids=name)
def test_a_reply_becomes_this_answer(path: Path) -> None:
    parts = sections(path)
    answer = reply_bytes(reply(parts["reply"]), RECEIPT, legacy_functions="legacy" in parts)
    assert orjson.loads(answer) == orjson.loads(parts["answer"])
    ChatCompletion.model_validate_json(answer, strict=True)


@pytest.mark.parametrize("path", dialogues("streams"), ids=name)
def test_a_stream_becomes_these_bytes_however_its_events_arrive(path: Path) -> None:
    parts = sections(path)
    events = [orjson.loads(line) for line in parts["events"].splitlines() if line]
    include_usage = parts.get("include_usage", "false").strip() == "true"
    expected = parts["chunks"].lstrip("\n").rstrip("\n").encode() + b"\n\n"

    legacy = "legacy" in parts
    at_once = ChunkWriter(OPENING, include_usage, legacy_functions=legacy)
    one_by_one = ChunkWriter(OPENING, include_usage, legacy_functions=legacy)

    assert at_once.feed(events) + at_once.finish(RECEIPT) == expected
    singly = b"".join([one_by_one.feed([event]) for event in events])
    assert singly + one_by_one.finish(RECEIPT) == expected
    for line in expected.decode().split("\n\n"):
        if line and line != "data: [DONE]":
            ChatCompletionChunk.model_validate_json(line.removeprefix("data: "), strict=True)
