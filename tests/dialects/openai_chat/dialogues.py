"""Reads the golden dialogues: text files whose sections stand under `--- name` lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from app.core.pricing import Cost
from app.core.receipt import Opening, Receipt
from app.core.request import Reply
from app.core.routing import Reason, Route
from app.core.usage import Usage
from app.dialects.openai_chat.request import ChatCall

FIXTURES = Path(__file__).parent / "fixtures"

OPENING = Opening(
    request_id="req_7",
    created=1_790_000_000,
    requested_model="auto",
    model="claude-sonnet-4-6",
    route=Route("sonnet", 1.0, Reason.LONG_TEXT),
    attempts=1,
    conversation="0123456789abcdef",
    dropped=(),
    max_tokens_set=None,
)
# 100 tokens at $3, 2000 at $3.75, 3000 at $0.30 and 50 at $15 a million
RECEIPT = Receipt(
    opening=OPENING,
    usage=Usage(
        input_tokens=100,
        cache_write_5m_tokens=2_000,
        cache_read_tokens=3_000,
        output_tokens=50,
        reasoning_tokens=10,
    ),
    cost=Cost(input=300_000, cache_write_5m=7_500_000, cache_read=900_000, output=750_000),
    total_nano_usd=9_450_000,
    cache_savings_nano_usd=6_600_000,
    remaining_nano_usd=None,
)


def dialogues(folder: str) -> list[Path]:
    return sorted((FIXTURES / folder).glob("*.txt"))


def sections(path: Path) -> dict[str, str]:
    """The text under each heading; what stands before the first one is the claim."""
    found: dict[str, str] = {}
    name = "claim"
    for line in path.read_text("utf-8").splitlines(keepends=True):
        if line.startswith("--- "):
            name = line[4:].strip()
            assert name not in found, f"{path.name}: two sections {name!r}"
            found[name] = ""
        else:
            found[name] = found.get(name, "") + line
    return found


def canonical(call: ChatCall) -> dict[str, Any]:
    """Everything that the call says and that is not the default."""
    request = call.request
    every = {
        "model": request.model,
        "system": list(request.system),
        "messages": list(request.messages),
        "tools": list(request.tools),
        "max_tokens": request.max_tokens,
        "stream": request.stream,
        "options": dict(request.options),
        "reasoning_effort": request.reasoning_effort,
        "wishes": list(request.wishes),
        "no_added_breakpoints": not request.cache,
        "end_user": request.end_user,
        "tags": list(request.tags),
        "dropped": list(request.dropped),
        "include_usage": call.include_usage,
        "legacy_functions": call.legacy_functions,
    }
    return {name: value for name, value in every.items() if value}


def reply(text: str) -> Reply:
    """A reply from the vendor's own JSON."""
    given = orjson.loads(text)
    return Reply(
        message_id=given["id"],
        model=given["model"],
        content=tuple(given["content"]),
        stop_reason=given["stop_reason"],
        usage=RECEIPT.usage,
        stop_details=given.get("stop_details"),
    )
