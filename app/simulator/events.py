"""An answer as the vendor streams it: named events with their data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from app.simulator.answers import Answer
from app.simulator.facts import Model
from app.simulator.json_values import JsonObject
from app.simulator.tokens import byte_tokens

_PIECE: Final = re.compile(r".{1,24}(?:\s|$)|\S{1,24}", re.DOTALL)
_JSON_PIECE_CHARS: Final = 20
_IN_DELTA: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "server_tool_use",
    "output_tokens_details",
    "iterations",
    *("cost", "cost_details", "is_byok"),  # OpenRouter's own
)


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    data: JsonObject
    sent_tokens: int
    """Output tokens generated up to and including this event."""

    @property
    def is_delta(self) -> bool:
        return self.name == "content_block_delta"

    def encode(self) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (self.name.encode(), orjson.dumps(self.data))


def answer_events(
    message: JsonObject, answer: Answer, model: Model, start_usage: JsonObject
) -> Iterator[Event]:
    """`message` is the whole answer; its usage at the start is `start_usage`."""
    usage = message["usage"]
    opening = message | {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": start_usage,
    }
    yield Event("message_start", {"type": "message_start", "message": opening}, 0)
    yield Event("ping", {"type": "ping"}, 0)
    sent_tokens = 0
    for index, block in enumerate(answer.content):
        yield from _block_events(index, block, answer.block_tokens[index], sent_tokens, model)
        sent_tokens += answer.block_tokens[index]
    closing: JsonObject = {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]},
        "usage": {name: usage[name] for name in _IN_DELTA if name in usage},
    }
    if message.get("stop_details") is not None:
        closing["delta"]["stop_details"] = message["stop_details"]
    yield Event("message_delta", closing, answer.output_tokens)
    yield Event("message_stop", {"type": "message_stop"}, answer.output_tokens)


def error_event(kind: str, message: str, request_id: str) -> bytes:
    error = {"type": kind, "message": message}
    data = {"type": "error", "error": error, "request_id": request_id}
    return b"event: error\ndata: %b\n\n" % orjson.dumps(data)


def _block_events(
    index: int, block: JsonObject, tokens: int, before_tokens: int, model: Model
) -> Iterator[Event]:
    opened, deltas = _opened(block)
    start = {"type": "content_block_start", "index": index, "content_block": opened}
    yield Event("content_block_start", start, before_tokens)
    seen_bytes = 0
    for at, delta in enumerate(deltas):
        _, payload = delta.values()
        seen_bytes += len(str(payload).encode())
        last = at == len(deltas) - 1
        so_far = tokens if last else min(tokens, byte_tokens(seen_bytes, model))
        data = {"type": "content_block_delta", "index": index, "delta": delta}
        yield Event("content_block_delta", data, before_tokens + so_far)
    stop = {"type": "content_block_stop", "index": index}
    yield Event("content_block_stop", stop, before_tokens + tokens)


def _opened(block: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """The block as it starts, and the deltas that fill it."""
    kind = block.get("type")
    if kind == "text":
        pieces = _PIECE.findall(str(block.get("text", "")))
        return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    if kind == "thinking":
        pieces = _PIECE.findall(str(block.get("thinking", "")))
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
        signature = {"type": "signature_delta", "signature": str(block.get("signature", ""))}
        return block | {"thinking": "", "signature": ""}, [*deltas, signature]
    if kind in {"tool_use", "server_tool_use"}:
        text = orjson.dumps(block.get("input", {})).decode()
        cuts = range(0, len(text), _JSON_PIECE_CHARS)
        parts = ["", *(text[at : at + _JSON_PIECE_CHARS] for at in cuts)]
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        return block | {"input": {}}, deltas
    return block, []
